"""The engine of torch's CPU generator: mt19937, its words, the uniforms made of them, torch's layout of its state."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.random.arch import get_arch

ROUND = 624  # words that mt19937 makes at a time

STATE_LAYOUT = np.dtype(
    {
        "names": ["seed", "left", "seeded", "next", "key", "next_normal", "has_next_normal"],
        "formats": ["<u8", "<i4", "<i4", "<u8", ("<u8", ROUND), "<f8", "<i4"],
        "offsets": [0, 8, 12, 16, 24, 5024, 5040],
        "itemsize": 5056,
    }
)


class MersenneTwister:
    """32-bit words in torch's order, and the one cached normal that torch keeps beside them.

    A seed is 64 bits wide, but only its low half reaches `init_genrand`; NumPy's RandomState is seeded by the same
    function, so `np.random.seed(s)` and `torch.manual_seed(s)` start the same words. Only the use of the words differs.

    next_normal  the second value of a Box-Muller pair, unscaled, in float64, until the next call that wants a single
                 normal takes it; every dtype shares it, no other call touches it, seeding clears it (see normals.py).

    Source    Matsumoto and Nishimura 1998, "Mersenne Twister", ACM TOMACS 8(1); NumPy's legacy seeding and full-range
              32-bit integers, which NEP 19 freezes; torch's at::mt19937 and CPUGeneratorImpl.
    """

    device = "cpu"
    block = 8192  # values to draw at a time: their temporaries stay in the cache, and malloc reuses them; 16 divides it

    def __init__(self, seed: int) -> None:
        self._numpy = np.random.RandomState(0)
        self.seed(seed)

    def seed(self, seed: int) -> None:
        self.initial_seed = seed
        self._numpy.seed(seed & 0xFFFFFFFF)
        self.next_normal: float | None = None
        self._fresh = True

    @property
    def fuses(self) -> bool:
        """Whether torch's kernels round x * y + z once on the machine reproduced."""
        return get_arch() != "scalar"

    def words(self, n: int) -> np.ndarray:
        """Draw n words, uint32."""
        self._fresh = self._fresh and n == 0
        return self._numpy.randint(0, 2**32, n, dtype=np.uint32)

    def long_words(self, n: int) -> np.ndarray:
        """Draw n pairs of words as uint64; the first word of a pair is the high half."""
        low_high = self.words(2 * n).view("<u8")
        return low_high << np.uint64(32) | low_high >> np.uint64(32)

    def units(self, n: int, dtype: DTypeLike) -> np.ndarray:
        """Draw n uniforms in [0, 1): the low bits of a word, as many as the dtype has digits, over two to that power.

            float32    (word & (2^24 - 1)) / 2^24             one word
            float64    (long word & (2^53 - 1)) / 2^53        two words

        Both are exact. Source: at::uniform_real_distribution.
        """
        if dtype == np.float64:
            long_words = self.long_words(n)
            long_words &= np.uint64(2**53 - 1)
            return long_words.view(np.int64) * 2.0**-53
        words = self.words(n)
        words &= np.uint32(2**24 - 1)
        x = words.view(np.int32).astype(np.float32)
        x *= np.float32(2.0**-24)
        return x

    def get_state(self) -> np.ndarray:
        """Torch's 5056 bytes. After p of a round's words next = p and left = 625 - p; right after seeding 0 and 1."""
        numpy_state: Any = self._numpy.get_state(legacy=False)["state"]
        state = np.zeros((), STATE_LAYOUT)
        state["seed"], state["seeded"], state["key"] = self.initial_seed, 1, numpy_state["key"]
        state["next"], state["left"] = (0, 1) if self._fresh else (numpy_state["pos"], ROUND + 1 - numpy_state["pos"])
        if self.next_normal is not None:
            state["next_normal"], state["has_next_normal"] = self.next_normal, 1
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    def set_state(self, raw: bytes) -> None:
        """Continue where torch or scratch stopped.

        Raises    RuntimeError if it is not 5056 bytes or not a position that torch can have written.
        """
        if len(raw) != STATE_LAYOUT.itemsize:
            raise RuntimeError(
                f"set_state: a CPU generator's state has {STATE_LAYOUT.itemsize} bytes, got {len(raw)}. "
                "Pass what get_state of a CPU generator returned, or torch.get_rng_state()."
            )
        state = np.frombuffer(raw, STATE_LAYOUT)[0]
        left, position = int(state["left"]), int(state["next"])
        fresh = (position, left) == (0, 1)
        drawn_from = 1 <= position <= ROUND and position + left == ROUND + 1
        if state["seeded"] != 1 or not (fresh or drawn_from):
            raise RuntimeError(
                f"set_state: not a state of mt19937 that torch writes: seeded={state['seeded']}, next={position}, "
                f"left={left}. next + left is 625, or 1 right after seeding. Were the bytes altered?"
            )
        self.initial_seed = int(state["seed"])
        self._numpy.set_state(("MT19937", state["key"].astype(np.uint32), ROUND if fresh else position, 0, 0.0))
        self.next_normal = float(state["next_normal"]) if state["has_next_normal"] else None
        self._fresh = fresh

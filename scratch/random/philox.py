"""The engine of torch's CUDA generator: Philox, and which thread of a launch draws which element.

Unverified on a GPU: written from the sources named below and checked against Random123's known answers and against
published numbers. For a GPU model other than the H100 or H200, pass its numbers to Generator.
"""

import sys

import numpy as np
from numpy.typing import DTypeLike

BLOCK_THREADS = 256

MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
KEY_STEPS = np.array([0x9E3779B9, 0xBB67AE85], np.uint32)
ROUNDS = 10

STATE_LAYOUT = np.dtype([("seed", "<u8"), ("offset", "<i8")])


def philox4x32(counter: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Ten rounds on counters (4, ...) under a key (2,), all uint32; four words for every counter.

        with (h0, l0) = M0 c0 and (h1, l1) = M1 c2, high and low halves of 64-bit products:
        c0, c1, c2, c3  <-  h1 ^ c1 ^ k0,  l1,  h0 ^ c3 ^ k1,  l0           k  <-  k + step

    Source    Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", SC11; Random123's
              philox4x32-10.
    """
    c0, c1, c2, c3 = counter
    for step in range(ROUNDS):
        k0, k1 = key + np.uint32(step) * KEY_STEPS
        product0, product1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1 = high(product1) ^ c1 ^ k0, low(product1)
        c2, c3 = high(product0) ^ c3 ^ k1, low(product0)
    return np.stack((c0, c1, c2, c3))


def low(x: np.ndarray) -> np.ndarray:
    return x.astype(np.uint32)


def high(x: np.ndarray) -> np.ndarray:
    return (x >> np.uint64(32)).astype(np.uint32)


class Philox:
    """The words of torch's CUDA stream: a seed, an offset that every call advances, and the geometry of the GPU.

    Thread t of a launch draws its k-th four words, lanes x y z w, from the counter (offset / 4 + k, t), two 64-bit
    halves, under the seed as key. A launch has

        T = 256 * min(multiprocessors * (threads_per_multiprocessor // 256), ceil(n / 256))      threads,

    so the GPU model matters only beyond T elements.

    Source    curand_Philox4x32_10 of NVIDIA's cuRAND; at::native's cuda/DistributionTemplates.h and cuda/Dropout.cu.
    """

    device = "cuda"
    block = sys.maxsize  # one launch covers the whole array
    fuses = True  # nvcc contracts x * y + z

    def __init__(self, seed: int, multiprocessors: int, threads_per_multiprocessor: int) -> None:
        self.most_threads = BLOCK_THREADS * multiprocessors * (threads_per_multiprocessor // BLOCK_THREADS)
        self.seed(seed)

    def seed(self, seed: int) -> None:
        self.initial_seed, self.offset = seed, 0

    def get_state(self) -> np.ndarray:
        """Torch's 16 bytes: seed and offset."""
        return np.frombuffer(np.array((self.initial_seed, self.offset), STATE_LAYOUT).tobytes(), np.uint8).copy()

    def set_state(self, raw: bytes) -> None:
        """Continue from a state.

        Raises    RuntimeError unless it is 16 bytes with an offset that is a multiple of 4.
        """
        if len(raw) != STATE_LAYOUT.itemsize:
            raise RuntimeError(
                f"set_state: a CUDA generator's state has {STATE_LAYOUT.itemsize} bytes, got {len(raw)}."
            )
        state = np.frombuffer(raw, STATE_LAYOUT)[0]
        if state["offset"] % 4:
            raise RuntimeError(f"set_state: a CUDA generator's offset is a multiple of 4, got {state['offset']}.")
        self.initial_seed, self.offset = int(state["seed"]), int(state["offset"])

    def threads(self, n: int) -> int:
        return min(self.most_threads, -(-n // BLOCK_THREADS) * BLOCK_THREADS)

    def quadruples(self, calls: int, threads: int) -> np.ndarray:
        """Lanes (4, calls, threads) of the next calls, without advancing the offset."""
        call = np.arange(calls, dtype=np.uint64) + np.uint64(self.offset // 4)
        thread = np.arange(threads, dtype=np.uint64)
        counter = np.broadcast_arrays(low(call)[:, None], high(call)[:, None], low(thread), high(thread))
        key = np.array(self.initial_seed, "<u8").reshape(1).view("<u4")
        return philox4x32(np.stack(counter), key)

    def launch(self, n: int, lanes: int) -> np.ndarray:
        """The quadruples of a launch that fills n elements, `lanes` from each, and the offset moved past them."""
        threads = self.threads(n)
        calls = -(-n // max(threads * lanes, 1))
        drawn = self.quadruples(calls, threads)
        self.offset += 4 * calls
        return drawn

    def words(self, n: int) -> np.ndarray:
        """One uint32 per element: element i is lane q % 4 of call q // 4 of thread i % T, with q = i // T."""
        return self.launch(n, 4).transpose(1, 0, 2).reshape(-1)[:n]

    def long_words(self, n: int) -> np.ndarray:
        """One uint64 per element, two per call: x high and y low, then z and w."""
        x, y, z, w = self.launch(n, 2).astype(np.uint64)
        pairs = np.stack((x << np.uint64(32) | y, z << np.uint64(32) | w), axis=1)
        return pairs.reshape(-1)[:n]

    def units(self, n: int, dtype: DTypeLike) -> np.ndarray:
        """Uniforms in (0, 1], never 0, whereas the CPU's are never 1.

        float32    word / 2^32 + 1 / 2^33                    the word rounded to float32 first
        float64    (x ^ y 2^21) / 2^53 + 1 / 2^54            two per call, from x and y, then from z and w
        """
        if dtype != np.float64:
            return unit_float32(self.words(n))
        x, y, z, w = self.launch(n, 2)
        return np.stack((unit_float64(x, y), unit_float64(z, w)), axis=1).reshape(-1)[:n]

    def normals(self, n: int, dtype: DTypeLike) -> np.ndarray:
        """Standard normals, Box-Muller of the lanes (x, y) and (z, w): r sin v, then r cos v.

        float32    u, v = units of a lane each, v times 2 pi       r = sqrt(-2 log u)        four per call
        float64    u of x and y, v = 2 pi times that of z and w                              two per call

        A GPU takes float32 sin and cos from a table in hardware, so these agree to about 1e-6, not to the bit.
        """
        if dtype == np.float64:
            x, y, z, w = self.launch(n, 2)
            u, v = unit_float64(x, y)[:, None], unit_float64(z, w)[:, None] * (2 * np.pi)
        else:
            lanes = unit_float32(self.launch(n, 4)).transpose(1, 0, 2)
            u, v = lanes[:, ::2], lanes[:, 1::2] * np.float32(2 * np.pi)
        radius = np.sqrt(-2 * np.log(u))
        pairs = np.stack((radius * np.sin(v), radius * np.cos(v)), axis=2)
        return pairs.reshape(-1)[:n]

    def units_in_fours(self, n: int) -> np.ndarray:
        """Draw float32 units where thread t fills elements 4t to 4t + 3: bernoulli_ of an array of probabilities."""
        drawn = self.quadruples(1, -(-n // 4))
        self.offset += 12
        return unit_float32(drawn.transpose(1, 2, 0).reshape(-1)[:n])

    def dropout_units(self, n: int, itemsize: int) -> np.ndarray:
        """Draw float32 units as the dropout kernel draws them: a thread fills `width` neighbors at a time.

        width is 16 bytes' worth, halved until it divides n. A thread draws four words for up to four neighbors; with
        width 2 it drops the other two (pytorch/pytorch#68909), with width 1 the map is that of `words`.
        """
        width = 16 // itemsize
        while n % width:
            width //= 2
        if width == 1:
            return self.units(n, np.float32)
        threads = self.threads(n)
        trips = -(-n // (threads * width))
        lanes, calls = min(width, 4), max(width // 4, 1)
        drawn = self.quadruples(trips * calls, threads)[:lanes].reshape(lanes, trips, calls, threads)
        self.offset += 4 * -(-n // (threads * 4))
        return unit_float32(drawn.transpose(1, 3, 2, 0).reshape(-1)[:n])


def unit_float32(words: np.ndarray) -> np.ndarray:
    x = words.astype(np.float32)
    x *= np.float32(2.0**-32)
    x += np.float32(2.0**-33)
    return x


def unit_float64(low_word: np.ndarray, high_word: np.ndarray) -> np.ndarray:
    bits = low_word ^ (high_word.astype(np.uint64) << np.uint64(21))
    return bits * 2.0**-53 + 2.0**-54

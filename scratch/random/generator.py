"""Generators, the global one, and seeding."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, SupportsInt

import numpy as np

from scratch.random.mersenne import MersenneTwister
from scratch.random.philox import Philox

DEFAULT_SEED = 67280421310721


class Generator:
    """A stream of random numbers, torch's to the bit.

        g = Generator().manual_seed(1)
        rand(3, generator=g)

    Unseeded, it starts from 67280421310721, as in torch.

    Threads   a generator belongs to one thread at a time: a draw takes many steps without a lock. Give every thread its
              own, also for `DataLoader` and for layers; what it draws then does not depend on the others.
    Forks     a child starts with a copy, and draws what its parent draws next, as in torch. Give it another seed:
              `manual_seed(seed + number of the worker)`.

    device="cuda" is the stream that torch draws on a GPU; the two numbers describe the GPU model and determine its
    launches (132 and 2048 for an H100 or H200; `torch.cuda.get_device_properties` knows them as multi_processor_count
    and max_threads_per_multi_processor).

    Torch     torch.Generator; same methods. The state is an array of bytes, in torch a tensor of them.
    Raises    RuntimeError for another device.
    """

    def __init__(
        self, device: str = "cpu", *, multiprocessors: int = 132, threads_per_multiprocessor: int = 2048
    ) -> None:
        kind = str(device).partition(":")[0]
        if kind not in ("cpu", "cuda"):
            raise RuntimeError(f"Generator: device must be 'cpu' or 'cuda', got {device!r}.")
        self.engine: MersenneTwister | Philox
        if kind == "cpu":
            self.engine = MersenneTwister(DEFAULT_SEED)
        else:
            self.engine = Philox(DEFAULT_SEED, multiprocessors, threads_per_multiprocessor)

    @property
    def device(self) -> str:
        return self.engine.device

    def manual_seed(self, seed: int) -> "Generator":
        """Start the stream of this seed, an integer in [-2^63, 2^64); a negative one counts from 2^64 down.

        Raises    RuntimeError if it is not an int, TypeError for a NumPy int, ValueError outside the range, as in
                  torch.
        """
        if isinstance(seed, np.integer):
            raise TypeError(f"Generator.manual_seed: takes a Python int, got {type(seed).__name__}. Pass int(seed).")
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise RuntimeError(f"Generator.manual_seed: takes an int, got {type(seed).__name__}. Pass int(seed).")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"Generator.manual_seed: the seed must be in [-2^63, 2^64), got {seed}. Take it % 2^64.")
        self.engine.seed(seed % 2**64)
        return self

    def seed(self) -> int:
        """Start from a seed of the operating system (53 bits, as in torch) and return it."""
        seed = int.from_bytes(os.urandom(8), "little") % 2**53
        self.engine.seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that started the stream, in [0, 2^64)."""
        return self.engine.initial_seed

    def get_state(self) -> np.ndarray:
        """The state as torch's own bytes, an array of uint8."""
        return self.engine.get_state()

    def set_state(self, new_state: Any) -> "Generator":
        """Continue from a state: bytes, an array of uint8, or torch's own tensor of them.

        Raises    TypeError if it is none of these, RuntimeError if they are not a state of this kind of generator.
        """
        if not isinstance(new_state, (bytes, bytearray)):
            new_state = np.asarray(new_state)
            if new_state.dtype != np.uint8:
                raise TypeError(f"set_state: the state must be bytes or an array of uint8, got {new_state.dtype}.")
            new_state = new_state.tobytes()
        self.engine.set_state(bytes(new_state))
        return self

    def __repr__(self) -> str:
        return f"Generator(device={self.device!r}, seed={self.initial_seed()})"


# The global one. All threads share it without a lock: with draws from several threads, neither the numbers nor their
# order are reliable. torch locks each call, which keeps the numbers sound, but not their order.
default_generator = Generator()


def manual_seed(seed: SupportsInt | str) -> Generator:
    """Seed the global generator and return it; as in torch, anything that int() takes is a seed.

    Raises    TypeError or ValueError, int()'s own classes, for anything else.
    """
    try:
        number = int(seed)
    except (TypeError, ValueError) as error:
        raise type(error)(f"manual_seed: the seed must be a whole number, got {seed!r}.") from None
    return default_generator.manual_seed(number)


def seed() -> int:
    """Seed the global generator from the operating system and return the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the global generator."""
    return default_generator.initial_seed()


def get_rng_state() -> np.ndarray:
    """The global generator's state, torch's own 5056 bytes."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Continue the global stream from a state, scratch's or torch's."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: object = None, enabled: bool = True) -> Iterator[None]:
    """Draws inside do not affect the global stream afterwards; devices is not used."""
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)


def engine_of(generator: Generator | None) -> MersenneTwister | Philox:
    """The engine of a generator; None is the global one."""
    if generator is not None and not isinstance(generator, Generator):
        raise TypeError(
            f"Generator: a generator must be a scratch.Generator or None, got {type(generator).__name__}. "
            "Pass scratch.Generator().manual_seed(number)."
        )
    return (generator or default_generator).engine


def mersenne(call: str, generator: Generator | None) -> MersenneTwister:
    """The engine, for a call that only the CPU stream supports."""
    engine = engine_of(generator)
    if not isinstance(engine, MersenneTwister):
        raise NotImplementedError(f"{call}: not supported by the CUDA stream. Pass a generator of device 'cpu'.")
    return engine

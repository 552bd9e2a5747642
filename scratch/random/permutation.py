"""randperm: the shuffle behind every DataLoader and random_split."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.random.generator import Generator, mersenne
from scratch.random.shape import shape_of

LONGEST = 214748364  # from here on torch takes two words per step


def randperm(n: Any, *, generator: Generator | None = None, dtype: DTypeLike = np.int64) -> np.ndarray:
    """A random permutation of 0 ... n-1.

        for i in 0 ... n-2:    z = word % (n - i);   swap a[i], a[i + z]

    One word per step, none for n < 2. The swaps are computed together, see `shuffled`.

    Torch     torch.randperm.
    Raises    RuntimeError if n is negative or too large for dtype; TypeError if it is not an integer.
    Source    Fisher and Yates 1938 as in Knuth, The Art of Computer Programming 2, 3.4.2 P; torch's randperm_cpu.
    """
    (n,) = shape_of("randperm", (n,))
    dtype = np.dtype(dtype)
    check_length(n, dtype)
    engine = mersenne("randperm", generator)
    steps = np.arange(n)
    targets = steps.copy()
    if n > 1:
        targets[:-1] += engine.words(n - 1) % np.arange(n, 1, -1, dtype=np.uint32)
    return shuffled(steps, targets).astype(dtype, copy=False)


def shuffled(steps: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """0 ... n-1 after swapping place i with place targets[i] >= i, for i = 0, 1, ..., n-1 in turn, without the loop.

    Step i moves the item at targets[i] to place i, where it stays, and the item at place i to targets[i]. The item at a
    place was put there by the last step before i that aimed there, from that step's own place. So

        origin(i)  what lies at place i when step i begins  = origin(k), k the last step before i aiming at i; else i
        result(i)  = origin(k), k the last step before i aiming at targets[i]; if none does, targets[i]

    Steps sorted by target, then by time, have that k next to them. Following the chain of origins by squaring it takes
    a handful of rounds: it is about log n long.
    """
    n = len(steps)
    keys = targets << 32 | steps
    keys.sort()
    aimed, step = keys >> 32, keys & 0xFFFFFFFF

    previous = np.full(n, -1)  # the last earlier step with the same target
    again = aimed[1:] == aimed[:-1]
    previous[step[1:][again]] = step[:-1][again]

    origin = steps.copy()
    elsewhere = aimed != step
    aimed, step = aimed[elsewhere], step[elsewhere]
    last = np.flatnonzero(np.diff(aimed, append=-1))  # of the steps aiming at a place, itself aside
    origin[aimed[last]] = step[last]
    while True:
        further = origin[origin]
        if np.array_equal(further, origin):
            break
        origin = further
    return np.where(previous >= 0, origin[previous], targets)


def check_length(n: int, dtype: np.dtype) -> None:
    if dtype.kind not in "iuf":
        raise NotImplementedError(f"randperm: dtype must be an integer or float dtype, got {dtype}.")
    largest = 2 ** (np.finfo(dtype).nmant + 1) if dtype.kind == "f" else int(np.iinfo(dtype).max)
    if n > largest + 1:
        raise RuntimeError(f"randperm: {dtype} holds 0 to {largest} exactly, too few for n={n}. Pass a wider dtype.")
    if n >= LONGEST:
        raise NotImplementedError(
            f"randperm: n must be less than {LONGEST}, got {n}. torch has another algorithm there."
        )

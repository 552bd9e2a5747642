"""Integers from words: random_ and randint."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.random.generator import Generator, engine_of
from scratch.random.memory_order import fill
from scratch.random.shape import check_array, shape_of

LONG_WORD_RANGE = 2**28  # a range this wide or wider takes two words per value


def random_(x: np.ndarray, *bounds: int | None, generator: Generator | None = None) -> np.ndarray:
    """Fill x with integers, in place, in [0, to), in [from, to), or all that x holds; returns x.

        random_(x, to), random_(x, from, to)          from + word % (to - from)       a long word if to - from >= 2^28

    Every integer, boolean and floating dtype takes the same words. random_(x, from, None) goes up to the largest
    integer of the dtype (for a float: the last before its integers get gaps), that one included. Without bounds:

        int64      long word % 2^63                float64    long word % (2^53 + 1)
        integers   word % (largest + 1)            float32    word % (2^24 + 1)        float16    word % (2^11 + 1)

    The remainder favors small numbers a little: by one part in 2^32 / (to - from), at worst one in 16.
    Torch     torch.Tensor.random_. torch warns if a range exceeds a float's digits; scratch does not.
    Raises    RuntimeError unless from < to and both ends fit x's dtype; TypeError for a bound that is not an integer.
    Source    at::native::templates::random_from_to and cpu::random_kernel.
    """
    check_array("random_", x)
    engine = engine_of(generator)
    if not bounds:
        base, count = 0, largest_integer(x.dtype) + 1
        long = x.dtype in (np.int64, np.float64)
        if x.dtype.kind == "u" and x.dtype.itemsize > 1:
            raise NotImplementedError(f"random_: {x.dtype} needs bounds, as in torch.")
    else:
        base, count = check_range(x.dtype, *bounds)
        long = count >= LONG_WORD_RANGE

    def draw(out: np.ndarray) -> None:
        words = engine.long_words(out.size) if long else engine.words(out.size)
        out[...] = base + remainders(words, count)

    return fill(x, draw, engine.block)


def remainders(words: np.ndarray, count: int) -> np.ndarray:
    """The remainder of each word after division by count, as int64."""
    if count < 2 ** (8 * words.itemsize):
        words %= words.dtype.type(count)
    return words.astype(np.int64)


def largest_integer(dtype: np.dtype) -> int:
    """The largest integer of an integer dtype; of a float, the last one before the integers get gaps."""
    if dtype.kind == "f":
        return 2 ** (np.finfo(dtype).nmant + 1)
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)


def check_range(dtype: np.dtype, *bounds: Any) -> tuple[int, int]:
    """(from, to - from) of random_(to), random_(from, to) or random_(from, None), after checks."""
    low, high = (0, bounds[0]) if len(bounds) == 1 else bounds
    if any(isinstance(n, (bool, float)) for n in (low, high)):
        raise TypeError(f"random_: bounds must be integers, got {bounds}.")
    if high is None:
        if low == -(2**63):
            return low, 2**64
        high = largest_integer(dtype) + 1
    low, high = operator.index(low), operator.index(high)
    if low >= high:
        raise RuntimeError(f"random_: needs from < to, got from={low}, to={high}. `to` itself is never drawn.")
    lowest, largest = representable(dtype)
    if low < lowest or high - 1 > largest:
        raise RuntimeError(f"random_: [{low}, {high}) does not fit {dtype}, which holds {lowest} to {largest}.")
    if dtype.kind == "f":
        low, high = inner_bounds(dtype, low, high)
    return low, high - low


def representable(dtype: np.dtype) -> tuple[int, int]:
    """The smallest and largest integer that a drawn int64 may become in dtype."""
    if dtype.kind == "f":
        largest = int(np.finfo(dtype).max)
        return -largest, largest
    if dtype.kind == "b":
        return 0, 1
    return int(np.iinfo(dtype).min), min(int(np.iinfo(dtype).max), 2**63 - 1)


def inner_bounds(dtype: np.dtype, low: int, high: int) -> tuple[int, int]:
    """Where the integers of a float have gaps: bounds moved inwards to numbers it has."""
    first, last = dtype.type(low + 1), dtype.type(high - 1)
    if int(first) < low:
        low = int(np.nextafter(first, dtype.type(np.inf)))
    if int(last) >= high:
        high = int(np.nextafter(last, dtype.type(-np.inf)))
    return low, high


def randint(
    low: Any = 0,
    high: Any = None,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike = np.int64,
) -> np.ndarray:
    """Make an array of integers in [low, high); with a single bound it is high, and low is 0."""
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    return random_(np.empty(size_tuple("randint", size), dtype), *integers("randint", low, high), generator=generator)


def randint_like(
    input: np.ndarray,
    low: Any = 0,
    high: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
) -> np.ndarray:
    """Integers in [low, high), or [0, low) without high, with the shape, dtype and memory order of input."""
    check_array("randint_like", input)
    if high is None:
        low, high = 0, low
    return random_(np.empty_like(input, dtype), *integers("randint_like", low, high), generator=generator)


def integers(call: str, low: Any, high: Any) -> tuple[int, int]:
    if any(isinstance(n, bool) or not hasattr(n, "__index__") for n in (low, high)):
        raise TypeError(f"{call}: low and high must be integers, got {low!r} and {high!r}.")
    return low, high


def size_tuple(call: str, size: Any) -> tuple[int, ...]:
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"{call}: size must be a tuple of integers, got {size!r}.")
    return shape_of(call, (size,))

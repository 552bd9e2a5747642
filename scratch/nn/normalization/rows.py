"""What normalizing row by row needs: which dimensions make a row, and long arrays taken a block of rows at a time."""

import math
from collections.abc import Sequence

import numpy as np

from scratch.nn.module import Module
from scratch.nn.sums import sum_trailing
from scratch.products import outer

BLOCK = 2**18  # numbers, of which rows are taken at a time: of fewer, two threads wait for each other
BUFFERED = range(512, 8192)  # the lengths of rows for which a buffer of a row is faster, in arrays of MANY numbers
MANY = 2**16
LARGE = 2**15  # numbers: from here on a product of BLAS takes less time than a broadcast one
CENTERINGS = 2  # a second one for constant rows, of which the first leaves only the rounding of their mean


def block_length(rows: np.ndarray) -> int:
    """How many rows are processed in one piece."""
    return max(1, BLOCK // max(rows.shape[1], 1))


def buffer_a_row(x: np.ndarray) -> None:
    """Let NumPy broadcast along the last axis of arrays like x without copies, until the layer's method returns.

    Of a number for each row, and of a row for all, NumPy makes copies of 8192 numbers at a time, unless its buffer is
    no longer than a row: then a statement takes 0.7 of the time for rows of 512 numbers and 0.4 for 2048. NumPy
    restores its buffer at the end of np.errstate, within which every forward and backward computes.
    """
    if x.size >= MANY and x.shape[-1] in BUFFERED:
        np.setbufsize(x.shape[-1] // 16 * 16)


def as_shape(call: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """The shape as a tuple; an int is the size of the last dimension alone."""
    shape = tuple(normalized_shape) if isinstance(normalized_shape, Sequence) else (normalized_shape,)
    if not all(isinstance(size, int) and not isinstance(size, bool) for size in shape):
        raise TypeError(f"{call}: normalized_shape must be an int or a sequence of ints, got {normalized_shape!r}.")
    if any(size < 0 for size in shape):
        raise RuntimeError(f"{call}: the sizes of normalized_shape must not be negative, got {normalized_shape!r}.")
    return shape


def rows_to_normalize(layer: Module, x: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int]:
    """The number of rows of x and of elements in each, if its last dimensions are `shape`."""
    if not shape or x.shape[-len(shape) :] != shape:
        wanted = f"must end in dimensions {shape}" if shape else "cannot be normalized over no dimensions"
        raise RuntimeError(f"{layer}: the input {wanted}, got shape {x.shape}. normalized_shape counts from the end.")
    return math.prod(x.shape[: -len(shape)]), math.prod(shape)


def mean_of_rows(a: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """<a b>, or <a> without b, one per row: (N, 1). b has a's shape, or is one row for all."""
    return sum_trailing(a, b)[:, np.newaxis] / a.shape[1]


def variance(mean: np.ndarray, square: np.ndarray) -> np.ndarray:
    """σ² = <x²> - μ², written to `square`; it is infinite where x² overflows, even if μ² does so too."""
    square -= np.minimum(mean * mean, np.finfo(mean.dtype).max)
    return square


def is_exact(mean: np.ndarray, var: np.ndarray) -> bool:
    """Whether <x²> - μ² has lost a bit at most: no μ exceeds its σ, and nothing has overflowed.

    Where squares of small numbers are 0, so is σ, which then only a μ of 0 does not exceed.
    """
    return bool(((np.abs(mean) <= np.sqrt(var)) & np.isfinite(var)).all())


def times_weight(a: np.ndarray, r: np.ndarray, weight: np.ndarray | None, out: np.ndarray) -> None:
    """Write a * r * weight to `out`: (N, D) times (N, 1) times (D), without weight a * r."""
    if weight is None:
        np.multiply(a, r, out=out)
        return
    if a.size >= LARGE and len(weight) % 1024:  # else BLAS's rows displace each other in the cache
        outer(r, weight, out=out)
    else:
        np.multiply(r, weight, out=out)
    out *= a


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Rows after rows; most often of a single block."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)

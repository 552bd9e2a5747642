"""What normalizing row by row needs: which dimensions make a row, and long arrays taken a block of rows at a time."""

import math
from collections.abc import Sequence

import numpy as np

from scratch.nn.module import Module

WHOLE = 1 << 19  # numbers: an array of at most this many is processed in one piece
BLOCK = 1 << 19  # numbers: otherwise this many at a time, so that two threads do not wait for each other


def block_length(rows: np.ndarray) -> int:
    """How many rows are processed in one piece: all, or as many as stay in the cache."""
    return max(1, len(rows) if rows.size <= WHOLE else BLOCK // rows.shape[1])


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

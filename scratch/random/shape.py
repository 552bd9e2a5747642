"""Sizes and dtypes, checked as torch checks them."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from scratch.arrays import check_own_rules


def shape_of(call: str, size: Sequence[Any]) -> tuple[int, ...]:
    """The shape meant by call(2, 3) or call((2, 3)).

    Raises    TypeError if a size is missing or not an integer, RuntimeError if one is negative.
    """
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = size[0]
    elif not size:
        raise TypeError(f"{call}: needs a size, got none. For a 0-dimensional array pass ().")
    if any(isinstance(n, bool) for n in size):
        raise TypeError(f"{call}: sizes must be integers, got {tuple(size)}.")
    try:
        shape = tuple(operator.index(n) for n in size)
    except TypeError:
        raise TypeError(f"{call}: sizes must be integers, got {tuple(size)}.") from None
    if any(n < 0 for n in shape):
        raise RuntimeError(f"{call}: sizes must not be negative, got {shape}.")
    return shape


def check_array(call: str, x: Any) -> None:
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{call}: x must be an array, got {type(x).__name__}.")
    check_own_rules(call, "x", x)


def check_floating(call: str, x: np.ndarray) -> None:
    check_array(call, x)
    if x.dtype not in (np.float32, np.float64, np.float16):
        raise NotImplementedError(f"{call}: x must be float16, float32 or float64, got {x.dtype}. Draw, then astype.")


def computing_dtype(dtype: np.dtype) -> type:
    """The dtype in which values are computed: float64 for float64, float32 for all others."""
    return np.float64 if dtype == np.float64 else np.float32

"""float64 functions of the C library, which torch calls and Python's math calls.

NumPy calls them too, unless its build and processor provide a vector version: with AVX-512 log, log1p, exp and tan then
differ from the library's in the last bit of up to 8% of the values. So the first use of each function compares the two
on a few thousand numbers; where they differ, Python's math does the work, at about 40 ns per number.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

PROBE = 8192


def apply(name: str, x: np.ndarray) -> np.ndarray:
    """The C library's function of this name, 'log', 'log1p', 'sin', 'cos', 'tan' or 'exp', of a contiguous 1-D x."""
    with np.errstate(all="ignore"):
        y = getattr(np, name)(x)
    if not numpy_calls_library(name):
        finite = np.isfinite(y)  # elsewhere Python raises an error where C returns an infinity
        y[finite] = mapped(getattr(math, name), x[finite])
    return y


@functools.cache
def numpy_calls_library(name: str) -> bool:
    """Whether NumPy's float64 function of this name is the C library's."""
    x = np.linspace(2**-30, 1, PROBE)
    return bool(np.array_equal(getattr(np, name)(x), mapped(getattr(math, name), x)))


def mapped(function: Callable[[float], float], x: Any) -> np.ndarray:
    return np.fromiter(map(function, memoryview(x)), np.float64, len(x))

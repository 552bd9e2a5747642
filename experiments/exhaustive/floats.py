"""The float32 numbers in increasing order, and their spacing.

Number k runs from 0 to 2^32 - 1: NaNs with a sign, -inf, the negative numbers, -0, 0, the positive ones, inf, NaNs. An
octave is 2^23 of them, all with one sign and exponent; an eighth of it is a bin of the curves.
"""

from __future__ import annotations

import numpy as np

OCTAVES, OCTAVE = 512, 2**23
BINS = 8  # of an octave
TINY, LARGEST = 2.0**-126, (2 - 2.0**-23) * 2.0**127
SMALLEST = 2.0**-149


def of(k: np.ndarray) -> np.ndarray:
    """The floats of these numbers."""
    k = k.astype(np.int64)
    return np.where(k < 2**31, 0xFFFFFFFF - k, k - 2**31).astype(np.uint32).view(np.float32)


def octave(number: int, step: int, first: int) -> np.ndarray:
    """Every step-th float of an octave, in increasing order."""
    return of(np.arange(number * OCTAVE + first, (number + 1) * OCTAVE, step))


def ulp(size: np.ndarray) -> np.ndarray:
    """The spacing of float32 numbers at these float64 magnitudes: 2^-23 of the power of two below, at least 2^-149."""
    unit = (size.view(np.int64) & np.int64(0x7FF0_0000_0000_0000)).view(np.float64)
    unit *= 2.0**-23
    return np.maximum(unit, SMALLEST, out=unit)

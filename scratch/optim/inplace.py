"""torch's compound in-place operations, in its order of roundings.

An update rule is a dozen of them over 1-D arrays. Each takes `tmp`, a work array, so that no step allocates. torch's
vectorized loops fuse the last multiply and add into one rounding; NumPy has no such instruction, so results differ by
about half a unit in the last place of the largest term. Everything else is the same sequence.
"""

import numpy as np

Array = np.ndarray


def add_(x: Array, y: Array, alpha: float, tmp: Array) -> None:
    """Do x += alpha * y."""
    if alpha == 1:
        x += y
    else:
        np.multiply(y, alpha, out=tmp)
        x += tmp


def lerp_(x: Array, end: Array, weight: float, tmp: Array) -> None:
    """Move x towards `end` by the fraction `weight`; from the nearer end, so that weight 1 gives exactly `end`."""
    np.subtract(end, x, out=tmp)
    if abs(weight) < 0.5:
        tmp *= weight
        x += tmp
    else:
        tmp *= 1 - weight
        np.subtract(end, tmp, out=x)


def addcmul_(x: Array, a: Array, b: Array, value: float, tmp: Array) -> None:
    """Do x += value * a * b."""
    np.multiply(a, value, out=tmp)
    tmp *= b
    x += tmp


def addcdiv_(x: Array, a: Array, b: Array, value: float, tmp: Array) -> None:
    """Do x += value * a / b."""
    np.multiply(a, value, out=tmp)
    tmp /= b
    x += tmp

"""Which arrays are computed with: plain ones, of numbers, in the byte order of the machine."""

from __future__ import annotations

from typing import Any

import numpy as np

WITH_RULES_OF_THEIR_OWN = (np.ma.MaskedArray, np.matrix)


def fault_of(x: np.ndarray | np.generic) -> str | None:
    """What is wrong with an array, and what to do about it; None if it is a plain one.

    Masked arrays and matrices compute by rules of their own; a foreign byte order would spread from array to array.
    """
    if isinstance(x, np.ma.MaskedArray):
        return "a masked array. Fill it first: x.filled(0)."
    if isinstance(x, np.matrix):
        return "a matrix. Convert it with np.asarray(x)."
    if x.dtype.kind not in "biufc":
        return f"an array of {x.dtype}. Convert it to numbers."
    if not x.dtype.isnative:
        return f"an array of {x.dtype}, a foreign byte order. Convert it with x.astype(x.dtype.newbyteorder('='))."
    return None


def check_own_rules(call: str, what: str, x: Any) -> None:
    """Refuse a masked array or a matrix.

    Raises    TypeError that names the call and the array.
    """
    if isinstance(x, WITH_RULES_OF_THEIR_OWN):
        raise TypeError(f"{call}: {what} must be a plain array, got {fault_of(x)}")

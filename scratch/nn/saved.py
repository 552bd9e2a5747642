"""What a forward leaves for its backward, and the cotangents that fit it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratch.arrays import WITH_RULES_OF_THEIR_OWN, check_own_rules


class Saved(NamedTuple):
    """What one forward left for its backward: the kind of cotangent to expect, and the values."""

    output: Any  # (shape, dtype) of the output, nested as the output is
    values: tuple[Any, ...]


def kind_of(output: Any) -> Any:
    """(shape, dtype) of an array, a list of them for several, None for None."""
    if type(output) is np.ndarray:  # which nearly all are, and the question takes a quarter of the time of the next one
        return output.shape, output.dtype
    if isinstance(output, np.ndarray | np.generic):
        return output.shape, output.dtype
    if isinstance(output, tuple | list):
        return [kind_of(part) for part in output]
    return None


def check_cotangent(layer: Any, cotangent: Any, expected: Any) -> None:
    """Refuse a cotangent that is not of the output's kind; None, which means zero, fits every output.

    Raises    RuntimeError for another shape, dtype or number of them; TypeError for masked arrays and matrices.
    """
    if cotangent is None or (type(cotangent) is np.ndarray and (cotangent.shape, cotangent.dtype) == expected):
        return
    if isinstance(expected, list):
        if not isinstance(cotangent, tuple | list) or len(cotangent) != len(expected):
            raise RuntimeError(
                f"{layer}.backward: there are {len(expected)} outputs; pass a cotangent for each (None for zero), "
                f"got {type(cotangent).__name__}."
            )
        for part, kind in zip(cotangent, expected, strict=True):
            check_cotangent(layer, part, kind)
    elif expected is not None and (kind_of(cotangent) != expected or isinstance(cotangent, WITH_RULES_OF_THEIR_OWN)):
        check_own_rules(f"{layer}.backward", "the cotangent", cotangent)
        shape, dtype = expected
        raise RuntimeError(
            f"{layer}.backward: the cotangent must be {dtype}{list(shape)} like the output, "
            f"got {_described(cotangent)}. Pass dL/dy, not a sum or mean of it."
        )


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray | np.generic):
        return f"{value.dtype}{list(value.shape)}"
    return type(value).__name__

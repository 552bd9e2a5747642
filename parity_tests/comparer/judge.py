"""One number of the left against the right's: its distance, and its limit.

The reference is the right's float64 truth. Where the right's own float32 is not finite though the truth is, the left
may be either. Integers and booleans are equal to the right's or to the truth's, element by element.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from parity_tests.rule import FLOOR, distance, float32_limit, float64_limit, ulp

ULP = 2.0**-23
BLOCK = 2**15  # numbers
NO_DIGIT = 2.0**-8  # of its own size: an error of the right's float32 that leaves almost no digit


def real(value: Any) -> np.ndarray:
    """Complex numbers as pairs of real ones; anything else as it is."""
    value = np.asarray(value)
    return np.stack([value.real, value.imag], -1) if value.dtype.kind == "c" else value


def apart(value: Any, truth: Any, dtype: Any = None) -> float:
    """`distance` for every dtype, complex numbers too."""
    if dtype is not None and np.dtype(dtype).kind == "c":
        dtype = np.dtype(dtype).type(0).real.dtype
    return _distance(real(value), real(truth), dtype)


def _distance(value: np.ndarray, truth: np.ndarray, dtype: Any = None) -> float:
    """`distance`; of large arrays a block at a time, which stays in the cache. What is odd is left to `distance`."""
    dtype = np.dtype(value.dtype if dtype is None else dtype)
    if value.size < 4 * BLOCK or value.shape != truth.shape or dtype.kind != "f":
        return distance(value, truth, dtype)
    error = largest = 0.0
    flat, exact = value.reshape(-1), truth.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        right = exact[start : start + BLOCK].astype(np.float64)
        error = max(error, float(np.abs(flat[start : start + BLOCK] - right).max()))
        largest = max(largest, float(np.abs(right).max()))
        if not math.isfinite(error + largest):
            return distance(value, truth, dtype)
    return error / ulp(np.array([largest]), dtype) if error else 0.0


def error(value: Any, rough: Any, truth: Any) -> float:
    """How far a value is from the right's, in ulp; infinitely far in another precision or shape."""
    value, rough, truth = np.asarray(value), np.asarray(rough), np.asarray(truth)
    if value.shape != rough.shape or not _same_kind(value, rough):
        return math.inf
    if value.dtype.kind not in "fc":
        return 0.0 if bool(((value == rough) | (value == truth)).all()) else math.inf
    return apart(value, reference(value, rough, truth))


def noise(value: Any, truth: Any) -> float:
    """The root mean square of the difference, in ulp of float32 of that of the truth."""
    value, truth = (np.asarray(v, np.float64) for v in (value, truth))
    if value.shape != truth.shape:
        return math.inf
    signal, difference = (float(np.sqrt(np.mean(np.square(v)))) if v.size else 0.0 for v in (truth, value - truth))
    if not math.isfinite(difference):
        return math.inf
    return difference / (signal * ULP) if signal else (math.inf if difference else 0.0)


def decibels(noise: float) -> str:
    """A noise in ulp as the ratio of signal to noise."""
    return f"signal to noise {-20 * math.log10(noise * ULP):.0f} dB" if noise else "no noise"


def reference(value: Any, rough: Any, truth: Any) -> np.ndarray:
    """The truth, but the right's own value where that alone is not finite and the left has the same."""
    value, rough, truth = real(value), real(rough), real(truth)
    if np.isfinite(rough).all() and np.isfinite(truth).all():
        return truth
    odd = np.isfinite(truth) != np.isfinite(rough)
    same = (value == rough) | (np.isnan(value) & np.isnan(rough))
    return np.where(odd & (same | ~np.isfinite(truth)), rough, truth)


def own_error(rough: Any, truth: Any) -> float:
    """The right's own error, where both are finite: infinite values say nothing about roundings."""
    rough, truth = real(rough), real(truth)
    if rough.shape != truth.shape or rough.dtype.kind != "f":
        return 0.0
    found = _distance(rough, truth)
    if math.isfinite(found):
        return found
    odd = np.isfinite(truth) != np.isfinite(rough)
    found = distance(rough, np.where(odd, rough, truth))
    return found if math.isfinite(found) else 0.0


def limit(u: float, twin: bool = True) -> float:
    """4 U + 4 from the truth; 5 U + 4 between two values that are both so far from it."""
    return float32_limit(u) if twin else float64_limit(u)


def gradient_limit(u: float, truth: Any, dtype: Any, largest: float, twin: bool = True) -> float:
    """As `limit`; a gradient that is zero up to rounding has its floor in ulp of the largest parameter gradient."""
    plain = limit(u, twin)
    if np.dtype(dtype).kind not in "fc" or not np.size(truth):
        return plain
    dtype = np.dtype(dtype).type(0).real.dtype
    size = float(np.abs(truth).max())
    if not math.isfinite(size) or (size > 0 and u * float(np.finfo(dtype).eps) < NO_DIGIT):
        return plain
    return plain - FLOOR + max(FLOOR, FLOOR * ulp(np.array([largest]), dtype) / ulp(np.asarray([size]), dtype))


def largest_gradient(truth: Mapping[str, Any]) -> float:
    """The largest parameter gradient."""
    sizes = [float(np.abs(v).max()) for what, v in truth.items() if is_parameter_gradient(what) and np.size(v)]
    return max((size for size in sizes if math.isfinite(size)), default=0.0)


def is_parameter_gradient(what: str) -> bool:
    return what.startswith("grad ") and not what.startswith("grad input")


def _same_kind(value: np.ndarray, other: np.ndarray) -> bool:
    """The same dtype; integers may differ in width."""
    if value.dtype.kind in "iu" and other.dtype.kind in "iu":
        return True
    return value.dtype == other.dtype or value.dtype.kind == other.dtype.kind == "U"


def in_order(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The left's outputs under the right's names: a left that packs as many in another way has them in order.

    Where some names are the same, the others are taken at their word: an output is missing, and another is too many.
    """
    renamed = dict(ours)
    for head in ("output", "prediction"):
        mine, other = ([w for w in n if w.split(" ")[0] == head] for n in (ours, theirs))
        if len(mine) == len(other) and not set(mine) & set(other):
            for a in mine:
                del renamed[a]
            renamed |= {b: ours[a] for a, b in zip(mine, other, strict=True)}
    return renamed

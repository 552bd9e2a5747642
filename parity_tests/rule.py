"""The one rule by which everything is judged. No component has a number of its own.

Distance. An error is counted in ulp of the tensor's largest value: |a - b| / (2^-23 max|truth|) in float32, with 2^-52
in float64. A tensor of gradients near 1e-6 is thus judged at 1e-6: a bare absolute tolerance would let zeros pass for
it. Where one side is NaN or infinite and the other is not the same, where dtype or shape differ, it is infinite.

Truth. float64, evaluated by torch at the same inputs, which are float32 numbers in both precisions.

U. torch's own worst float32 error over DRAWS draws of the row. It measures how hard the row is: the number of roundings
and the conditioning of the function, whatever they are, since both sides compute the same function of the same numbers.

Limits.
    float32   error(scratch) <= 4 U + 4 ulp
              Another order of summation draws other roundings from the same distribution. The worst of five draws
              estimates its scale; a factor 4 covers the tail and the order. 4 ulp stand for U = 0: a function that
              torch happens to round exactly may take a few roundings here.
    float64   |scratch - torch| <= 5 U + 4 ulp
              An algorithm's error in ulp does not depend on the precision: the same roundings, the same conditioning.
              So torch is within U of the exact value, scratch within 4 U + 4, and the two within 5 U + 4 of each
              other, now counted in units of 2^-52. What is semantically different is off by 10^10 of them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

DRAWS = 5
FACTOR, FLOOR = 4.0, 4.0


def float32_limit(u: float) -> float:
    return FACTOR * u + FLOOR


def float64_limit(u: float) -> float:
    return (FACTOR + 1) * u + FLOOR


def distance(value: Any, truth: Any, dtype: Any = None) -> float:
    """Largest |value - truth| in ulp of the largest |truth|, in the precision of `value` (or `dtype`).

    Infinite if the shapes differ or if NaN and infinities do not sit in the same places. Zero truth admits zero alone.
    """
    value, truth = np.asarray(value), np.asarray(truth)
    dtype = np.dtype(value.dtype if dtype is None else dtype)
    if value.shape != truth.shape:
        return math.inf
    if dtype.kind != "f":
        return 0.0 if np.array_equal(value, truth) else math.inf
    finite = np.isfinite(truth)
    if not np.array_equal(value[~finite], truth[~finite], equal_nan=True) or not np.isfinite(value[finite]).all():
        return math.inf
    if not finite.any():
        return 0.0
    exact = truth[finite].astype(np.float64)
    error = np.abs(value[finite].astype(np.float64) - exact).max()
    return float(error / ulp(exact, dtype)) if error else 0.0


def ulp(values: np.ndarray, dtype: Any) -> float:
    """One unit in the last place of the largest value: eps times its magnitude, at least the smallest subnormal."""
    info = np.finfo(dtype)
    return max(float(np.abs(values).max()) * float(info.eps), float(info.smallest_subnormal))


def bits_equal(a: np.ndarray, b: np.ndarray) -> bool:
    """The same dtype, shape and bit pattern; NaN equals NaN of the same bits, 0.0 differs from -0.0."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@dataclass(frozen=True)
class Result:
    """One thing that was compared: `error` in ulp against `limit`."""

    row: str
    what: str
    dtype: str
    error: float
    limit: float
    note: str = ""

    @property
    def ok(self) -> bool:
        return self.error <= self.limit

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}


def exactly(row: str, what: str, dtype: Any, same: bool, note: str = "") -> Result:
    """A result that is right or wrong, with nothing between."""
    return Result(
        row, what, str(np.dtype(dtype)) if dtype else "", 0.0 if same else math.inf, 0.0, "" if same else note
    )

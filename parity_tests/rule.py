"""The one rule by which everything is judged. No component has its own tolerance.

Distance. An error is counted in ulp of the tensor's largest value: |a - b| / (2^-23 max|truth|) in float32, with 2^-52
in float64. A tensor of gradients near 1e-6 is thus judged at 1e-6: a bare absolute tolerance would let zeros pass for
it. Where one side is NaN or infinite and the other is not the same, where dtype or shape differ, it is infinite.

Truth. float64, evaluated by torch at the same inputs, which are float32 numbers in both precisions.

U. torch's own worst float32 error over DRAWS draws of the row. It measures how hard the row is: the number of roundings
and the conditioning of the function, since both sides compute the same function of the same numbers.

Limits.
    float32   error(scratch) <= 4 U + 4 ulp
              Another order of summation draws other roundings from the same distribution. The worst of five draws
              estimates its scale; a factor 4 covers the tail and the order. The 4 ulp cover U = 0: a function that
              torch happens to round exactly may take a few roundings here.
    float64   |scratch - torch| <= 5 U + 4 ulp
              An algorithm's error in ulp does not depend on the precision: the same roundings, the same conditioning.
              So torch is within U of the exact value, scratch within 4 U + 4, and the two within 5 U + 4 of each
              other, now counted in units of 2^-52. A semantic difference is 10^10 of them.
    float16, bfloat16
              As float32, in units of 2^-10 and 2^-7, with U of torch in that precision, its inputs rounded to it too.

int8. A tensor of integers q with a scale means scale (q - zero point), and its errors are many and alike: their root
mean square is judged, in steps of max|truth| / 127. U is that of the reference with its inputs, parameters and outputs
rounded to the nearest of 255 values each, at least 1 / sqrt(12), which is the error of one such rounding. The limit is
2 U: who truncates in place of rounding has four times the mean square, 1/3 for 1/12. So an answer may lose 6.02 dB of
signal to noise against the reference in int8, and no more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

DRAWS = 5
FACTOR, FLOOR = 4.0, 4.0
BFLOAT16 = "bfloat16"  # has no NumPy dtype: its numbers are held in float32
STEPS = 127  # of int8, from zero to the largest value
ROUNDED = 12**-0.5  # steps: the root mean square error of rounding to the nearest
Kind = tuple[np.dtype, tuple[int, ...]]  # of an array: its dtype and shape


def float32_limit(u: float) -> float:
    return FACTOR * u + FLOOR


def float64_limit(u: float) -> float:
    return (FACTOR + 1) * u + FLOOR


def limit(u: float, dtype: str) -> float:
    """The limit on an error in this precision."""
    if dtype == "int8":
        return 2 * max(u, ROUNDED)
    return float64_limit(u) if dtype == "float64" else float32_limit(u)


def distance(value: Any, truth: Any, dtype: Any = None) -> float:
    """Largest |value - truth| in ulp of the largest |truth|, in the precision of `value` (or `dtype`).

    Infinite if the shapes differ or if NaN and infinities are not in the same places. If the truth is zero, only zero
    passes: its unit is the smallest subnormal number, so that any other value exceeds every limit.
    """
    if value is truth:
        return 0.0
    value, truth = np.asarray(value), np.asarray(truth)
    dtype = value.dtype if dtype is None else dtype
    if value.shape != truth.shape:
        return math.inf
    name = dtype if isinstance(dtype, str) else ""
    if name == "int8" and truth.dtype.kind == "f":
        return noise(value, truth)
    if name != BFLOAT16 and np.dtype(dtype).kind != "f":
        return 0.0 if np.array_equal(value, truth) else math.inf
    error, largest = _extent(value, truth)
    if not math.isfinite(error + largest):  # somewhere a number is not finite, or two are far apart
        finite = np.isfinite(truth)
        if not np.array_equal(value[~finite], truth[~finite], equal_nan=True) or not np.isfinite(value[finite]).all():
            return math.inf
        error, largest = _extent(value[finite], truth[finite])
    return error / _unit(largest, dtype) if error else 0.0


def _extent(value: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The largest |value - truth| and the largest |truth|, in float64."""
    exact = truth.astype(np.float64, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        error = _largest(value - exact)
    return error, _largest(exact)


def _largest(x: np.ndarray) -> float:
    return float(np.maximum.reduce(np.abs(x), axis=None, initial=0.0))


def ulp(values: np.ndarray, dtype: Any) -> float:
    """One unit in the last place of the largest value: eps times its magnitude, at least the smallest subnormal."""
    return _unit(float(np.abs(values).max()), dtype)


def _unit(largest: float, dtype: Any) -> float:
    eps, smallest = _precision(dtype)
    return max(largest * eps, smallest)


@cache
def _precision(dtype: Any) -> tuple[float, float]:
    """The distance from 1 to the next number, and the smallest subnormal number."""
    if isinstance(dtype, str) and dtype == BFLOAT16:
        return 2.0**-7, 2.0**-133
    info = np.finfo(dtype)
    return float(info.eps), float(info.smallest_subnormal)


def step(truth: np.ndarray) -> float:
    """The step of int8 whose 127 steps reach the largest value."""
    return max(float(np.abs(truth).max(initial=0.0)) / STEPS, float(np.finfo(np.float32).smallest_subnormal))


def noise(value: Any, truth: Any) -> float:
    """The root mean square of value - truth, in steps of int8; infinite if a number is not finite."""
    value, truth = np.asarray(value, np.float64), np.asarray(truth, np.float64)
    if value.shape != truth.shape or not (np.isfinite(value).all() and np.isfinite(truth).all()):
        return math.inf
    return float(np.sqrt(np.mean((value - truth) ** 2))) / step(truth) if truth.size else 0.0


def bits_equal(a: np.ndarray, b: np.ndarray) -> bool:
    """The same dtype, shape and bit pattern; NaN equals NaN of the same bits, 0.0 differs from -0.0."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@dataclass(frozen=True)
class Result:
    """One comparison: `error` in ulp against `limit`. Where the limit is infinite, nothing was compared: not ok."""

    row: str
    what: str
    dtype: str
    error: float
    limit: float
    note: str = ""

    @property
    def ok(self) -> bool:
        return self.error <= self.limit < math.inf

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}


def exactly(row: str, what: str, dtype: Any, same: bool, note: str = "") -> Result:
    """A result that is either right or wrong."""
    return Result(
        row, what, str(np.dtype(dtype)) if dtype else "", 0.0 if same else math.inf, 0.0, "" if same else note
    )


class Ledger:
    """The outcome of the draws of one row in one precision: U and our own worst error, quantity by quantity.

    ledger = Ledger(row.label, "float32")
    for each draw:
        ledger.record("output", ours, rough, truth)    # torch in float32 is rough, in float64 it is the truth
    ledger.results()
    """

    def __init__(self, row: str, dtype: str) -> None:
        self.row, self.dtype = row, dtype
        self.u: dict[str, float] = {}
        self.error: dict[str, float] = {}
        self.notes: dict[str, str] = {}

    def record(
        self, what: str, ours: np.ndarray | None, rough: np.ndarray, truth: np.ndarray, u: float | None = None
    ) -> float:
        """One draw. A quantity that is missing, or of another dtype or shape than torch's, is infinitely wrong.

        Returns the error of rough, which may be given to the ledger of the other precision as u.
        """
        like = rough if self.dtype == "float32" else truth
        if _kind(ours) != _kind(like):
            self.fail(what, _difference(_kind(ours), _kind(like)))
        error = math.inf if ours is None or what in self.notes else distance(ours, truth)
        u = distance(rough, truth) if u is None else u
        self.measured(what, error, u)
        return u

    def record_history(self, what: str, ours: History, rough: History, truth: History, u: float | None = None) -> float:
        """One draw of what changes step by step. Returns the error of rough, as `record` does.

        The unit is that of the quantity's largest value in the run: an early error stays in all later steps.
        """
        like = rough if self.dtype == "float32" else truth
        if ours.kinds != like.kinds:
            steps = enumerate(zip(ours.kinds, like.kinds, strict=True))
            step, kinds = next((step, kinds) for step, kinds in steps if kinds[0] != kinds[1])
            self.fail(what, f"{_difference(*kinds)}, step {step}")
        error = math.inf if what in self.notes else distance(ours.numbers, truth.numbers)
        u = distance(rough.numbers, truth.numbers) if u is None else u
        self.measured(what, error, u)
        return u

    def measured(self, what: str, error: float, u: float) -> None:
        """One draw whose errors are known."""
        self.error[what] = max(self.error.get(what, 0.0), error)
        self.u[what] = max(self.u.get(what, 0.0), u)

    def fail(self, what: str, note: str) -> None:
        """The quantity is wrong regardless of its numbers."""
        self.error[what] = math.inf
        self.notes.setdefault(what, note)

    def limit(self, what: str) -> float:
        return limit(self.u.get(what, 0.0), self.dtype)

    def result(self, what: str) -> Result:
        return Result(self.row, what, self.dtype, self.error[what], self.limit(what), self.notes.get(what, ""))

    def results(self) -> Iterator[Result]:
        return map(self.result, self.error)


class History:
    """A quantity after every step of a run: its numbers one after another, and the kind in each step.

    None stands for a step that does not have it.
    """

    def __init__(self, steps: Sequence[np.ndarray | None]) -> None:
        self.kinds = [_kind(x) for x in steps]
        self.numbers = np.concatenate([x for x in steps if x is not None] or [np.empty(0)], axis=None)


def _kind(x: np.ndarray | None) -> Kind | None:
    return None if x is None else (x.dtype, x.shape)


def _difference(ours: Kind | None, theirs: Kind | None) -> str:
    """What each has: a dtype and a shape."""
    a, b = ("nothing" if kind is None else f"{kind[0]}{list(kind[1])}" for kind in (ours, theirs))
    return f"{a}, torch has {b}"

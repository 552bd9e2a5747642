"""What is counted for one function, one quantity (y or slope) and one kernel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.exhaustive.floats import BINS, LARGEST, OCTAVES, SMALLEST, TINY, ulp

WORST = 1000  # inputs whose truth is computed again in mpmath
Rows = list[tuple[float, float, float]]


@dataclass
class Piece:
    """The same counts of a piece of an octave."""

    normal: int  # true results that are normal numbers
    beyond_1: int
    beyond_4: int
    bins: list[float]  # the largest error of each bin, in ulp
    worst: Rows  # (ulp, x, y) of those beyond the bar
    subnormal: float  # the largest error of subnormal results, in units of 2^-149
    counts: dict[str, int]
    examples: dict[str, float]


WRONG = {
    "zero": "0 where the truth, rounded, is not",
    "subnormal": "subnormal where the truth is a normal number",
    "infinite": "infinite where the truth is in range, or a number where it is not",
    "nan": "NaN where the truth is a number",
    "sign": "of the opposite sign",
    "order": "ordered the other way than the truths of the two inputs",
}


def measure(x: np.ndarray, y: np.ndarray, t: np.ndarray, bar: float, bins: int) -> Piece:
    """Compares results with the truth t; x is finite and increasing. Errors above the bar are kept as worst."""
    with np.errstate(all="ignore"):
        got, size = y.astype(np.float64), np.abs(t)
        magnitude = np.abs(got)
        error = np.abs(got - t)
        ordinary = min(magnitude.min(), size.min()) >= TINY and max(magnitude.max(), size.max()) <= LARGEST
        wrong = {**_misplaced(got, t), **({} if ordinary else _extreme(magnitude, size))}
        normal, subnormal = x.size, 0.0
        if not ordinary:
            subnormal = float(np.fmax.reduce(error, where=size < TINY, initial=0.0)) / SMALLEST
        error /= ulp(size)
        if not ordinary:
            judged = (size >= TINY) & (size <= LARGEST)
            normal = int(np.count_nonzero(judged))
            error[~judged | ~np.isfinite(got)] = 0
    counts = {name: int(np.count_nonzero(mask)) for name, mask in wrong.items()}
    examples = {name: float(x[int(wrong[name].argmax())]) for name, count in counts.items() if count}
    largest = error.reshape(bins, -1).max(1).tolist()
    far = np.flatnonzero(error > bar) if max(largest) > bar else np.empty(0, np.int64)
    if far.size > WORST:
        far = far[np.argpartition(error[far], -WORST)[-WORST:]]
    return Piece(
        normal,
        int(np.count_nonzero(error > 1)) if max(largest) > 1 else 0,
        int(np.count_nonzero(error > 4)) if max(largest) > 4 else 0,
        largest,
        list(zip(error[far].tolist(), x[far].tolist(), y[far].tolist(), strict=True)),
        subnormal,
        counts,
        examples,
    )


def _misplaced(got: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
    """Results on the other side of 0, or of their neighbor."""
    rises, should = np.diff(got), np.diff(t)
    order = ((rises < 0) & (should > 0)) | ((rises > 0) & (should < 0))
    return {"sign": ((got < 0) & (t > 0)) | ((got > 0) & (t < 0)), "order": order}


def _extreme(magnitude: np.ndarray, size: np.ndarray) -> dict[str, np.ndarray]:
    """Results that are 0, subnormal, infinite or NaN and should not be."""
    normal = (size >= TINY * (1 + 2.0**-23)) & (size <= LARGEST)
    return {
        "zero": (magnitude == 0) & (size > SMALLEST / 2),
        "subnormal": (magnitude < TINY) & (magnitude > 0) & normal,
        "infinite": (np.isinf(magnitude) & (size <= LARGEST))
        | (np.isfinite(magnitude) & (size > LARGEST * (1 + 2.0**-24))),
        "nan": np.isnan(magnitude),
    }


@dataclass
class Tally:
    """The sum of pieces."""

    inputs: int = 0
    normal: int = 0
    beyond_1: int = 0
    beyond_4: int = 0
    curve: list[float] = field(default_factory=lambda: [0.0] * (OCTAVES * BINS))
    worst: Rows = field(default_factory=list)
    subnormal: float = 0.0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WRONG, 0))
    examples: dict[str, float] = field(default_factory=dict)
    at_infinity: list[str] = field(default_factory=list)
    lost_nan: int = 0

    @property
    def bar(self) -> float:
        """The error that an input must exceed to be among the worst."""
        return self.worst[-1][0] if len(self.worst) >= WORST else 0.5

    def add(self, piece: Piece, place: int, inputs: int) -> None:
        """A piece whose first bin is the place-th of the curve."""
        self.inputs += inputs
        self.normal += piece.normal
        self.beyond_1 += piece.beyond_1
        self.beyond_4 += piece.beyond_4
        self.subnormal = max(self.subnormal, piece.subnormal)
        for number, largest in enumerate(piece.bins):
            self.curve[place + number] = max(self.curve[place + number], largest)
        for name, count in piece.counts.items():
            self.counts[name] += count
        self.examples = {**piece.examples, **self.examples}
        kept = [row for row in piece.worst if row[0] > self.bar]
        if kept:
            self.worst = sorted([*self.worst, *kept], reverse=True)[:WORST]

    def not_finite(self, x: np.ndarray, y: np.ndarray) -> None:
        """NaN must stay NaN; what comes of an infinity is noted."""
        self.inputs += x.size
        self.lost_nan += int(np.count_nonzero(np.isnan(x) & ~np.isnan(y)))
        self.at_infinity += [f"{float(x[i]):g}: {float(y[i]):g}" for i in np.flatnonzero(np.isinf(x))]

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))

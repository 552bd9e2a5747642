"""The findings of a replay as data: figures beside the article's, gradient checks, plots, notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from experiments.articles.texts import texts_of

STEP = float(np.finfo(np.float64).eps) ** (1 / 3)  # where truncation, of order h², equals rounding, of order eps / h
LIMIT = 1e-6  # differences hold ten digits, seven where the gradient is a thousandth of f; a wrong formula has none


@dataclass(frozen=True)
class Figure:
    """One number: what a text prints of it, what it has to be, and what each engine found.

    text        what a text prints, word for word; empty where it prints nothing
    place       the heading under which the text prints it
    expected    what the number has to be: the value of a formula, a bound, a range that was measured before
    ok          the engines found what was expected; None where the number is shown, not judged
    text_ok     the number in the text is right to its last digit; None where the text has none
    part        the heading of this row in the table
    note        one sentence about this row
    """

    what: str
    text: str = ""
    place: str = ""
    expected: str = ""
    scratch: str = ""
    torch: str = ""
    ok: bool | None = None
    text_ok: bool | None = None
    part: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if bool(self.text) != bool(self.place):
            raise ValueError(f"Figure {self.what!r}: a quotation needs its place, and a place its quotation.")

    @classmethod
    def of(
        cls,
        what: str,
        expected: str,
        values: Mapping[str, float],
        low: float | None = None,
        high: float | None = None,
        form: str = ".4g",
        text: str = "",
        place: str = "",
    ) -> Figure:
        """The values of "scratch" and "torch", judged right if both lie in [low, high]; without bounds not judged."""
        ok = None
        if low is not None or high is not None:
            ok = all(
                (low is None or low <= value) and (high is None or value <= high) for value in values.values()
            ) and all(np.isfinite([*values.values()]))
        scratch, torch = (format(values[name] + 0, form) for name in ("scratch", "torch"))  # + 0: no -0
        return cls(what, text, place, expected, scratch, torch, ok)

    @classmethod
    def apart(cls, what: str, curves: Mapping[str, Any], limit: float | None = None) -> Figure:
        """The difference of the two engines' curves: the largest |scratch - torch| / |torch|, judged if limited."""
        ours, theirs = (np.asarray(curves[name], np.float64) for name in ("scratch", "torch"))
        largest = float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), np.finfo(np.float64).tiny)))
        expected = "" if limit is None else f"at most {limit:.0e}"
        ok = None if limit is None else largest <= limit
        return cls(what, expected=expected, scratch=f"{largest:.1e}", ok=ok)

    @property
    def verdict(self) -> str:
        """One word: "" (not judged), "ok", "FAILED", or "caught" where both engines show that the text errs."""
        if self.ok is None:
            return ""
        return "FAILED" if not self.ok else "caught" if self.text_ok is False else "ok"


@dataclass(frozen=True)
class GradientCheck:
    """A formula for a gradient, or a backward, against finite differences in float64.

    `expected` is False for an article's own formula that is not the derivative: the check must catch it, so `ok` means
    that the error is above the limit. `note` says what is wrong with it.
    """

    what: str
    error: float
    limit: float = LIMIT
    expected: bool = True
    note: str = ""
    part: str = ""

    @property
    def ok(self) -> bool:
        return self.error <= self.limit if self.expected else self.error > self.limit

    @property
    def verdict(self) -> str:
        return "FAILED" if not self.ok else "ok" if self.expected else "caught"


Row = TypeVar("Row", Figure, GradientCheck)


def under(part: str, rows: Sequence[Row]) -> list[Row]:
    """The rows under a heading; those that have one keep it."""
    return [row if row.part else replace(row, part=part) for row in rows]


@dataclass
class Replay:
    """The result of replaying one article."""

    name: str
    title: str
    source: str
    claim: str  # what the texts say, in our words
    figures: list[Figure] = field(default_factory=list)
    checks: list[GradientCheck] = field(default_factory=list)
    plots: list[tuple[Path, str]] = field(default_factory=list)  # a picture and its caption
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return all(figure.ok is not False for figure in self.figures) and all(check.ok for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a picture is named by its file in the replay's folder."""
        return {
            **asdict(self),
            "ok": self.ok,
            "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in self.figures],
            "checks": [{**asdict(check), "ok": check.ok, "verdict": check.verdict} for check in self.checks],
            "plots": [{"file": path.name, "caption": caption} for path, caption in self.plots],
        }


@dataclass(frozen=True)
class Article:
    """A system that texts describe, to be replayed.

    `run(output, data_dir, progress)` writes its plots into the folder `output`, which exists, reads MNIST, if it needs
    it, from `data_dir` as experiments.training.data does, and calls `progress` with a short text about the current
    step.
    """

    name: str
    title: str  # what is replayed
    claim: str  # what the texts say about it, in our words
    run: Callable[..., Replay]

    @property
    def source(self) -> str:
        """The titles of the texts."""
        return "; ".join(map(str, texts_of(self.name)))

    def start(self) -> Replay:
        """An empty replay of this article."""
        return Replay(self.name, self.title, self.source, self.claim)


def quiet(_: str) -> None:
    """Progress that is not shown."""


def differences(f: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """df/dx in float64 by central differences, one element at a time: (f(x + h) - f(x - h)) / 2h. x is not changed."""
    x = np.array(x, np.float64)
    slopes = np.empty_like(x)
    for i in np.ndindex(x.shape):
        value = x[i]
        h = STEP * max(1.0, abs(value))
        x[i] = value + h
        above = float(f(x))
        x[i] = value - h
        slopes[i] = (above - float(f(x))) / (2 * h)
        x[i] = value
    return slopes


def gradient_check(f: Callable[[np.ndarray], float], x: np.ndarray, gradient: np.ndarray) -> float:
    """The distance of `gradient` from df/dx: the largest difference, relative to the largest derivative.

    Raises    ValueError if the gradient does not have the shape of x.
    """
    if np.shape(gradient) != np.shape(x):
        raise ValueError(
            f"gradient_check: the gradient must have the shape of x, {np.shape(x)}, got {np.shape(gradient)}. "
            "Is it summed or averaged over an axis?"
        )
    slopes = differences(f, x)
    apart = float(np.max(np.abs(slopes - gradient), initial=0.0))
    return apart / float(np.max(np.abs(slopes), initial=np.finfo(np.float64).tiny)) if apart else 0.0

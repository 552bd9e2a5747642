"""What a comparison finds: measurements, causes, and the lines of the report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity_tests.exits import CannotError
from parity_tests.rule import ulp

AT_KINKS = " at kinks and ties"


class CompareError(CannotError):
    """The two cannot be compared, and why."""


@dataclass
class Element:
    """The first element that diverges."""

    index: tuple[int, ...]
    left: float
    right: float
    ulp: float
    apart: int  # how many elements diverge
    of: int

    def __str__(self) -> str:
        share = "the only one" if self.apart == self.of == 1 else f"{self.apart} of {self.of} elements diverge"
        place = ", ".join(map(str, self.index))
        return f"[{place}] left {self.left:.9g}, right {self.right:.9g}, {number(self.ulp)} ulp ({share})"


@dataclass
class Cause:
    """A convention that explains the difference."""

    name: str  # short and fixed, such as "gelu-tanh"
    text: str
    before_ulp: float = math.nan  # how far the left is away without it
    after_ulp: float = math.nan
    where: str = ""  # the layer within the place in which it lies, where only the whole could be observed
    said: str = ""  # the text with the left's own names, where these are others

    def __str__(self) -> str:
        text = self.said or self.text
        if math.isnan(self.before_ulp):
            return text
        return f"{text}: the difference falls from {number(self.before_ulp)} to {number(self.after_ulp)} ulp"


@dataclass
class Measurement:
    """One number that was compared: `error` ulp against `limit`, and where."""

    where: str  # dotted name of the layer, "loss", a parameter, ...
    kind: str  # class of the layer
    phase: str  # pairing, structure, init, forward, backward, buffer, state, kink, step
    what: str  # "output", "grad weight", ...
    error: float
    limit: float
    mode: str = ""  # train or eval
    note: str = ""
    first: Element | None = None
    cause: Cause | None = None
    other_shape: bool = False  # the two values have different shapes
    inside: str = ""  # the layer within `where` whose convention explains it, found by trying them all
    inside_kind: str = ""  # its class
    left: str = ""  # the left's own name of `where`, where that is another
    inside_left: str = ""  # and of `inside`
    own: str = ""  # `what` with the left's own names, where these are others

    @property
    def ok(self) -> bool:
        return self.error <= self.limit

    @property
    def at_kinks(self) -> bool:
        """Whether it was measured on numbers other than those that the whole was given."""
        return self.what.endswith(AT_KINKS)

    @property
    def place(self) -> str:
        beside = f"{self.where or 'the whole'} on the right" if self.left else ""
        about = ", ".join(part for part in (beside, self.kind) if part)
        name = self.left or self.where
        layer = f"{name} ({about})" if name and about else name or self.kind or "the whole"
        if self.inside:
            name = self.inside_left or self.inside
            beside = f"{self.inside} on the right, " if self.inside_left else ""
            layer = f"{name} ({beside}{self.inside_kind}), within {layer}"
        between = ", between its layers"
        phase = {"between": between, "kink": between, "pairing": ", pairing", "init": ", initial values"}.get(
            self.phase, ""
        )
        return f"{layer}{phase}{f', {self.mode} mode' if self.mode else ''}: {self.own or self.what}"

    def __str__(self) -> str:
        text = f"{self.place}, "
        text += (
            self.note
            if math.isinf(self.error) and self.note
            else f"{number(self.error)} ulp, limit {number(self.limit)}"
        )
        if self.note and not math.isinf(self.error):
            text += f"; {self.note}"
        return text


@dataclass
class LayerLine:
    """One call of a layer in the report's column."""

    name: str
    kind: str
    mode: str
    forward: float = 0.0
    limit: float = 4.0
    backward: float = 0.0
    backward_limit: float = 4.0
    accumulated: float = 0.0
    accumulated_limit: float = 4.0
    accumulated_backward: float = 0.0
    accumulated_backward_limit: float = 4.0
    ok: bool = True
    idle: bool = False  # it differs, but nothing follows from that
    left: str = ""  # the left's own name, where that is another


@dataclass
class PairLine:
    """A parameter or buffer of the left, by its own name and shape, and what it is on the right."""

    left: str
    left_shape: tuple[int, ...]
    moves: tuple[str, ...]  # as a map says them, from the right's array to the left's
    right: tuple[str, ...]
    right_shapes: list[tuple[int, ...]]

    @property
    def same(self) -> bool:
        """Whether both sides call it alike and lay it out alike."""
        return self.right == (self.left,) and not self.moves


@dataclass
class StepLine:
    """One optimizer step: the worst error of parameters and state, and of the losses of two free trainings."""

    step: int
    error: float
    limit: float
    what: str
    loss_left: float | None = None
    loss_right: float | None = None


@dataclass
class Findings:
    """Everything that one comparison found. `reason` says why there is no verdict, if there is none."""

    left: str
    right: str
    seed: int
    measurements: list[Measurement] = field(default_factory=list)
    layers: list[LayerLine] = field(default_factory=list)
    pairs: list[PairLine] = field(default_factory=list)
    steps: list[StepLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    uncompared: list[str] = field(default_factory=list)
    reason: str = ""
    proposal: Any = None  # of a map, if names do not pair
    seconds: float = 0.0
    unit: str = "ulp of the largest value / limit"  # what the table's numbers are

    @property
    def divergences(self) -> list[Measurement]:
        return [m for m in self.measurements if not m.ok]

    @property
    def ok(self) -> bool:
        return bool(self.measurements) and not self.divergences and not self.reason

    @property
    def comparable(self) -> bool:
        """Whether there is a verdict, PARITY or DIVERGENCE."""
        return bool(self.divergences) or self.ok

    @property
    def first_divergence(self) -> Measurement | None:
        return next(iter(self.divergences), None)

    @property
    def cause(self) -> Cause | None:
        """The cause of the first divergence."""
        first = self.first_divergence
        return None if first is None else first.cause

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def not_compared(self, text: str) -> None:
        """A note in the first lines of the report."""
        if text not in self.uncompared:
            self.uncompared.append(text)
        self.note(f"not compared: {text}")

    def verdict(self) -> str:
        if self.ok:
            return f"PARITY  {self.left} and {self.right} agree"
        first = self.first_divergence
        if first is None:
            return f"COULD NOT COMPARE  {self.left}, {self.right}: {self.reason or 'nothing was compared'}"
        return f"DIVERGENCE  {self.left} and {self.right} diverge at {first.place}"


def number(value: float) -> str:
    if value == 0:
        return "0"
    return "apart" if math.isinf(value) else f"{value:.3g}"


def first_element(value: Any, truth: Any, limit: float) -> Element | None:
    """The first element further than `limit` ulp of the largest value from the truth."""
    value, truth = np.asarray(value), np.asarray(truth)
    if value.shape != truth.shape or value.dtype.kind not in "fiub" or value.size == 0:
        return None
    exact, got = truth.astype(np.float64), value.astype(np.float64)
    finite = np.isfinite(exact)
    unit = ulp(exact[finite], value.dtype if value.dtype.kind == "f" else np.float32) if finite.any() else 1.0
    with np.errstate(all="ignore"):
        error = np.abs(got - exact) / unit
    error = np.where((got == exact) | (np.isnan(got) & np.isnan(exact)), 0.0, error)
    apart = ~(error <= limit)
    if not apart.any():
        return None
    index = tuple(int(i) for i in np.unravel_index(int(apart.argmax()), apart.shape))
    return Element(index, float(got[index]), float(exact[index]), float(error[index]), int(apart.sum()), apart.size)


def losses(steps: list[StepLine]) -> Iterator[str]:
    """The losses of both free trainings, first to last."""
    if steps and steps[0].loss_left is not None and steps[0].loss_right is not None:
        shown = steps if len(steps) <= 6 else [*steps[:3], *steps[-2:]]
        for side in ("left", "right"):
            values = [f"{step.step}: {getattr(step, f'loss_{side}'):.6g}" for step in shown]
            yield f"  loss of the {side:5} after step " + ", ".join(values)

"""One mode of a comparison: the right's recorded run, and what is known of each layer so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity_tests.comparer import judge
from parity_tests.comparer.case import Case
from parity_tests.comparer.findings import Cause, LayerLine, Measurement, first_element
from parity_tests.comparer.side import LOSS, ROOT, Key
from parity_tests.comparer.trace import Call, Recorder, kind_of
from parity_tests.comparer.values import Numbers, is_float, precision

EXPLAINED = 3  # places whose cause is looked for


@dataclass
class Placed:
    """Where a measurement belongs: the call, what of it ("input", "cotangent", "absent" ...), its line."""

    measurement: Measurement
    key: Key
    what: str
    line: LayerLine | None = None
    other: Any = None  # an argument that differs and is no floating number


@dataclass
class Trial:
    """`calls` are the layers that both sides call and in which no other such call happens, in order."""

    case: Case
    training: bool
    trace: Recorder
    calls: list[Call]
    holders: dict[Key, Call] = field(default_factory=dict)  # the layers around them
    lines: dict[Any, LayerLine] = field(default_factory=dict)
    questions: dict[int, tuple[list[Measurement], Any]] = field(default_factory=dict)
    gaps: dict[int, LayerLine] = field(default_factory=dict)  # code before an event that diverges
    places: dict[int, Placed] = field(default_factory=dict)
    arrived: dict[Key, dict[int, np.ndarray]] = field(default_factory=dict)  # the left's cotangents at stand-ins

    def __post_init__(self) -> None:
        self.mode = "train" if self.training else "eval"
        watched = {call.key for call in self.calls} | set(self.holders) | {(ROOT, 0), (LOSS, 0)}
        self.events = [event for event in self.trace.events if event[1] in watched]
        self.number = {event: i for i, event in enumerate(self.events)}
        for call in self.calls:
            name = call.key[0]
            self.lines[call.key] = LayerLine(name, self.kind(name), self.mode)

    def put(self, m: Measurement, key: Key, what: str, line: LayerLine | None = None, other: Any = None) -> None:
        self.places[id(m)] = Placed(m, key, what, line, other)

    def ask(self, measurements: list[Measurement], why: Callable[[], Mapping[str, Cause | None]]) -> None:
        """Remember what finds the cause of each of these, by what was measured: it takes longer than to measure."""
        for m in measurements:
            self.questions[id(m)] = measurements, why

    def explain(self, found: list[Measurement], known: Collection[tuple[str, str]]) -> None:
        """The causes of the first places that diverge. A number of calls that differs is the cause of what follows."""
        answered = 0
        for m in (m for m in found if not m.ok):
            measurements, why = self.questions.pop(id(m), ([], None))
            if m.phase == "structure" or answered == EXPLAINED:
                return
            if why is None or m.cause is not None or (m.where, m.what) in known:
                continue
            answered += 1
            causes = why()
            for one in measurements:
                one.cause = causes.get(one.what)
                self._locate(one)

    def _locate(self, m: Measurement) -> None:
        """The layer of the right in which the cause lies, where the left shows only what is around it."""
        if m.cause is not None and m.cause.where:
            m.inside = f"{m.where}.{m.cause.where}" if m.where and m.phase != "between" else m.cause.where
            m.inside_kind = self.kind(m.inside)

    def kind(self, name: str) -> str:
        right = self.case.right
        return kind_of(right, name) if name in right.modules or name == LOSS else ""

    def report_lines(self) -> list[LayerLine]:
        """Each layer after the code before it, in order."""
        lines = []
        for i, (step, key) in enumerate(self.events):
            lines += [self.gaps[i]] if i in self.gaps else []
            lines += [self.lines[key]] if step == "enter" and key in self.lines else []
        return lines

    def ends_of(self, gap: int) -> tuple[str, str]:
        """The names of what lies before and after the code before this event."""
        return self._end(gap - 1), self._end(gap)

    def _end(self, i: int) -> str:
        if not 0 <= i < len(self.events):
            return "the output"
        step, key = self.events[i]
        if key in self.lines:
            return key[0] or "the whole"
        put = "input" if step == "enter" else "output"
        return f"the {put} of {key[0]}" if key[0] else f"the {put}"

    def judge(
        self, where: str, phase: str, what: str, ours: Numbers, like: Numbers, truth: np.ndarray, limit: float
    ) -> Measurement | None:
        """One number of the left; None where an object may lack it."""
        m = Measurement(where, self.kind(where), phase, what, 0.0, limit, self.mode)
        if what not in ours:
            head, _, own = what.partition(" ")
            if head == "output" and own and where and self.case.left.engine == "object":
                return None  # torch's recurrent layers and attention give more than those of other frameworks
            if self.case.optional(head, f"{where}.{own}" if where else own):
                return None
            m.error, m.note = math.inf, f"the left has no {what}"
            return m
        value, other = ours[what], like[what]
        if self.case.left.noise is not None and is_float(value) and value.shape == other.shape:
            m.error, m.limit = judge.noise(value, truth), self.case.left.noise
            m.note = judge.decibels(m.error)
            return m
        m.error = judge.error(value, other, truth)
        if value.dtype != other.dtype or value.shape != other.shape:
            m.other_shape = value.shape != other.shape
            m.note = "" if m.ok else f"left is {precision(value)}, right {precision(other)}"
            return m
        if not m.ok:
            m.first = first_element(value, judge.reference(value, other, truth), m.limit)
            bad = ~np.isfinite(value) & np.isfinite(other) if value.dtype.kind == "f" else np.zeros(1, bool)
            if bad.any():
                m.note = f"{int(bad.sum())} values are NaN or infinite on the left alone"
        return m


def raise_to(largest: dict[Any, float], values: Mapping[Any, float]) -> None:
    for what, value in values.items():
        largest[what] = max(largest.get(what, 0.0), value)

"""One mode, training or eval: what every layer introduces, what the code between them does, what has been carried."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import numpy as np

from parity_tests.comparer import diagnose, judge
from parity_tests.comparer.case import OTHER_FUNCTION, Case
from parity_tests.comparer.findings import LayerLine, Measurement, first_element
from parity_tests.comparer.side import LOSS, ROOT, Side
from parity_tests.comparer.trace import Call, Follower, Order, Recorder, StandIns, kind_of
from parity_tests.comparer.values import Numbers, cast, is_float, moved, precision
from parity_tests.rule import DRAWS, float64_limit


class Mode:
    """One mode, training or eval."""

    def __init__(self, case: Case, training: bool) -> None:
        self.case, self.training, self.mode = case, training, "train" if training else "eval"
        self.left, self.right, self.twin, self.pairing = case.left, case.right, case.twin, case.pairing
        self.report, self.seed, self.backward = case.report, case.seed, case.backward
        self.lines: dict[Any, LayerLine] = {}
        self.gaps: dict[tuple[str, str], LayerLine] = {}  # code between two layers that diverges
        self.found: list[Measurement] = []

    def run_side(self, side: Side, probe: Any, dtype: Any = None, wanted: Any = ()) -> Numbers:
        return self.case.run(side, self.training, probe, wanted)

    def run(self) -> list[Measurement]:
        """What every layer and the code between them does, in the order in which it is met."""
        trace = Recorder(self.right)
        right = self.run_side(self.right, trace)
        follower = Follower(trace)
        try:
            left = self.pairing.translate(self.run_side(self.left, follower))
        except Exception as error:
            return self._failed(error, trace, follower)
        leaf_calls = trace.leaf_calls(follower)
        self._structure(trace, follower)
        for call in leaf_calls:
            name = call.key[0]
            self.lines[call.key] = LayerLine(name, kind_of(self.right, name), self.mode)
        self._carried(trace, follower, left, right)
        trace.forget(leaf_calls)
        between = {} if [c.key[0] for c in leaf_calls] == [ROOT] else self._between(leaf_calls, right)
        backwards: list[list[Measurement]] = []
        for i, call in enumerate(leaf_calls):
            self.found += between.pop((call.key, "input"), [])
            ahead, back = self._introduced(call, self.seed + 1000 + i)
            self.found += ahead
            backwards.append(back + between.pop((call.key, "cotangent"), []))
        self.found += between.pop((None, "output"), [])
        for back in reversed(backwards):  # the backward pass meets the last layer first
            self.found += sorted(back, key=lambda m: m.what != "cotangent")
        self.found += [m for rest in between.values() for m in rest]
        for line in self.lines.values():
            self.report.layers += [gap for ends, gap in self.gaps.items() if ends[1] == line.name]
            self.report.layers.append(line)
        self.report.layers += [gap for ends, gap in self.gaps.items() if ends[1] == "the output"]
        return self.found

    # --- structure ----------------------------------------------------------------------------------------------------

    def _failed(self, error: Exception, trace: Recorder, follower: Follower) -> list[Measurement]:
        """The left cannot run through: the layers that it reached are compared, since one of them may be the reason."""
        for i, call in enumerate(trace.leaf_calls(follower)):
            name = call.key[0]
            self.lines[call.key] = LayerLine(name, kind_of(self.right, name), self.mode)
            ahead, back = self._introduced(call, self.seed + 1000 + i)
            self.found += ahead + back
        self.report.layers += list(self.lines.values())
        where = follower.open[-1][0] if follower.open else ROOT
        note = f"the left side raises {_says(error)}"
        kind = kind_of(self.left, where) if where in self.left.modules else ""
        self.found.append(Measurement(where, kind, "failure", "call", math.inf, 0.0, self.mode, note))
        return self.found

    def _structure(self, trace: Recorder, follower: Order) -> None:
        ours, theirs = follower.counts(), trace.counts()
        for name in theirs:
            if name in ours and ours[name] != theirs[name]:
                note = f"called {ours[name]} times on the left and {theirs[name]} times on the right"
                self.found.append(
                    Measurement(name, kind_of(self.right, name), "structure", "calls", math.inf, 0.0, self.mode, note)
                )
        inside = [n for n in theirs if n and n not in ours and any(n.startswith(f"{o}.") or o == "" for o in ours)]
        if inside:
            self.report.note(
                f"the left calls no layers of these names; compared within what holds them: {', '.join(inside)}"
            )

    # --- carried ------------------------------------------------------------------------------------------------------

    def _carried(self, trace: Recorder, follower: Follower, left: Numbers, right: Numbers) -> None:
        """Errors that have added up by the end of each layer. Reported, not judged."""
        exact = Follower(trace, exact=True)
        if self.twin is not None:
            self.run_side(self.twin, exact, np.float64)
        for key, line in self.lines.items():
            line.carried = follower.outputs.get(key, 0.0)
            line.carried_limit = float64_limit(exact.outputs.get(key, 0.0))
            line.carried_backward = follower.gradients.get(key, 0.0)
            line.carried_backward_limit = float64_limit(exact.gradients.get(key, 0.0))

    # --- between layers -----------------------------------------------------------------------------------------------

    def _between(self, calls: list[Call], right: Numbers) -> dict[Any, list[Measurement]]:
        """The code between the layers, judged where its results arrive, and the parameters that it uses itself."""
        leaf_names = {call.key[0] for call in calls}
        wanted = {n for n in self.right.parameter_names() if not any(n.startswith(f"{leaf}.") for leaf in leaf_names)}
        back = {theirs: ours for ours, theirs in self.pairing.names.items()}
        if wanted:
            right = self.run_side(self.right, None, None, wanted)
        u: dict[Any, float] = {}
        ends: dict[str, float] = {}
        truth = right
        if self.twin is not None:
            for draw in range(DRAWS):
                rough = right
                seen = None
                if draw:
                    probe = StandIns(calls, None, draw)
                    rough, seen = self.run_side(self.right, probe, None, wanted), probe.seen
                exact_probe = StandIns(calls, np.float64, draw, seen)
                exact = self.run_side(self.twin, exact_probe, np.float64, wanted)
                truth = exact if draw == 0 else truth
                _raise_to(u, exact_probe.arrived)
                _raise_to(ends, {what: judge.own_error(rough[what], exact[what]) for what in exact if what in rough})
        left_probe = StandIns(calls, None)
        left_probe.keep_above = {place: float64_limit(u.get(place, 0.0)) for place in self._places(calls)}
        left = self.pairing.translate(
            self.run_side(self.left, left_probe, None, {back.get(name, name) for name in wanted})
        )
        found: dict[Any, list[Measurement]] = {}
        neighbors = {
            call.key: (calls[i - 1] if i else None, calls[i + 1] if i + 1 < len(calls) else None)
            for i, call in enumerate(calls)
        }
        for place, error in left_probe.arrived.items():
            key, what, number = place
            call = left_probe.calls[key]
            other_end = neighbors[key][0 if what == "input" else 1]
            where = _around(call, other_end)
            limit = left_probe.keep_above.get(place, float64_limit(u.get(place, 0.0)))
            name = f"{what}{f' {number}' if number else ''} of {key[0]}"
            m = Measurement(where, kind_of(self.right, where), "between", name, error, limit, self.mode)
            if not m.ok:
                value, other = left_probe.arrays.get(place, (None, None))
                gap = (other_end.key[0] if other_end else "the input", key[0]) if what == "input" else (
                    key[0], other_end.key[0] if other_end else "the output")  # fmt: skip
                m.note = f"both layers agree: the code between {gap[0]} and {gap[1]} parts"
                if value is not None and other is not None:
                    m.first = first_element(value, other, limit)
                    m.cause = diagnose.between(self._gap(calls, place, value, other, limit))
                    if value.dtype != other.dtype or value.shape != other.shape:
                        m.note = f"{precision(value)} arrives at {key[0]}, right has {precision(other)}"
                line = self.gaps.setdefault(gap, LayerLine(f"{gap[0]} → {gap[1]}", m.kind, self.mode, ok=False))
                if what == "input":
                    line.introduced, line.limit = max((line.introduced, line.limit), (error, limit))
                else:
                    line.backward, line.backward_limit = max((line.backward, line.backward_limit), (error, limit))
            found.setdefault((key, what), []).append(m)
        for what, value in truth.items():
            head = what.split(" ")[0]
            if head == "buffer":
                continue
            end = self._judge(ROOT, "between", what, left, right, value, ends.get(what, 0.0))
            if end is not None:
                if not end.ok:
                    end_place = None, "output" if head == "output" else "cotangent", what
                    end.cause = diagnose.between(self._gap(calls, end_place, left.get(what), right[what], end.limit))
                    end.note = end.note or "the layers agree: the code after or around them parts"
                found.setdefault((None, "output" if head == "output" else "end"), []).append(end)
        return found

    def _gap(self, calls: list[Call], place: Any, value: Any, other: Any, limit: float) -> diagnose.Gap:
        given = self.case.given, self.case.target, self.training, self.seed
        return diagnose.Gap(self.right, calls, place, *given, value, other, limit)

    @staticmethod
    def _places(calls: list[Call]) -> list[Any]:
        inputs = [(call.key, "input", i) for call in calls for i in range(len(call.inputs()))]
        return inputs + [(call.key, "cotangent", i) for call in calls for i in call.dys]

    # --- introduced ---------------------------------------------------------------------------------------------------

    def _introduced(self, call: Call, seed: int) -> tuple[list[Measurement], list[Measurement]]:
        """One layer on both sides with the right side's input and cotangent."""
        name = call.key[0]
        dys: list[Any] | None = call.cotangents() if self.backward and (call.dys or not call.dxs) else None
        ask = lambda side, values: side.local(name, *values, self.training, seed)  # noqa: E731
        given = (call.args, call.kwargs, dys)
        found: list[Measurement] = []
        rough = ask(self.right, given)
        truth, u = self._truth(ask, call, given, rough)
        largest = judge.largest_gradient(truth)
        try:
            ours = self.pairing.translate(ask(self.left, given), name)
        except Exception as error:
            self.lines[call.key].ok = False
            found = [self._raised(name, error)]
            try:  # its forward alone may say why
                ours = self.pairing.translate(ask(self.left, (call.args, call.kwargs, None)), name)
            except Exception:
                return found, []
            truth = {what: value for what, value in truth.items() if what in ours}
        line = self.lines[call.key]
        for what, value in truth.items():
            if what.startswith("grad input") and int(what[10:] or 0) not in call.dxs:
                continue
            m = self._judge(
                name,
                "backward" if what.startswith("grad ") else what.split(" ")[0],
                what,
                ours,
                rough,
                value,
                u[what],
                largest,
            )
            if m is None:
                continue
            found.append(m)
            line.ok &= m.ok
            if m.phase == "backward":
                if m.error / m.limit >= line.backward / line.backward_limit:
                    line.backward, line.backward_limit = m.error, m.limit
            elif m.error / m.limit >= line.introduced / line.limit:
                line.introduced, line.limit = m.error, m.limit
        apart = [m for m in found if not m.ok and m.what in ours]
        if apart:
            evidence = diagnose.Evidence(
                name,
                self.right,
                given,
                self.training,
                seed,
                ours,
                rough,
                truth,
                {m.what: m.limit for m in found},
                [m.what for m in apart],
            )
            causes = diagnose.layer(evidence)
            for m in apart:
                m.cause = causes.get(m.what)
            found.sort(key=lambda m: m.what == "call")  # what it gives says more than what it raises
        return [m for m in found if m.phase != "backward"], [m for m in found if m.phase == "backward"]

    def _raised(self, name: str, error: Exception) -> Measurement:
        note = f"the left raises {_says(error)}"
        return Measurement(name, kind_of(self.right, name), "output", "call", math.inf, 0.0, self.mode, note)

    def _truth(self, ask: Any, call: Call, given: Any, rough: Numbers) -> tuple[Numbers, dict[str, float]]:
        """The layer in float64, and for each number U, the right side's own error over the draws."""
        u = dict.fromkeys(rough, 0.0)
        truth = dict(rough)
        other = set(rough)  # what float64 does not tell
        twin = self.twin
        for draw in range(DRAWS if twin is not None else 0):
            values = moved(given, self._rng(call, draw)) if draw else given
            single = ask(self.right, values) if draw else rough
            try:
                exact = ask(twin, cast(values, np.float32 if self.case.fine else np.float64))
            except Exception:  # this layer cannot be computed in float64
                truth, other = dict(rough), set(rough)
                break
            if self.case.fine:
                single, exact = exact, single
            errors = {
                what: judge.own_error(single[what], exact[what]) for what in rough if what in exact and what in single
            }
            if draw == 0:
                other = {w for w in rough if w not in errors or (errors[w] > OTHER_FUNCTION and is_float(rough[w]))}
                truth = {what: rough[what] if what in other else exact[what] for what in rough}
            _raise_to(u, {what: e for what, e in errors.items() if what not in other})
        if other:
            for draw in range(DRAWS):
                near = ask(self.right, moved(given, self._rng(call, draw), 2.0 ** (-52 if self.case.fine else -23)))
                _raise_to(u, {w: judge.own_error(near[w], rough[w]) for w in other if w in near})
        return truth, u

    @staticmethod
    def _rng(call: Call, draw: int) -> np.random.Generator:
        return np.random.default_rng([draw, call.key[1], crc32(call.key[0].encode())])

    def _judge(
        self,
        where: str,
        phase: str,
        what: str,
        ours: Numbers,
        like: Numbers,
        truth: np.ndarray,
        u: float,
        largest: float = 0.0,
    ) -> Measurement | None:
        kind = kind_of(self.right, where) if where in self.right.modules or where == LOSS else ""
        limit = judge.limit(u, not self.case.fine)
        if judge.is_parameter_gradient(what):
            limit = judge.gradient_limit(u, truth, like[what].dtype, largest, not self.case.fine)
        m = Measurement(where, kind, phase, what, 0.0, limit, self.mode)
        if what not in ours:
            if self.left.engine == "object" and what.startswith(("grad ", "buffer ")):
                self.report.note(f"the left gives no {what} of {where or 'the whole'}: not compared")
                return None
            m.error, m.note = math.inf, f"the left has no {what}"
            return m
        value, other = ours[what], like[what]
        if value.dtype != other.dtype or value.shape != other.shape:
            m.error, m.note = math.inf, f"left is {precision(value)}, right {precision(other)}"
            return m
        m.error = judge.error(value, other, truth)
        if not m.ok:
            m.first = first_element(value, judge.reference(value, other, truth), m.limit)
            bad = ~np.isfinite(value) & np.isfinite(other) if value.dtype.kind == "f" else np.zeros(1, bool)
            if bad.any():
                m.note = f"{int(bad.sum())} values are NaN or infinite on the left alone"
        return m


def _says(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def _around(call: Call, other: Call | None) -> str:
    """The innermost layer that holds both calls: the code between them is its own."""
    parents = [key[0] for key in call.parents]
    if other is not None:
        theirs = {key[0] for key in other.parents}
        parents = [name for name in parents if name in theirs]
    else:
        parents = parents[:1]
    return parents[-1] if parents else ROOT


def _raise_to(largest: dict[Any, float], values: Mapping[Any, float]) -> None:
    for what, value in values.items():
        largest[what] = max(largest.get(what, 0.0), value)

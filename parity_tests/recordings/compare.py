"""compare, where one side or both are a folder: recorded calls judged one by one by the rule, then the whole.

Every layer is asked alone, on what the folder says that it received, so that a port need not answer more than it has.
The truth and the limits are those of the right side: of a live model its own in float64 on these inputs, of a folder
those that its vectors hold. As with two live sides, what layers give counts if the whole is apart or is not answered.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from parity_tests.comparer import diagnose
from parity_tests.comparer.comparison import implied_map
from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import AT_KINKS, CompareError, LayerLine, Measurement, first_element
from parity_tests.comparer.judge import in_order
from parity_tests.comparer.pairing import Pairing
from parity_tests.comparer.report import Report
from parity_tests.comparer.side import ROOT, Given
from parity_tests.comparer.trace import same_numbers
from parity_tests.comparer.trial import EXPLAINED
from parity_tests.comparer.values import Numbers
from parity_tests.exits import CannotError
from parity_tests.recordings import between
from parity_tests.recordings.answers import Answering, Reference, Referring
from parity_tests.recordings.live import Live
from parity_tests.recordings.parameters import pair_parameters
from parity_tests.recordings.precisions import own_precision, signal_to_noise
from parity_tests.recordings.query import Query, completed
from parity_tests.recordings.read import AnswerError, Folder
from parity_tests.recordings.releases import cause_of
from parity_tests.recordings.steps import ROW
from parity_tests.recordings.steps_compared import compare_steps, same_course
from parity_tests.rule import BFLOAT16
from parity_tests.vectors.judge import error_of

SHOWN = 6
MOST = 16  # inputs or outputs of a layer that is renamed
LACKING = {"output": "outputs", "grad": "gradients", "buffer": "buffers"}  # what an answer may lack, by its first word


def compare_files(
    left: Folder | Live,
    right: Folder | Live,
    names: Mapping[str, Any] | None = None,
    mode: str = "both",
    precision: str | None = None,
) -> Report:
    """Compare where the left, the right or both are folders. The right is the reference.

    names      a map from the left's parameters to the right's, as `compare` takes it
    precision  that in which a live left is to be judged: its own by default; int8 for a quantized one
    """
    began = time.perf_counter()
    asking = right if isinstance(right, Folder) else left
    assert isinstance(asking, Folder)
    report = Report(left.label, right.label, asking.seed())
    sides = [side.side() if isinstance(side, Folder) else side.side for side in (left, right)]
    try:
        given = next((live.given for live in (left, right) if isinstance(live, Live)), Given())
        pairing = Pairing(sides[0], sides[1], names, implied_map(sides[0], sides[1], given))
    except (TypeError, ValueError) as error:
        raise CompareError(str(error)) from None
    for name, side in (("left", left), ("right", right)):
        if isinstance(side, Folder):
            report.note(f"the {name} was recorded with {side.made_with()}")
    if pair_parameters(report, pairing, left, right):
        with ExitStack() as stack:
            for live in (left, right):
                if isinstance(live, Live):
                    stack.enter_context(live.opened())
            own = precision or (own_precision(left.side) if isinstance(left, Live) else "")
            Files(report, pairing, asking, Answering(left, own), Referring(right)).compare(mode)
    pairing.tell(report)
    report.seconds = time.perf_counter() - began
    return report


class Files:
    """One comparison: every row of the asking folder, in order."""

    def __init__(
        self, report: Report, pairing: Pairing, asking: Folder, answering: Answering, referring: Referring
    ) -> None:
        self.report, self.pairing, self.asking = report, pairing, asking
        self.answering, self.referring = answering, referring
        self.unanswered: list[str] = []
        self.partly: dict[str, set[str]] = {}  # by call: of what it lacks some
        self.other_inputs: list[str] = []
        self.strange: dict[str, list[str]] = {}  # by call: names in its answer that it does not ask for
        self.explained = 0

    def compare(self, mode: str) -> None:
        queries = [self._renamed(self.asking.query(row)) for row in self.asking.rows]
        modes = [m for m in ("train", "eval") if mode in (m, "both") and any(q.mode == m for q in queries)]
        if not modes:
            raise CompareError(f"compare: {self.asking.path} holds no {mode} mode.")
        judged = 0
        for one in modes:
            judged += self._mode([q for q in queries if q.mode == one])
        judged += self._steps() if self.asking.has_steps and mode != "eval" else 0
        if self.strange:
            names = [name for found in self.strange.values() for name in found]
            calls = "one call" if len(self.strange) == 1 else f"{len(self.strange)} calls"
            self.report.not_compared(f"{len(names)} answers that {calls} did not ask for, by name: {_some(names)}")
        if not judged:
            where = f" in {self.answering.side.path / 'answers'}" if isinstance(self.answering.side, Folder) else ""
            self.report.reason = f"nothing was answered{where}"
            if self.other_inputs:
                self.report.reason = "the two folders were made with other inputs: record one with --on the other"
            self.report.measurements.clear()
            return
        total = sum(q.mode in modes for q in queries) + self.asking.has_steps
        if self.unanswered:
            self.report.not_compared(f"{len(self.unanswered)} of {total} calls, not answered: {_some(self.unanswered)}")
        if self.partly:
            kinds = [kind for kind in LACKING.values() if any(kind in lacks for lacks in self.partly.values())]
            calls = f"{len(self.partly)} calls" if len(self.partly) > 1 else "one call"
            self.report.not_compared(f"{' and '.join(kinds)} of {calls}, not answered: {_some(list(self.partly))}")
        if self.other_inputs:
            calls = f"{len(self.other_inputs)} calls that received other numbers in the two folders"
            self.report.not_compared(f"{calls}: {_some(self.other_inputs)}; record one with --on the other")

    def _steps(self) -> int:
        """The optimizer's row. 1 if it was judged."""
        course, left, right = self.asking.course(), self.answering.side, self.referring.side
        assert course is not None
        for name, side in (("left", left), ("right", right)):
            if side.optimizer is None if isinstance(side, Live) else not side.has_steps:
                self.report.not_compared(f"the steps of the optimizer: the {name} has none")
                return 0
        if isinstance(left, Folder) and isinstance(right, Folder) and not same_course(course, left.course()):
            self.report.not_compared("the steps of the optimizer, which got other gradients in the two folders")
            return 0
        try:
            found = compare_steps(left, right, course, self.pairing)
        except AnswerError as error:
            found = [Measurement(ROW, "", "failure", "answer", math.inf, 0.0, note=str(error))]
        if not found:
            self.unanswered.append("the steps of the optimizer")
        self.report.measurements += found
        return int(bool(found))

    def _renamed(self, query: Query) -> Query:
        """With the layer by the right's name."""
        if isinstance(self.referring.side, Folder):
            return query
        stands = [
            replace(s, layer=self.pairing._renamed_layer(s.layer), inside=[*map(self.pairing._renamed_layer, s.inside)])
            for s in query.stands
        ]
        keys = [((a.layer, a.number), (b.layer, b.number)) for a, b in zip(query.stands, stands, strict=True)]
        renamed = {
            between.arrival(what, i, a): between.arrival(what, i, b)
            for a, b in keys
            for what in ("input", "cotangent")
            for i in range(MOST)
            if a != b
        }
        layer = self.pairing._renamed_layer(query.layer)
        return replace(query, layer=layer, stands=stands, about={**query.about, "renamed": renamed})

    def _mode(self, queries: list[Query]) -> int:
        """The whole, then every call; how many were judged."""
        if isinstance(self.referring.side, Live):
            self._structure(queries)
        found: dict[str, list[Measurement]] = {}
        for query in queries:
            measured = self._one(query)
            if measured is not None:
                found[query.name] = measured
        whole = [q for q in queries if q.layer == ROOT and not q.stands and q.name in found]
        arrivals = between.Arrivals([m for q in queries if q.stands for m in found.get(q.name, ())])
        end = [m for q in whole for m in found[q.name]]
        complete = bool(whole) and not any(q.label in self.partly for q in whole)
        settled = complete and all(m.ok for m in end)
        calls = [q for q in queries if q.layer != ROOT and q.name in found]
        ahead: list[Measurement] = []
        for q in completed(calls):
            ahead += arrivals.take("input", q)
            ahead += [m for m in found[q.name] if m.phase != "backward"]
        ahead += arrivals.take_end("output")
        run, kinks = ([q for q in calls[::-1] if q.kinks is chosen] for chosen in (False, True))
        back: list[Measurement] = []
        for q in (*run, *kinks):
            back += arrivals.take("cotangent", q)
            back += [m for m in found[q.name] if m.phase == "backward"]
        back += arrivals.take_end("")
        for m in (*ahead, *back):
            if m.ok or not settled or m.at_kinks or m.phase == "failure":
                self.report.measurements.append(m)
            else:
                self.report.note(f"inside, {m}: it makes no difference at the end")
        if complete and not settled and all(m.ok for m in (*ahead, *back)):
            for m in end:
                m.note = m.note or ("" if m.ok else "the parts agree, the whole does not")
        self.report.measurements += end
        return len(found)

    def _structure(self, queries: list[Query]) -> None:
        """Layers that the right calls another number of times than the folder says."""
        right = self.referring.side
        calls = right.watched(queries[0].mode).counts()
        ours = Counter(q.layer for q in queries if not q.kinks)
        for name in dict.fromkeys([*ours, *calls]):
            if ours[name] != calls[name] and name != ROOT and name in right.side.modules and ours[name]:
                note = f"called {ours[name]} times on the left and {calls[name]} times on the right"
                self.report.measurements.append(
                    Measurement(ROOT, "", "structure", f"calls of {name}", math.inf, 0.0, queries[0].mode, note)
                )

    def _one(self, query: Query) -> list[Measurement] | None:
        """One question; None if it was not answered."""
        side = self.referring.side
        if query.layer and isinstance(side, Live) and query.layer not in side.side.modules:
            self.report.not_compared(f"{query.label}: the right has no layer of this name")
            return None
        same = True, True
        if isinstance(self.answering.side, Folder) and isinstance(side, Folder):
            same = self._same_inputs(self.answering.side, query)
        if not all(same):
            self.other_inputs.append(query.label + " (backward)" * same[0])
        if not same[0]:
            return None
        try:
            answers = self.answering.give(query, self.pairing)
        except AnswerError as error:
            return [Measurement(query.layer, query.kind, "failure", "answer", math.inf, 0.0, query.mode, str(error))]
        except CannotError:
            raise
        except Exception as error:
            note = f"the left raises {told(error)}"
            return [Measurement(query.layer, query.kind, "failure", "call", math.inf, 0.0, query.mode, note)]
        if not same[1]:
            answers = {p: _forward(numbers) for p, numbers in answers.items()}
        if isinstance(self.answering.side, Folder) and (strange := self.answering.side.unknown(query.name)):
            self.strange[query.label] = strange
        if query.stands and answers and not any(answers.values()):
            self.report.not_compared(f"{query.label}: the left does not call the same layers")
            return None
        if not answers:
            self.unanswered.append(query.label)
            return None
        try:
            reference = self.referring.refer(query, list(answers))
        except CompareError:
            raise
        except Exception as error:
            raise CompareError(f"compare: the right failed at {query.label}: {told(error)}.") from error
        if query.stands and not reference.exact:
            self.report.not_compared(f"{query.label}: the right does not call the same layers")
            return None
        found = [m for precision in answers for m in self._precision(query, precision, answers[precision], reference)]
        self._line(query, found)
        return found

    @staticmethod
    def _same_inputs(left: Folder, query: Query) -> tuple[bool, bool]:
        """Whether the call in the left's folder received the same numbers, forward, and backward."""
        if query.name not in left.rows:
            return True, True  # it is not answered
        other = left.query(query.name)
        ours, theirs = ((q.args, q.kwargs, q.target, [s.output for s in q.stands]) for q in (other, query))
        ahead = (query.layer, query.number) == (other.layer, other.number) and same_numbers(ours, theirs)
        back = [(q.dys, [s.gradients for s in q.stands]) for q in (query, other)]
        return ahead, ahead and same_numbers(*back)

    def _precision(
        self, query: Query, precision: str, answers: dict[str, tuple[np.ndarray, str]], reference: Reference
    ) -> list[Measurement]:
        asked = reference.limits.get(precision, {})
        ours = in_order({w: v for w, (v, _) in answers.items()}, reference.exact)
        kinds = in_order({w: kind for w, (_, kind) in answers.items()}, reference.exact)
        missing = [what for what in asked if what not in ours]
        if missing and query.label not in self.partly and f"{query.label} (backward)" not in self.other_inputs:
            self.partly[query.label] = {LACKING.get(what.split(" ")[0], "outputs") for what in missing}
        found = []
        for what in asked:
            if what in ours:
                found.append(self._number(query, precision, what, ours[what], kinds[what], reference, asked[what]))
        if query.stands:
            self._explain_code(query, precision, found, ours, reference)
        else:
            self._explain(query, precision, found, ours, reference, asked)
        return found

    def _explain_code(
        self, query: Query, precision: str, found: list[Measurement], ours: Numbers, reference: Reference
    ) -> None:
        """Where code between layers lies, and the cause of what diverges."""
        side = self.referring.side
        for m in found:
            what = m.what.removesuffix(AT_KINKS).removesuffix(f" in {precision}")
            place = between.key_of(what)
            m.phase = "between"
            if place is not None:
                m.where = between.holder_of(query, place[2][0])
                m.kind = type(self.pairing.right.modules.get(m.where)).__name__
            if m.ok or m.first is None or self.explained >= EXPLAINED:
                continue
            self.explained += 1
            live = side.side if isinstance(side, Live) else None
            m.note = m.note or "the layers agree: the code between or around them diverges"
            m.cause = cause_of(query, m, ours[what], reference.exact[what], self.answering.side, side)
            m.cause = m.cause or between.cause_of(query, live, what, ours[what], reference.rough[what], m.limit)

    def _number(
        self, query: Query, precision: str, what: str, value: np.ndarray, kind: str, reference: Reference, limit: float
    ) -> Measurement:
        exact = reference.exact[what]
        end = "end" if query.layer == ROOT else what.split(" ")[0]
        m = Measurement(query.layer, query.kind, "backward" if what.startswith("grad ") and end != "end" else end, what,
                        0.0, limit, query.mode)  # fmt: skip
        floating = exact.dtype.kind == "f"
        allowed = {"int8": ("int8", "float32")}.get(precision, (precision,)) if floating else (kind,)
        if kind not in allowed or value.shape != exact.shape or (value.dtype.kind in "iub") == floating:
            wanted = f"{allowed[0]}{list(exact.shape)}"
            m.error, m.note = math.inf, f"left is {kind}{list(value.shape)}, right {wanted}"
            m.other_shape = value.shape != exact.shape
        elif not floating:
            m.error = 0.0 if np.array_equal(value, exact) else math.inf
            m.note = "" if m.ok else f"{int((value != exact).sum())} of {value.size} differ"
        else:
            m.error = error_of(value, exact, precision)
            if precision == "int8":
                self.report.unit = "root mean square in steps of max / 127, and its limit"
            self._tell(m, precision, value, exact)
        m.what += f" in {precision}" * (precision != self._usual()) + AT_KINKS * query.kinks
        return m

    def _usual(self) -> str:
        """The precision that need not be named."""
        side = self.referring.side
        own = own_precision(side.side) if isinstance(side, Live) else side.model.get("dtype")
        return str(own)

    @staticmethod
    def _tell(m: Measurement, precision: str, value: np.ndarray, exact: np.ndarray) -> None:
        if precision == "int8":
            m.note = signal_to_noise(value, exact, m.limit)
        elif not m.ok:
            m.first = first_element(value, exact, m.limit * (2.0**16 if precision == BFLOAT16 else 1))
            bad = ~np.isfinite(value) & np.isfinite(exact)
            m.note = f"{int(bad.sum())} values are NaN or infinite on the left alone" if bad.any() else ""

    def _line(self, query: Query, found: list[Measurement]) -> None:
        """The call's line of the report."""
        if query.layer == ROOT or query.kinks or query.stands:
            return
        line = LayerLine(query.layer, query.kind, query.mode, accumulated=math.nan, ok=all(m.ok for m in found))
        for m in found:
            if m.phase == "backward":
                if m.error / m.limit >= line.backward / line.backward_limit if m.limit else m.error:
                    line.backward, line.backward_limit = m.error, m.limit or 1.0
            elif m.error / m.limit >= line.forward / line.limit if m.limit else m.error:
                line.forward, line.limit = m.error, m.limit or 1.0
        self.report.layers.append(line)

    def _explain(
        self,
        query: Query,
        precision: str,
        found: list[Measurement],
        ours: Numbers,
        reference: Reference,
        asked: dict[str, float],
    ) -> None:
        """The cause of what diverges, from the catalog, where the right's layer is torch's."""
        names = {m.what.removesuffix(AT_KINKS).removesuffix(f" in {precision}"): m for m in found if not m.ok}
        names = {w: m for w, m in names.items() if not math.isinf(m.error) or m.first is not None}
        if not names or query.layer == ROOT or precision in ("int8", BFLOAT16) or self.explained >= EXPLAINED:
            return
        self.explained += 1
        rough, exact = reference.rough, reference.exact
        same = {w: v.astype(rough[w].dtype) for w, v in ours.items() if w in rough and v.shape == rough[w].shape}
        given, side = (query.args, query.kwargs, query.dys), self.referring.layer_side(query)
        evidence = diagnose.Evidence(query.layer, side, given, query.training, self.report.seed, same, rough, exact,
                                     asked, list(names))  # fmt: skip
        causes = diagnose.layer(evidence)
        sides = self.answering.side, self.referring.side
        for what, m in names.items():
            m.cause = causes.get(what) or cause_of(query, m, ours[what], exact[what], *sides)


def _forward(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {what: value for what, value in numbers.items() if not what.startswith(("grad ", "cotangent"))}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")

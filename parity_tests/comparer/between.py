"""The code between layers: every layer outputs the right's values on both sides, and what arrives is compared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from parity_tests.comparer import diagnose, judge
from parity_tests.comparer.findings import Cause, LayerLine, Measurement, first_element
from parity_tests.comparer.side import ROOT
from parity_tests.comparer.trace import Call, Place, StandIns
from parity_tests.comparer.trial import Trial, raise_to
from parity_tests.comparer.values import Numbers, floats, precision
from parity_tests.rule import DRAWS, float64_limit

Found = dict[Any, list[Measurement]]  # by the call and "input" or "cotangent", or (None, "output" or "end")


def between(trial: Trial, right: Numbers) -> Found:
    """Judged where it arrives: at the layers, at the end, and at the parameters that the code uses itself.

    U only grows with the draws: a value within the limit of one draw is within that of all.
    """
    found = _between(trial, right, 1)
    if all(m.ok for group in found.values() for m in group):
        return found
    trial.gaps.clear()
    return _between(trial, right, DRAWS)


def _between(trial: Trial, right: Numbers, draws: int) -> Found:
    case, calls = trial.case, trial.calls
    leaf_names = {call.key[0] for call in calls}
    wanted = {n for n in case.right.trainable() if not any(n.startswith(f"{leaf}.") for leaf in leaf_names)}
    back = case.left_names()
    if wanted:
        right = case.run(case.right, trial.training, None, wanted)
    truth, u, ends = _truth(trial, right, wanted, draws)
    around = [*calls, *trial.holders.values()]
    places: list[Place] = [(call.key, "input", i) for call in around for i in range(len(call.inputs()))]
    places += [(call.key, "cotangent", i) for call in calls for i in call.dys]
    places += [(key, "output", i) for key, call in trial.holders.items() for i in range(len(floats(call.output)))]
    limits = {place: float64_limit(u.get(place, 0.0)) for place in places}
    probe = StandIns(calls, None, limits=limits, sides=(case.left, case.right), holders=trial.holders)
    left = case.run(case.left, trial.training, probe, {back.get(name, name) for name in wanted})
    left = judge.in_order(case.pairing.translate(left), right)
    found: Found = {}
    for call in calls:
        for what, note, ours, theirs in probe.others.get(call.key, []):
            m = _arrival(trial, probe, call, "input", f"{what} of {call.key[0]}", math.inf, 0.0)
            m.note, m.cause = note, diagnose.argument(f"{what} of {call.key[0]}", ours, theirs)
            found.setdefault((call.key, "input"), []).append(m)
        if call.key in probe.reached and case.backward:
            for number in call.dys:
                if (call.key, "cotangent", number) not in probe.arrived and np.any(call.dys[number]):
                    m = _arrival(trial, probe, call, "cotangent", f"cotangent of {call.key[0]}", math.inf, 0.0)
                    m.note = f"no gradient arrives at the output of {call.key[0]} on the left"
                    m.cause = Cause("detached", "something cuts the gradient: detach(), no_grad, .data or NumPy")
                    found.setdefault((call.key, "cotangent"), []).append(m)
    for place in (p for p in probe.arrived if p[0] in probe.calls):
        found.setdefault(place[:2], []).append(_judged(trial, probe, place))
    for what, value in truth.items():
        head = what.split(" ")[0]
        if head == "buffer":
            continue
        last = calls[-1] if calls and head in ("output", "prediction") else None
        m_end = trial.judge(ROOT, "between", what, left, right, value, judge.limit(ends.get(what, 0.0), not case.fine))
        if m_end is not None:
            if not m_end.ok:
                m_end.where = _tail(probe, last, ()) or ROOT if last is not None else ROOT
                m_end.kind = trial.kind(m_end.where)
                end = None, "output" if head == "output" else "cotangent", what
                m_end.cause = _cause(trial, end, left.get(what), right[what], m_end.limit)
                m_end.note = m_end.note or "the layers agree: the code after or around them diverges"
            found.setdefault((None, "output" if head == "output" else "end"), []).append(m_end)
    return found


def _truth(
    trial: Trial, right: Numbers, wanted: set[str], draws: int
) -> tuple[Numbers, dict[Any, float], dict[str, float]]:
    """What the code gives in float64, and U of what arrives at the layers and at the end."""
    case, calls, training = trial.case, trial.calls, trial.training
    u: dict[Any, float] = {}
    ends: dict[str, float] = {}
    truth = right
    dtype = np.float32 if case.fine else np.float64
    for draw in range(draws if case.twin is not None else 0):
        rough, seen = right, None
        if draw:
            probe = StandIns(calls, None, draw, holders=trial.holders)
            rough, seen = case.run(case.right, training, probe, wanted), probe.seen
        exact_probe = StandIns(calls, dtype, draw, seen, holders=trial.holders)
        assert case.twin is not None
        exact = case.run(case.twin, training, exact_probe, wanted)
        if case.fine:
            rough, exact = exact, rough
        truth = exact if draw == 0 else truth
        raise_to(u, {place: e for place, e in exact_probe.arrived.items() if math.isfinite(e)})
        raise_to(ends, {what: judge.own_error(rough[what], exact[what]) for what in exact if what in rough})
    return truth, u, ends


def _neighbor(trial: Trial, call: Call, what: str) -> Call | None:
    """The layer at the other end of the code: before an input, after an output."""
    i = next(i for i, other in enumerate(trial.calls) if other.key == call.key)
    i += -1 if what == "input" else 1
    return trial.calls[i] if 0 <= i < len(trial.calls) else None


def _arrival(
    trial: Trial, probe: StandIns, call: Call, what: str, name: str, error: float, limit: float
) -> Measurement:
    """A measurement at the layer that holds the code, and the code's line in the report if it diverges."""
    other = _neighbor(trial, call, what)
    where = _around(call, other) if error <= limit else _whose(probe, call, other, what)
    m = Measurement(where, trial.kind(where), "between", name, error, limit, trial.mode)
    if not m.ok:
        before, after = (other.key[0] if other else "the input", call.key[0]) if what == "input" else (
            call.key[0], other.key[0] if other else "the output")  # fmt: skip
        m.note = f"both layers agree: the code between {before} and {after} diverges"
        gap = LayerLine(f"{before} → {after}", m.kind, trial.mode, ok=False)
        line = trial.gaps.setdefault((before, after), gap)
        if what == "input":
            line.forward, line.limit = max((line.forward, line.limit), (error, limit))
        else:
            line.backward, line.backward_limit = max((line.backward, line.backward_limit), (error, limit))
    return m


def place_of_code(trial: Trial, call: Call, what: str) -> str:
    """The layer whose code lies before a call's input, or after its output."""
    return _around(call, _neighbor(trial, call, what))


def _judged(trial: Trial, probe: StandIns, place: Place) -> Measurement:
    key, what, number = place
    call, error = probe.calls[key], probe.arrived[place]
    assert probe.limits is not None
    limit = probe.limits.get(place, float64_limit(0.0))
    m = _arrival(trial, probe, call, what, f"{what}{f' {number}' if number else ''} of {key[0]}", error, limit)
    value, theirs = probe.arrays.get(place, (None, None))
    if not m.ok and value is not None and theirs is not None:
        m.first = first_element(value, theirs, limit)
        m.cause = _cause(trial, place, value, theirs, limit)
        if value.dtype != theirs.dtype or value.shape != theirs.shape:
            m.note = f"{precision(value)} arrives at {key[0]}, right has {precision(theirs)}"
    return m


def _whose(probe: StandIns, call: Call, other: Call | None, what: str) -> str:
    """Whose code it is: the end of a layer that has ended, the beginning of one that has begun, or what holds both."""
    before, after = (other, call) if what == "input" else (call, other)
    inner = after.parents if after is not None else ()
    ended = _tail(probe, before, inner) if before is not None and what == "input" else ""
    if ended:
        return ended
    for key in reversed(inner):
        begun = before is None or key not in before.parents
        if begun and key in probe.holders and what == "input" and _as_given(probe, key, "input"):
            return key[0]
    return _around(call, other)


def _tail(probe: StandIns, before: Call, inner: tuple[Any, ...]) -> str:
    """The innermost layer around `before`, ended since, that does not give what it should."""
    for key in reversed(before.parents):
        if key not in inner and key in probe.holders and not _as_given(probe, key, "output"):
            return key[0]
    return ""


def _as_given(probe: StandIns, key: Any, what: str) -> bool:
    """Whether all that a layer around others received, or gave, is as on the right."""
    limits = probe.limits or {}
    numbers = [error <= limits.get(p, 0.0) for p, error in probe.arrived.items() if p[0] == key and p[1] == what]
    return key in probe.reached and all(numbers) and not (what == "input" and probe.others.get(key))


def _cause(trial: Trial, place: Any, value: Any, theirs: Any, limit: float) -> Cause | None:
    case = trial.case
    given = case.given, case.target, trial.training, case.seed
    return diagnose.between(diagnose.Gap(case.right, trial.calls, place, *given, value, theirs, limit))


def _around(call: Call, other: Call | None) -> str:
    """The innermost layer that holds both calls: the code between them is its own."""
    parents = [key[0] for key in call.parents]
    if other is not None:
        theirs = {key[0] for key in other.parents}
        parents = [name for name in parents if name in theirs]
    else:
        parents = parents[:1]
    return parents[-1] if parents else ROOT

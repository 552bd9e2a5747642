"""The layers in one mode, training or eval: where a difference lies.

The columns of the report: the error of each layer's own forward and backward (`own`), of the code between layers
(`between`), and the accumulated error at the end of each layer (`accumulated`).
"""

from __future__ import annotations

import math

from parity_tests.comparer.between import between
from parity_tests.comparer.case import Case
from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import Measurement
from parity_tests.comparer.idle import at_a_dead_end, without_idle
from parity_tests.comparer.kinks_between import code_at_kinks
from parity_tests.comparer.own import own
from parity_tests.comparer.side import ROOT, Key
from parity_tests.comparer.trace import Call, Event, Follower, Recorder, kind_of
from parity_tests.comparer.trial import Trial
from parity_tests.rule import float64_limit


def compare_layers(case: Case, training: bool, end: list[Measurement]) -> list[Measurement]:
    """What every layer and the code between them does, in the order of the run; with causes if the end is apart."""
    apart = any(not m.ok for m in end)
    trace = Recorder(case.right)
    right = case.run(case.right, training, trace)
    follower = Follower(trace)
    try:
        case.run(case.left, training, follower)
    except Exception as error:
        return _failed(case, training, error, trace, follower)
    calls = trace.leaf_calls(follower)
    trial = Trial(case, training, trace, calls, trace.holders(calls, follower))
    structure = _structure(trial, follower)
    accumulated(trial, follower)
    gaps = {} if [call.key[0] for call in trial.calls] == [ROOT] else between(trial, right)
    agree = all(m.ok for group in gaps.values() for m in group)
    kinks = code_at_kinks(trial, right) if gaps and agree else []
    found: list[Measurement] = []
    backwards: dict[Key, list[Measurement]] = {}
    numbers = {call.key: i for i, call in enumerate(trial.calls)}
    for step, key in trace.events:
        found += gaps.pop((key, "input" if step == "enter" else "output"), [])
        found += structure.pop((step, key), [])
        if step == "enter" and key in numbers:
            case.bar.update()
            ahead, backwards[key] = own(trial, trace.calls[key], case.seed + 1000 + numbers[key])
            found += ahead
    found += gaps.pop((None, "output"), [])
    for step, key in reversed(trace.events):  # the backward pass reaches the last layer first
        found += gaps.pop((key, "cotangent" if step == "leave" else "gradient"), [])
        found += backwards.pop(key, [])
    found += [m for rest in gaps.values() for m in rest] + kinks
    if apart and case.left.noise is None:
        found = without_idle(trial, found, end)
    elif not apart and (unseen := at_a_dead_end(trial, found)) is not None:
        case.report.reason = unseen
    if apart or case.left.noise is not None:
        trial.explain(found, {(m.where, m.what) for m in case.report.measurements if m.cause is not None})
    case.report.layers += trial.report_lines()
    return found


def accumulated(trial: Trial, follower: Follower) -> None:
    """Errors that have added up by the end of each layer. Reported, not judged."""
    exact = Follower(trial.trace, exact=True)
    if trial.case.twin is not None:
        trial.case.run(trial.case.twin, trial.training, exact)
    for key, line in trial.lines.items():
        line.accumulated = follower.outputs.get(key, 0.0)
        line.accumulated_limit = float64_limit(exact.outputs.get(key, 0.0))
        line.accumulated_backward = follower.gradients.get(key, 0.0)
        line.accumulated_backward_limit = float64_limit(exact.gradients.get(key, 0.0))


def _structure(trial: Trial, follower: Follower) -> dict[Event, list[Measurement]]:
    """Layers with a different number of calls on the two sides, where the first of them is missing or too many."""
    ours, theirs = follower.counts(), trial.trace.counts()
    left = trial.case.left
    found: dict[Event, list[Measurement]] = {}

    def add(event: Event, call: Call) -> None:
        name, parent = call.key[0], call.parents[-1] if call.parents else (ROOT, 0)
        known = parent in trial.trace.calls and parent in follower.calls
        if not known or (parent[0], f"calls of {name}") in seen:
            return  # what holds it is itself missing or too many
        seen.add((parent[0], f"calls of {name}"))
        note = f"called {ours[name]} times on the left and {theirs[name]} times on the right"
        note = note if ours[name] else f"{name} is called only on the right"
        m = Measurement(parent[0], trial.kind(parent[0]), "structure", f"calls of {name}", math.inf, 0.0, trial.mode)
        m.note = note
        if not ours[name]:
            trial.put(m, call.key, "absent")
        found.setdefault(("enter", parent) if parent in trial.lines else event, []).append(m)

    seen: set[tuple[str, str]] = set()
    below = any(name and name in theirs for name in ours)  # an exported program calls none of its layers
    for key, call in trial.trace.calls.items() if below else ():
        watched = key[0] in ours or (key[0] in left.modules and left.engine == "torch")
        if key not in follower.calls and watched:
            add(("enter", key), call)
    for key, call in follower.calls.items():
        if key not in trial.trace.calls and key[0] in theirs and call.parents:
            add(("leave", call.parents[-1]), call)
    inside = [n for n in theirs if n and n not in ours and any(n.startswith(f"{o}.") or o == "" for o in ours)]
    if inside:
        shown = ", ".join(inside[:8]) + (f" and {len(inside) - 8} more" if len(inside) > 8 else "")
        trial.case.report.note(f"the left does not call these layers; compared within those around them: {shown}")
    return found


def _failed(case: Case, training: bool, error: Exception, trace: Recorder, follower: Follower) -> list[Measurement]:
    """The left does not finish: the layers that it reached are compared, since one of them may be the reason."""
    trial = Trial(case, training, trace, trace.leaf_calls(follower))
    found = []
    for i, call in enumerate(trial.calls):
        ahead, back = own(trial, call, case.seed + 1000 + i)
        found += ahead + back
    trial.explain(found, ())
    case.report.layers += list(trial.lines.values())
    where = follower.open[-1][0] if follower.open else ROOT
    kind = kind_of(case.left, where) if where in case.left.modules else ""
    note = f"the left side raises {told(error)}"
    return [*found, Measurement(where, kind, "failure", "call", math.inf, 0.0, trial.mode, note)]

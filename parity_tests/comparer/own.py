"""A layer's own error, forward and backward: both sides' layers get the inputs of the right side's layer."""

from __future__ import annotations

import math
from typing import Any
from zlib import crc32

import numpy as np

from parity_tests.comparer import diagnose, judge
from parity_tests.comparer.case import OTHER_FUNCTION
from parity_tests.comparer.dropout import same_but_for_draws
from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import Measurement
from parity_tests.comparer.kinks import at_kinks
from parity_tests.comparer.side import Side, generators
from parity_tests.comparer.trace import Call
from parity_tests.comparer.trial import Trial, raise_to
from parity_tests.comparer.values import Numbers, cast, is_float, moved
from parity_tests.rule import DRAWS, FLOOR


def own(trial: Trial, call: Call, seed: int) -> tuple[list[Measurement], list[Measurement]]:
    """What the layer gives forward, and backward, with the right side's input and cotangent."""
    name, case = call.key[0], trial.case
    dys = call.cotangents() if case.backward and (call.dys or not call.dxs) else None
    given = call.args, call.kwargs, dys
    rough = _ask(trial, case.right, name, given, seed)
    drawn = generators(case.right.engine)
    found: list[Measurement] = []
    try:
        ours = case.pairing.translate(_ask(trial, case.left, name, given, seed), name)
    except Exception as error:
        trial.lines[call.key].ok = False
        note = f"the left raises {told(error)}"
        found = [Measurement(name, trial.kind(name), "output", "call", math.inf, 0.0, trial.mode, note)]
        try:  # its forward may show why
            ours = case.pairing.translate(_ask(trial, case.left, name, (*given[:2], None), seed), name)
        except Exception:
            return found, []
    ours = judge.in_order(ours, rough)
    as_many = generators(case.left.engine) == drawn
    raised = bool(found)
    for draws in (1, DRAWS):  # U only grows: within the limit of one draw means within that of all
        truth, u = layer_truth(trial, call, given, rough, seed, draws)
        if raised:
            truth = {what: value for what, value in truth.items() if what in ours}
        judged = _measurements(trial, call, ours, rough, truth, u, not raised)
        if all(m.ok for m in judged):
            break
    if not all(m.ok for m in judged) and trial.training and same_but_for_draws(case.right, call, ours):
        case.other_draws[call.key] = call
        for m in judged:
            m.error, m.first, m.note = 0.0, None, "other random numbers; the share kept and the scale agree"
        judged = _measurements(trial, call, rough, rough, rough, u, True) and judged
    found += judged
    if all(m.ok for m in found):
        found += (kinks := at_kinks(trial, call, seed, rough))
        trial.lines[call.key].ok &= all(m.ok for m in kinks)
    if all(m.ok for m in found) and not as_many and call.key not in case.other_draws:
        note = "it draws more or fewer random numbers on the left"
        found.append(Measurement(name, trial.kind(name), "state", "random state", math.inf, 0.0, trial.mode, note))
    apart = [m for m in found if not m.ok and m.what in ours]
    if apart:
        names, limits = [m.what for m in apart], {m.what: m.limit for m in found}
        for m in apart:
            trial.put(m, call.key, "output", trial.lines[call.key])
        evidence = diagnose.Evidence(name, case.right, given, trial.training, seed, ours, rough, truth, limits, names,
                                     case.pairing.other_numbers(name))  # fmt: skip
        trial.ask(apart, lambda: diagnose.layer(evidence))
        found.sort(key=lambda m: m.what == "call")  # its results say more than its errors
    return [m for m in found if m.phase != "backward"], [m for m in found if m.phase == "backward"]


def _ask(trial: Trial, side: Side, name: str, given: Any, seed: int) -> Numbers:
    args, kwargs, dys = given
    return side.local(name, args, kwargs, dys, trial.training, seed)


def _measurements(
    trial: Trial, call: Call, ours: Numbers, rough: Numbers, truth: Numbers, u: dict[str, float], ok: bool
) -> list[Measurement]:
    """Each number judged, and the layer's line of the report."""
    found, line = [], trial.lines[call.key]
    line.forward, line.limit, line.backward, line.backward_limit, line.ok = 0.0, FLOOR, 0.0, FLOOR, ok
    largest, twin = judge.largest_gradient(truth), not trial.case.fine
    for what, value in truth.items():
        if what.startswith("grad input") and int(what[10:] or 0) not in call.dxs:
            continue
        limit = judge.limit(u[what], twin)
        if judge.is_parameter_gradient(what):
            limit = judge.gradient_limit(u[what], value, rough[what].dtype, largest, twin)
        phase = "backward" if what.startswith("grad ") else what.split(" ")[0]
        m = trial.judge(call.key[0], phase, what, ours, rough, value, limit)
        if m is None:
            continue
        found.append(m)
        line.ok &= m.ok
        if m.phase == "backward":
            if m.error / m.limit >= line.backward / line.backward_limit:
                line.backward, line.backward_limit = m.error, m.limit
        elif m.error / m.limit >= line.forward / line.limit:
            line.forward, line.limit = m.error, m.limit
    return found


def layer_truth(
    trial: Trial, call: Call, given: Any, rough: Numbers, seed: int, draws: int
) -> tuple[Numbers, dict[str, float]]:
    """The layer in float64, and for each number U, the right side's own error over the draws."""
    case, name = trial.case, call.key[0]
    u, truth = dict.fromkeys(rough, 0.0), dict(rough)
    other = set(rough)  # numbers without a float64 value
    for draw in range(draws if case.twin is not None else 0):
        values = moved(given, _rng(call, draw)) if draw else given
        single = _ask(trial, case.right, name, values, seed) if draw else rough
        try:
            assert case.twin is not None
            exact = _ask(trial, case.twin, name, cast(values, np.float32 if case.fine else np.float64), seed)
        except Exception:  # this layer cannot be computed in float64
            truth, other = dict(rough), set(rough)
            break
        if case.fine:
            single, exact = exact, single
        both = [what for what in rough if what in exact and what in single]
        errors = {what: judge.own_error(single[what], exact[what]) for what in both}
        if draw == 0:
            other = {w for w in rough if w not in errors or (errors[w] > OTHER_FUNCTION and is_float(rough[w]))}
            truth = {what: rough[what] if what in other else exact[what] for what in rough}
        raise_to(u, {what: e for what, e in errors.items() if what not in other})
    for draw in range(DRAWS if other else 0):
        values = moved(given, _rng(call, draw), 2.0 ** (-52 if case.fine else -23))
        near = _ask(trial, case.right, name, values, seed)
        raise_to(u, {w: judge.own_error(near[w], rough[w]) for w in other if w in near})
    return truth, u


def _rng(call: Call, draw: int) -> np.random.Generator:
    return np.random.default_rng([draw, call.key[1], crc32(call.key[0].encode())])

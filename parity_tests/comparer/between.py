"""The code between layers: every layer outputs the right's values on both sides, and what arrives is compared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from parity_tests.comparer import diagnose, judge
from parity_tests.comparer.conventions.recorded import Standing
from parity_tests.comparer.findings import Cause, LayerLine, Measurement, first_element
from parity_tests.comparer.side import ROOT, Key
from parity_tests.comparer.trace import Other, Place, StandIns
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
    own = {ours for ours, link in case.pairing.links.items() if wanted.intersection(link.theirs)}
    if wanted:
        right = case.run(case.right, trial.training, None, wanted)
    truth, u, ends = _truth(trial, right, wanted, draws)
    limits = {place: case.left.noise or float64_limit(u.get(place, 0.0)) for place in _places(trial)}
    probe = StandIns(calls, None, limits=limits, sides=(case.left, case.right), holders=trial.holders)
    left = case.run(case.left, trial.training, probe, own)
    trial.arrived = probe.dys
    left = judge.in_order(case.pairing.translate(left), right)
    found: Found = {}
    for (key, what), others in probe.others.items():
        for other in others:
            found.setdefault((key, what), []).append(_other(trial, key, what, other))
    for key, number, note in _lost(trial, probe):
        m = _arrival(trial, (key, "cotangent", number), math.inf, 0.0)
        m.note, m.cause = note, Cause("detached", "something cuts the gradient: detach(), no_grad, .data or NumPy")
        m.where = key[0] if (key, number) in probe.cuts else m.where
        found.setdefault((key, "cotangent"), []).append(m)
    for place in (p for p in probe.arrived if p in limits or p not in u):
        group = "output" if place[1] == "after" else place[1]
        found.setdefault((place[0], group), []).append(_judged(trial, probe, place))
    for what, value in truth.items():
        head, _, name = what.partition(" ")
        if head == "buffer":
            continue
        owner = name.rpartition(".")[0] if judge.is_parameter_gradient(what) else ROOT
        owner = owner if owner in case.right.modules else ROOT
        m_end = trial.judge(owner, "between", what, left, right, value, judge.limit(ends.get(what, 0.0), not case.fine))
        if m_end is not None:
            if not m_end.ok:
                end = None, "output" if head == "output" else "cotangent", what
                _ask(trial, m_end, end, left.get(what), right[what])
                m_end.note = m_end.note or "the layers agree: the code after or around them diverges"
            found.setdefault((None, "output" if head == "output" else "end"), []).append(m_end)
    return found


def _places(trial: Trial) -> list[Place]:
    """Everything that is compared at the layers and at those around them."""
    places: list[Place] = []
    for call in [*trial.calls, *trial.holders.values()]:
        places += [(call.key, "input", i) for i in range(len(call.inputs()))]
        places += [(call.key, "cotangent", i) for i in call.dys]
    for key, call in trial.holders.items():
        places += [(key, "output", i) for i in range(len(floats(call.output)))]
        places += [(key, "after", i) for i in range(len(call.inputs()))]
        places += [(key, "gradient", i) for i in call.dxs]
    return places


def _lost(trial: Trial, probe: StandIns) -> Iterator[tuple[Key, int, str]]:
    """Outputs that have a gradient on the right and get none on the left."""
    if not trial.case.backward:
        return
    for key in probe.reached:
        for number, dy in probe.around[key].dys.items():
            if (key, "cotangent", number) in probe.arrived or not np.any(dy):
                continue
            own = (key, number) in probe.cuts
            where = f"leads back into {key[0]}" if own else f"arrives at the output of {key[0]}"
            yield key, number, f"no gradient {where} on the left"


def _truth(
    trial: Trial, right: Numbers, wanted: set[str], draws: int
) -> tuple[Numbers, dict[Any, float], dict[str, float]]:
    """What the code gives in float64, and U of what arrives at the layers and at the end."""
    case, calls, training = trial.case, trial.calls, trial.training
    u: dict[Any, float] = {}
    ends: dict[str, float] = {}
    truth = right
    dtype = np.float32 if case.fine else np.float64
    known = set(_places(trial))
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
        # a gradient that no run but one of stand-ins has, as below a frozen layer, is not the left's doing
        raise_to(u, {p: e for p, e in exact_probe.arrived.items() if math.isfinite(e) or p not in known})
        raise_to(ends, {what: judge.own_error(rough[what], exact[what]) for what in exact if what in rough})
    return truth, u, ends


def _other(trial: Trial, key: Key, what: str, other: Other) -> Measurement:
    """An argument or a state that differs, at the beginning of a call or at its end."""
    m = _arrival(trial, (key, what, 0), math.inf, 0.0)
    name, m.note, ours, theirs = other
    trial.places[id(m)].other = other
    m.what = f"{name} {'of' if what == 'input' else 'at the end of'} {key[0]}"
    m.cause = diagnose.argument(m.what, ours, theirs)
    return m


def place_of_code(trial: Trial, key: Key, what: str) -> str:
    """The layer whose code makes something of a call.

    What a layer receives is made by the one that calls it, and so is the gradient of what it gives; what it gives, and
    the gradient of what it received, it makes itself.
    """
    call = trial.trace.calls[key]
    outside = call.parents[-1][0] if call.parents else ROOT
    return key[0] if what in ("output", "after", "gradient") else outside


def _arrival(trial: Trial, place: Place, error: float, limit: float) -> Measurement:
    """A measurement at the layer that holds the code, and the code's line in the report if it diverges."""
    key, what, number = place
    back = what in ("cotangent", "gradient")
    where = place_of_code(trial, key, what)
    name = {"gradient": "gradient of the input", "after": "argument"}.get(what, what)
    name += f" {number}" if number else ""
    name += f" of {key[0]}" + (" at its end" if what == "after" else "")
    m = Measurement(where, trial.kind(where), "between", name, error, limit, trial.mode)
    if m.ok:
        return m
    gap = trial.number["enter" if what in ("input", "gradient") else "leave", key] + back
    before, after = trial.ends_of(gap)
    m.note = f"both layers agree: the code between {before} and {after} diverges"
    line = trial.gaps.setdefault(gap, LayerLine(f"{before} → {after}", m.kind, trial.mode, ok=False))
    if back:
        line.backward, line.backward_limit = max((line.backward, line.backward_limit), (error, limit))
    else:
        line.forward, line.limit = max((line.forward, line.limit), (error, limit))
    trial.put(m, key, what, line)
    return m


def _judged(trial: Trial, probe: StandIns, place: Place) -> Measurement:
    error, limit = probe.arrived[place], (probe.limits or {}).get(place, float64_limit(0.0))
    m = _arrival(trial, place, error, limit)
    value, theirs = probe.arrays.get(place, (None, None))
    if not m.ok and value is not None and theirs is not None:
        m.first = first_element(value, theirs, limit)
        _ask(trial, m, place, value, theirs)
        if value.dtype != theirs.dtype or value.shape != theirs.shape:
            m.note = f"{precision(value)} arrives at {place[0][0]}, right has {precision(theirs)}"
    return m


def _ask(trial: Trial, m: Measurement, place: Any, value: Any, theirs: Any) -> None:
    case = trial.case
    standing = Standing({call.key: call for call in trial.calls}, trial.holders)
    gap = diagnose.Gap(case.right, standing, place, case.given, case.target, trial.training, case.seed, value, theirs,
                       m.limit)  # fmt: skip
    trial.ask([m], lambda: {m.what: diagnose.between(gap)})

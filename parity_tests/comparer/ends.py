"""The end: what the left's own undisturbed run gives, against everything that the right's run gives.

Outputs, the gradient of every floating input and, whole, of every parameter, and the buffers afterwards.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from parity_tests.comparer import diagnose, judge
from parity_tests.comparer.case import Case
from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import Measurement, first_element
from parity_tests.comparer.side import ROOT, Probe
from parity_tests.comparer.torch_side import TorchSide
from parity_tests.comparer.trace import kind_of
from parity_tests.comparer.truth import Truth
from parity_tests.comparer.values import Numbers, is_float, precision


def compare_ends(case: Case, training: bool, truth: Truth, probe: Probe | None = None) -> list[Measurement]:
    """The left's free run against the truth."""
    mode = "train" if training else "eval"
    back = case.left_names()
    asked = set(case.right.trainable())
    wanted = {own for own, link in case.pairing.links.items() if asked.intersection(link.theirs)}
    largest = judge.largest_gradient(truth.exact)
    early: dict[str, Measurement] = {}

    def take(what: str, value: Any) -> None:
        for name, number in case.pairing.translate({what: value}).items():
            if name in truth.exact:
                early[name] = _measure(case, name, {name: number}, truth, truth.limit(name, largest), mode)

    plain = all(link.plain for link in case.pairing.links.values())
    ours = case.run(case.left, training, probe, wanted, sink=take if case.large and plain else None)
    given = case.pairing.translate(ours)
    ours = judge.in_order(given, truth.rough)
    _say_names(case, list(given), list(truth.rough))
    found: list[Measurement] = []
    absent = []
    for what in truth.exact:
        name = what.partition(" ")[2]
        if what in early:
            found.append(early[what])
            continue
        if what not in ours and case.optional(what.partition(" ")[0], name):
            if what.startswith("grad ") and case.backward:
                absent.append(name)
            continue
        if what.startswith("buffer ") and name not in back:
            case.report.not_compared(f"the buffer {name}, the left has none of that name")
            continue
        found.append(_measure(case, what, ours, truth, truth.limit(what, largest), mode))
    if absent:
        case.report.not_compared(f"{_gradients_of(absent)}, the left has none")
    for what in ours:
        if what not in truth.exact and what.startswith(("output", "prediction")):
            found.append(Measurement(ROOT, kind_of(case.right, ROOT), "end", what, math.inf, 0.0, mode,
                                     f"the right has no {what}"))  # fmt: skip
    _was_backward_compared(case, truth, found)
    return found


def _say_names(case: Case, ours: list[str], theirs: list[str]) -> None:
    """That outputs which both sides name are compared in order, as all their names are others."""
    mine, other = ([w.partition(" ")[2] for w in names if w.startswith("output")] for names in (ours, theirs))
    named = all(name and not name[0].isdigit() for name in (*mine, *other))
    if named and mine and not set(mine) & set(other) and len(mine) == len(other):
        pairs = ", ".join(f"{a} as {b}" for a, b in zip(mine, other, strict=True))
        case.report.note(f"the left's outputs have other names, they were compared in order: {pairs}")


def explain(case: Case, training: bool, truth: Truth, end: list[Measurement]) -> None:
    """Where no part is apart: the convention in a layer of the right that explains the whole, such as a mask.

    Where the outputs agree, the one that explains the gradients, such as another slope of |x| at 0.
    """
    apart = [m.what for m in end if not m.ok and m.what in truth.rough]
    names = [what for what in apart if what.startswith("output")]
    names = names or [what for what in apart if what.startswith("grad ")]
    if not names or case.large or case.right.loss is not None:
        return
    wanted = {own for own, link in case.pairing.links.items() if set(link.theirs) & set(case.right.trainable())}
    ours = judge.in_order(case.pairing.translate(case.run(case.left, training, None, wanted)), truth.rough)
    cotangent = case.cotangent()
    outputs = [(w, y) for w, y in truth.rough.items() if w.startswith("output") and is_float(y)]
    dys = [cotangent(w, y.shape) for w, y in outputs] if case.backward else None
    given = case.given.args, case.given.kwargs, dys
    limits = {m.what: m.limit for m in end}
    names = [what for what in names if what in ours]
    shared = {what: number for what, number in ours.items() if what in limits}
    evidence = diagnose.Evidence(ROOT, case.right, given, training, case.seed, shared, dict(truth.rough),
                                 dict(truth.exact), limits,
                                 names)  # fmt: skip
    causes = diagnose.layer(evidence)
    for m in end:
        m.cause = None if m.ok else causes.get(m.what)
        if m.cause is not None and m.cause.where:
            m.inside, m.inside_kind = m.cause.where, kind_of(case.right, m.cause.where)


def explain_slopes(case: Case, training: bool, truth: Truth, end: list[Measurement], found: list[Measurement]) -> None:
    """Where the code between layers is apart in gradients alone: the convention that explains all of the whole's."""
    first = next(m for m in found if not m.ok)
    apart = [m for m in end if not m.ok]
    if (
        first.phase != "between"
        or first.cause is not None
        or not apart
        or any(m.what.startswith("output") for m in apart)
    ):
        return
    explain(case, training, truth, end)
    causes = {m.cause.text: m.cause for m in apart if m.cause is not None}
    if len(causes) == 1 and all(m.cause is not None and m.cause.name == "kink" for m in apart):
        (first.cause,) = causes.values()
        return
    for m in apart:
        m.cause = None


def _gradients_of(names: list[str]) -> str:
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    number = f"gradients of {len(names)} parameters" if len(names) > 1 else "the gradient of one parameter"
    return f"{number} ({shown})"


def _measure(case: Case, what: str, ours: Numbers, truth: Truth, limit: float, mode: str) -> Measurement:
    m = Measurement(ROOT, kind_of(case.right, ROOT), "end", what, 0.0, limit, mode)
    rough, exact = truth.rough[what], truth.exact[what]
    if what not in ours:
        m.error, m.note = math.inf, f"the left has no {what}"
        name = case.left_names().get(what.removeprefix("grad "))
        if what.startswith("grad ") and name in case.left.parameter_names():
            m.note = f"{name} is frozen on the left (requires_grad=False), not on the right"
        return m
    value = ours[what]
    if case.left.noise is not None and is_float(value) and value.shape == rough.shape:
        layers = max(1, len(case.left.modules) - 1)  # whose noises add up as independent ones do
        m.error, m.limit = judge.noise(value, exact), case.left.noise * math.sqrt(layers)
        m.note = judge.decibels(m.error)
        return m
    m.error = judge.error(value, rough, exact)
    if not m.ok:
        if value.shape != rough.shape or value.dtype != rough.dtype:
            m.note = f"left is {precision(value)}, right {precision(rough)}"
        elif value.dtype.kind == "f":
            m.first = first_element(value, judge.reference(value, rough, exact), m.limit)
            bad = ~np.isfinite(value) & np.isfinite(rough)
            if bad.any():
                m.note = f"{int(bad.sum())} values are NaN or infinite on the left alone"
        elif value.dtype.kind == "U":
            m.note = f"{value} on the left, {rough} on the right"
        else:
            m.note = f"{int((value != rough).sum())} of {value.size} differ"
    return m


def _was_backward_compared(case: Case, truth: Truth, found: list[Measurement]) -> None:
    """Zeros and NaN compare nothing: that is no PARITY."""
    outputs = [truth.rough[w] for w in truth.rough if w.startswith("output")]
    if outputs and all(v.dtype.kind in "fc" and v.size and not np.isfinite(v).any() for v in outputs):
        case.report.reason = "every output of the right is NaN or infinite"
    if case.backward and not any(is_float(v) for v in outputs):
        case.report.not_compared("the backward pass: the right gives no floating number")
        return
    if not case.backward:
        return
    judged = {m.what for m in found}
    zero = [w[5:] for w, v in truth.exact.items() if judge.is_parameter_gradient(w) and not v.any() and w in judged]
    if zero:
        case.report.not_compared(f"{_gradients_of(zero)}, zero on the right")
    gradients = [w for w in truth.exact if w.startswith("grad ")]
    filled = [w for w in gradients if truth.exact[w].size]
    if not gradients:
        case.report.not_compared("the backward pass: nothing on the right asks for a gradient")
    elif not any(truth.exact[w].any() for w in filled):
        case.report.reason = "every gradient of the right is zero: nothing of the backward pass was compared"
    elif all(np.isnan(truth.exact[w]).all() for w in filled):
        case.report.reason = "every gradient of the right is NaN: nothing of the backward pass was compared"
    elif not judged.intersection(gradients):
        case.report.reason = "the left gives no gradient that is known: nothing of the backward pass was compared"


def ties(case: Case, training: bool) -> list[Measurement]:
    """Parameters that are one tensor under several names on one side alone."""
    if not (isinstance(case.left, TorchSide) and isinstance(case.right, TorchSide)):
        return []
    names = case.pairing.names
    paired = [{names[n] for n in group if n in names} for group in case.left.tied()]
    ours = {frozenset(group) for group in paired if len(group) > 1}
    theirs = {frozenset(group) for group in case.right.tied()}
    found = []
    for group in sorted(ours ^ theirs, key=sorted):
        first, *others = sorted(group)
        where = "left" if group in ours else "right"
        note = f"{first} and {', '.join(others)} are one tensor on the {where} alone"
        layer, _, own = first.rpartition(".")
        mode = "train" if training else "eval"
        kind = kind_of(case.right, layer) if layer in case.right.modules else ""
        found.append(Measurement(layer, kind, "structure", f"tie of {own}", math.inf, 0.0, mode, note))
    return found


def check_no_grad(case: Case, eval_truth: Truth) -> None:
    """The right once more in eval mode without gradients, where PyTorch has other, faster paths."""
    if not isinstance(case.right, TorchSide):
        return
    case.right.records = False
    try:
        free = case.run(case.right, False, backward=False)
    except Exception as error:
        case.report.note(f"the right fails in eval mode under no_grad: {told(error)}")
        return
    finally:
        case.right.records = True
    for what, value in free.items():
        if what.startswith("output") and what in eval_truth.rough:
            off = judge.error(value, eval_truth.rough[what], eval_truth.exact[what])
            if not off <= judge.limit(eval_truth.u.get(what, 0.0), False):
                odd = int((~np.isfinite(value)).sum()) if is_float(value) else 0
                says = f", {odd} values NaN or infinite" if odd else ""
                case.report.note(
                    f"the right differs from itself in eval mode under no_grad: {what} is {off:.3g} ulp off{says} "
                    "(PyTorch's fast path)"
                )


def left_failed(case: Case, error: Exception, training: bool) -> Measurement:
    note = f"the left side raises {told(error)}"
    mode = "train" if training else "eval"
    return Measurement(ROOT, kind_of(case.left, ROOT), "failure", "call", math.inf, 0.0, mode, note)

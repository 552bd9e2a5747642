"""The end: what the left's own undisturbed run gives, against everything that the right's run gives.

Outputs, the gradient of every floating input and, whole, of every parameter, and the buffers afterwards. The truth is
the right side in float64, U its own float32 error over the draws; 4 U + 4. Where no float64 twin can be made or run, or
it computes something else, U is how far the right's float32 moves when its inputs and parameters move by an ulp, and
the limit 5 U + 4. A right side that is float64 itself has its U from float32, in ulp, as everywhere in this project.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity_tests.comparer import judge
from parity_tests.comparer.case import OTHER_FUNCTION, Case
from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import Measurement, first_element
from parity_tests.comparer.side import ROOT, Probe
from parity_tests.comparer.torch_side import TorchSide
from parity_tests.comparer.trace import kind_of
from parity_tests.comparer.values import Numbers, is_float, moved, precision
from parity_tests.rule import DRAWS, FLOOR

ULP = 2.0**-23


@dataclass
class Truth:
    """What the right gives: `rough` as it computes, `exact` in float64, and its own error `u` over the draws."""

    rough: Numbers
    exact: Numbers
    twin: bool
    u: dict[str, float] = field(default_factory=dict)
    by_twin: bool = False

    def limit(self, what: str, largest: float) -> float:
        u = self.u.get(what, 0.0)
        if judge.is_parameter_gradient(what):
            return judge.gradient_limit(u, self.exact[what], self.rough[what].dtype, largest, self.twin)
        return judge.limit(u, self.twin)


def truth_of(case: Case, training: bool) -> Truth:
    """The right's free runs. A failure of the first cannot be compared with."""
    wanted = set(case.right.trainable())
    if case.twin is not None:
        found = _by_twin(case, training, wanted, Truth({}, {}, not case.fine), (0,))
        if found is not None:
            return found
    return _by_moves(case, training, case.run(case.right, training, wanted=wanted), wanted)


def widen(case: Case, training: bool, truth: Truth) -> bool:
    """The further draws of U, where the first has not been enough. Whether there were any."""
    if case.twin is None or not truth.by_twin:
        return False
    return _by_twin(case, training, set(case.right.trainable()), truth, range(1, DRAWS)) is not None


def _by_twin(case: Case, training: bool, wanted: set[str], truth: Truth, draws: Iterable[int]) -> Truth | None:
    """None if the twin cannot be run, or is another function: then the caller uses the right's float32 draws.

    A large model's gradients are compared as the twin hands them over.
    """
    assert case.twin is not None
    truth.by_twin = True
    for draw in draws:
        given = case.drawn(draw)
        rough = case.run(case.right, training, wanted=wanted, given=given)
        streamed = case.large and not case.fine

        def take(what: str, exact: Any, rough: Numbers = rough, last: bool = draw == 0) -> None:
            if what not in rough:
                return
            pair = (exact, rough[what]) if case.fine else (rough[what], exact)
            truth.u[what] = max(truth.u.get(what, 0.0), judge.own_error(*pair))
            if last:
                truth.rough[what], truth.exact[what] = _small(what, rough.pop(what), pair[1], case.large)

        try:
            exact = case.run(case.twin, training, wanted=wanted, given=given, sink=take if streamed else None)
        except Exception as error:
            case.report.note(
                f"the right's float64 twin cannot be run ({told(error)}): the right's float32 draws alone judge"
            )
            case.twin = None
            return None
        if _another_function(*((exact, rough) if case.fine else (rough, exact))):
            case.report.note(
                "the right's float64 twin draws other random numbers or takes other branches: the right's float32 "
                "draws alone judge"
            )
            return None
        for what in list(exact):
            take(what, exact.pop(what))
    return truth


def _small(what: str, rough: np.ndarray, exact: np.ndarray, large: bool) -> tuple[np.ndarray, np.ndarray]:
    """What is kept of a number. Of a large gradient the truth, rounded to float32, and the right's dtype and shape."""
    if (
        not large
        or not judge.is_parameter_gradient(what)
        or rough.size < 2**12
        or rough.dtype != np.float32
        or not np.isfinite(rough).all()
    ):
        return rough, np.array(exact)
    return np.broadcast_to(np.ones((), rough.dtype), rough.shape), exact.astype(np.float32)


def _another_function(rough: Numbers, exact: Numbers) -> bool:
    outputs = [w for w in rough if w.startswith(("output", "prediction")) and is_float(rough[w]) and w in exact]
    return any(judge.own_error(rough[w], exact[w]) > OTHER_FUNCTION for w in outputs)


def _by_moves(case: Case, training: bool, rough: Numbers, wanted: set[str]) -> Truth:
    truth = Truth(rough, rough, False)
    size = 2.0**-52 if case.fine else ULP
    parameters = {name: np.array(value) for name, value in case.right.state().items() if is_float(value)}
    for draw in range(1, DRAWS + 1):
        rng = np.random.default_rng([case.seed, 77, draw])
        try:
            for name, value in parameters.items():
                case.right.load(name, moved(value, rng, size))
            near = case.run(case.right, training, wanted=wanted, given=case.drawn(draw, size))
        finally:
            for name, value in parameters.items():
                case.right.load(name, value)
        for what, value in rough.items():
            if what in near:
                truth.u[what] = max(truth.u.get(what, 0.0), judge.own_error(near[what], value))
    return truth


def repeats(case: Case, training: bool) -> bool:
    """Whether the right gives the same twice from one seed, up to a few ulp. If not, it cannot be the reference."""
    first, again = (case.run(case.right, training, backward=False) for _ in range(2))
    outputs = [what for what in first if not what.startswith("buffer ")]
    return all(what in again and judge.error(again[what], first[what], first[what]) <= FLOOR for what in outputs)


def same_function(case: Case, training: bool, seen: Truth) -> bool:
    """Whether a large model gives in this mode what it gave in the other: then its truth is the same."""
    if not case.large:
        return False
    numbers = case.run(case.right, training, backward=False)
    outputs = [what for what in numbers if what.startswith("output")]
    return all(what in seen.rough and np.array_equal(numbers[what], seen.rough[what]) for what in outputs) and all(
        np.array_equal(numbers[what], seen.rough[what]) for what in numbers if what.startswith("buffer ")
    )


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
    ours = judge.in_order(case.pairing.translate(ours), truth.rough)
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
    outputs = [v for w, v in truth.rough.items() if w.startswith("output")]
    if outputs and all(v.dtype.kind in "fc" and v.size and not np.isfinite(v).any() for v in outputs):
        case.report.reason = "every output of the right is NaN or infinite"
    if not case.backward or not any(is_float(v) for v in outputs):
        return
    judged = {m.what for m in found}
    zero = [w[5:] for w, v in truth.exact.items() if judge.is_parameter_gradient(w) and not v.any() and w in judged]
    if zero:
        case.report.not_compared(f"{_gradients_of(zero)}, zero on the right")
    gradients = {w: v for w, v in truth.exact.items() if w.startswith("grad ")}
    if not gradients:
        case.report.not_compared("the backward pass: nothing on the right asks for a gradient")
    elif not any(v.any() for v in gradients.values() if v.size):
        case.report.reason = "every gradient of the right is zero: nothing of the backward pass was compared"
    elif all(np.isnan(v).all() for v in gradients.values() if v.size):
        case.report.reason = "every gradient of the right is NaN: nothing of the backward pass was compared"
    elif not judged.intersection(gradients):
        case.report.reason = "the left gives no gradient that is known: nothing of the backward pass was compared"


def ties(case: Case, training: bool) -> list[Measurement]:
    """Parameters that are one tensor under several names on one side alone."""
    if not (isinstance(case.left, TorchSide) and isinstance(case.right, TorchSide)):
        return []
    names = case.pairing.names
    ours = {frozenset(names[n] for n in group) for group in case.left.tied()}
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

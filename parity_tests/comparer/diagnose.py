"""Which known convention explains that two sides differ, in a layer, in the code between layers, or in the whole.

The reference is recorded as the torch functions that it calls, and played again in float64 with one of them done
another way. A convention explains a number if the left's value is then within the limit of the reference's. Each number
has the cause that explains it; where no convention does, plain relations are tried: a factor, zeros, a transpose.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import scratch
from parity_tests.comparer import judge
from parity_tests.comparer.conventions.cancellation import TEXT, cancelled
from parity_tests.comparer.conventions.convention import called
from parity_tests.comparer.conventions.recorded import Standing, of_gap, of_layer
from parity_tests.comparer.conventions.search import Found, Question, search
from parity_tests.comparer.conventions.tape import Tape, Values
from parity_tests.comparer.conventions.wiring import wired
from parity_tests.comparer.findings import Cause
from parity_tests.comparer.relations import argument, initial_values, relation
from parity_tests.comparer.side import LOSS, Given, Side
from parity_tests.comparer.values import Numbers, array, is_float, named_outputs
from parity_tests.rule import FLOOR, distance
from torch_impl.bridge import TorchModule

__all__ = ["Evidence", "Gap", "argument", "between", "initial_values", "layer", "relation", "torch_layer"]

OVERFLOWS = 88.0  # exp of more is infinite in float32


@dataclass
class Evidence:
    """One layer that diverges: its call, and what both sides gave."""

    name: str
    right: Side
    given: tuple[Any, Any, Any]  # args, kwargs, cotangents
    training: bool
    seed: int
    ours: Numbers
    rough: Numbers
    truth: Numbers
    limits: dict[str, float]
    apart: list[str]
    other_numbers: list[str] = field(default_factory=list)  # its parameters that the left has other numbers for

    def limit(self, what: str) -> float:
        return self.limits.get(what, FLOOR)

    def before(self, what: str) -> float:
        """How far the left is away, in ulp; NaN if no number says it."""
        found = (
            judge.apart(self.ours[what], self.truth[what], self.rough[what].dtype) if what in self.ours else math.inf
        )
        return found if math.isfinite(found) else math.nan


def layer(evidence: Evidence) -> dict[str, Cause]:
    """The cause of each number that diverges, where a known convention explains it."""
    e = evidence
    if e.other_numbers:
        text = f"the left was made with other numbers for {', '.join(e.other_numbers)}"
        return dict.fromkeys(e.apart, Cause("other-parameters", text))
    causes = {what: cause for what in e.apart if (cause := _kind(e, what)) is not None}
    tape = _tape(e)
    if tape is not None:
        for what, found in search(_question(e, tape)).items():
            if what not in causes:
                causes[what] = _cause(found, e.before(what), what, e.limit(what))
        for what in e.apart:
            if what not in causes and what in e.ours and _has_cancelled(tape, what, e.ours[what]):
                causes[what] = Cause("variance-cancelled", TEXT)
    for what in e.apart:
        if what not in causes and (cause := _overflow(e, what, tape)) is not None:
            causes[what] = cause
    explained = any(w in causes for w in e.apart if not w.startswith("grad "))
    for what in e.apart:
        if what not in causes and what in e.ours and not (explained and what.startswith("grad ")):
            cause = _passed_on(e, what) or relation(e.ours[what], e.truth[what], e.limit(what), what)
            if cause is not None:
                causes[what] = cause
    return causes


def _cause(found: Found, before: float, what: str, limit: float) -> Cause:
    return Cause(found.candidate.name, found.candidate.text, before, found.left[what] * limit, found.candidate.where)


def _kind(e: Evidence, what: str) -> Cause | None:
    """A cause found without trials: another dtype."""
    if what not in e.ours or e.ours[what].dtype == e.rough[what].dtype:
        return None
    ours, other = e.ours[what].dtype, e.rough[what].dtype
    why = "a NumPy scalar of float64 promotes float32 arrays" if ours == np.float64 else "the left computes in it"
    return Cause("dtype", f"{what} is {ours}, not {other}: {why}")


def _overflow(e: Evidence, what: str, tape: Tape | None) -> Cause | None:
    """NaN or infinities on the left alone, where the reference meets numbers whose exponential overflows."""
    if what not in e.ours or tape is None:
        return None
    ours, other = e.ours[what], e.rough[what]
    if ours.dtype.kind != "f" or ours.shape != other.shape or not (~np.isfinite(ours) & np.isfinite(other)).any():
        return None
    for node in tape.nodes:
        if node.name in ("softmax", "log_softmax", "logsumexp", "softplus", "logsigmoid", "cross_entropy", "exp",
                         "binary_cross_entropy_with_logits", "sigmoid", "softmin", "cosh", "sinh"):  # fmt: skip
            x = tape.base[next(node.inputs())]
            if bool((x[x.isfinite()].abs() > OVERFLOWS).any()):  # infinite scores are a mask's
                text = f"{what} overflows on the left alone: subtract the maximum before exp, or guard the logarithm"
                return Cause("overflow", text)
    return None


def _passed_on(e: Evidence, what: str) -> Cause | None:
    """A gradient of the input that is the cotangent itself, where the layer has a derivative of its own."""
    dys = [dy for dy in e.given[2] or () if dy is not None]
    if what != "grad input" or len(dys) != 1 or not np.any(dys[0]) or not np.array_equal(e.ours[what], dys[0]):
        return None
    return Cause("passed-on", f"{what} on the left is the gradient of the output, unchanged")


def _has_cancelled(tape: Tape, what: str, ours: np.ndarray) -> bool:
    if not what.startswith("output") or len(tape.results) != 1:
        return False
    index = tape.results[0].index
    site = called(tape, tape.producer[index]) if index in tape.producer else None
    return site is not None and cancelled(tape, index, site, ours)


def _tape(e: Evidence) -> Tape | None:
    """The reference layer's own computation, or None where it is not torch's or cannot be played again."""
    module = torch_layer(e.right, e.name)
    if module is None:
        return None
    try:
        args, kwargs, _ = e.given
        return of_layer(module.cpu(), args, kwargs, e.training, e.seed)
    except Exception:  # anything a user's own code may raise when it is run once more
        return None


def _question(e: Evidence, tape: Tape) -> Question:
    """The layer's numbers, of which those are asked that the tape gives as the reference does."""
    _, _, dys = e.given

    def ahead(values: Values) -> Numbers:
        outputs = named_outputs(values.fill_nest(tape.output))
        buffers = {w: array(values[i]) for w, i in tape.ends.items() if w.startswith("buffer ")}
        return outputs | buffers

    def back(values: Values) -> Numbers:
        if dys is None or not any(w.startswith("grad ") for w in e.ours):
            return {}
        outputs = [y for ref in tape.results if is_float(y := values[ref.index])]
        pairs = [(y, torch.tensor(np.asarray(dy, np.float64))) for y, dy in zip(outputs, dys, strict=False)
                 if dy is not None and y.requires_grad and not y.is_complex()]  # fmt: skip
        sources = {w: tape.base[i] for w, i in tape.starts.items()
                   if w.startswith("grad ") and tape.base[i].requires_grad}  # fmt: skip
        if not pairs or not sources:
            return {}
        found = torch.autograd.grad([y for y, _ in pairs], list(sources.values()), [d for _, d in pairs],
                                    retain_graph=True, allow_unused=True)  # fmt: skip
        return {w: array(torch.zeros_like(x) if g is None else g)
                for (w, x), g in zip(sources.items(), found, strict=True)}  # fmt: skip

    limits = {what: e.limit(what) for what in e.ours}
    question = Question(tape, e.ours, limits, e.apart, [ref.index for ref in tape.results], ahead, back)
    return question.of(w for w, n in question.known.items() if w in e.rough and distance(e.rough[w], n) <= e.limit(w))


def torch_layer(side: Side | None, name: str) -> torch.nn.Module | None:
    """A copy of the reference layer as a torch module; scratch's is rebuilt from its attributes, named as torch's."""
    if side is None:
        return None
    module = side.loss if name == LOSS and side.loss is not None else side.modules[name]
    module = module.scratch_module if isinstance(module, TorchModule) else module
    if isinstance(module, torch.nn.Module):
        return copy.deepcopy(module)
    kind = getattr(torch.nn, type(module).__name__, None)
    if not isinstance(module, scratch.nn.Module) or kind is None:
        return None
    twin = kind.__new__(kind)
    torch.nn.Module.__init__(twin)
    for key, value in vars(module).items():
        if key in ("saved", "_buffer_names", "_not_persistent", "forward", "backward"):
            continue
        if isinstance(value, scratch.nn.Parameter):
            twin.register_parameter(key, torch.nn.Parameter(torch.tensor(value.data)))
        elif isinstance(value, np.ndarray):
            twin.register_buffer(key, torch.tensor(value))
        elif not isinstance(value, scratch.nn.Module):
            setattr(twin, key, value)
    return twin


# --- between layers ---------------------------------------------------------------------------------------------------


@dataclass
class Gap:
    """A value that the code between layers makes, and that differs where it arrives.

    place     (key of the call, "input", number), or (None, "output", name) for an output of the whole
    standing  the calls of layers that both sides make, with what they gave: they are replaced by it
    """

    right: Side
    standing: Standing
    place: Any
    given: Given
    target: Any
    training: bool
    seed: int
    value: Any
    other: Any
    limit: float


def between(gap: Gap) -> Cause | None:
    """The cause of a difference that the code between layers makes."""
    value, other, limit = gap.value, gap.other, gap.limit
    if value is None or other is None:
        return None
    if value.dtype != other.dtype:
        text = f"the left hands on {value.dtype}, not {other.dtype}: a NumPy scalar of float64 promotes float32 arrays"
        return Cause("dtype", text)
    if gap.place[1] in ("input", "output") and gap.right.engine == "torch":
        cause = _gap(gap)
        if cause is not None:
            return cause
    return relation(value, other, limit)


def _gap(gap: Gap) -> Cause | None:
    try:
        tape, ref, judged = of_gap(gap.right, gap.given, gap.target, gap.training, gap.seed, gap.standing, gap.place)
    except Exception:  # anything a user's own code may raise when it is run once more
        return None
    name = "output"
    ahead = lambda values: {name: array(values[ref.index])}  # noqa: E731
    question = Question(
        tape, {name: gap.value}, {name: gap.limit}, [name], [ref.index], ahead, lambda values: {}, judged
    )
    if distance(gap.other, question.known[name]) > gap.limit:
        return None
    before = distance(gap.value, gap.other)
    before = before if math.isfinite(before) else math.nan
    found = search(question).get(name)
    if found is not None:
        return _cause(found, before, name, gap.limit)
    other = wired(tape, ref.index, list(gap.standing.calls.values()), gap.value, gap.limit)
    return None if other is None else Cause(other[0], other[1], before, other[2])

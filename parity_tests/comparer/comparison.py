"""compare: whether two implementations agree, where they diverge, and why.

The verdict depends on the end: the left's own undisturbed run against everything that the right's run gives, in each
mode. To find the place, every layer is compared:

    own          both sides' layer gets the input and cotangent that the right side's layer got
    between      every layer is replaced by the right side's values on both sides: the error is of the code in between
    accumulated  the left side runs by itself: the sum of the errors of its layers and the code between them

Each is in ulp of the largest value and judged by the project's limit. The truth is the right side in float64, U the
right side's own float32 error over five draws; further draws move every number by up to 2^-12 of itself. Where the left
is compared with the right's float32 instead of the truth, the limit is that of two values which are both so far from
it, 5 U + 4.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

import scratch
from parity_tests.comparer import diagnose, judge
from parity_tests.comparer.case import Case
from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import CompareError, Measurement, first_element
from parity_tests.comparer.losses import loss_for
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.pairing import Pairing
from parity_tests.comparer.proposal import propose
from parity_tests.comparer.report import Report
from parity_tests.comparer.runs import compare_modes
from parity_tests.comparer.side import Given, Side, generators_kept
from parity_tests.comparer.sides import build, side_of
from parity_tests.comparer.steps import compare_steps
from parity_tests.comparer.trace import kind_of, single_distance
from parity_tests.comparer.values import NO_ARRAY, array
from parity_tests.rule import float32_limit


def compare(
    left: Any,
    right: Any,
    inputs: Any,
    target: Any = None,
    loss: Any = None,
    optimizer: Any = None,
    steps: int = 0,
    parameters: str | Mapping[str, Any] = "copy",
    seed: int = 0,
    mode: str = "both",
) -> Report:
    """Compare two implementations; the right one is the reference.

    left, right  scratch or torch Modules, objects with forward(x) and perhaps backward(dy), functions of the inputs,
                 or functions without arguments that make one of these
    inputs       one argument, a tuple of them, or a dict of keyword arguments: arrays, tensors, numbers, nests
    target       what the loss compares with, if there is a loss
    loss         a loss for both sides (torch's or scratch's), its class name, or a pair; without one, gradients are
                 those of random cotangents
    optimizer    a function of a list of parameters, or a pair of them; `steps` says how many steps are compared
    parameters   "copy" gives the left the right's parameters, by name; "seed" makes both sides from the same seed and
                 copies nothing (left and right must be functions); a map {left name: right name} or
                 {left name: (right name, "transpose")} copies by that map (see comparer/moves.py)
    mode         "train", "eval" or "both"; an exported model is always compared in eval mode
    Raises       CompareError if nothing can be compared: a side cannot be used, or the right one fails.
    """
    began = time.perf_counter()
    if parameters not in ("copy", "seed") and not isinstance(parameters, Mapping):
        raise CompareError(f"compare: parameters must be 'copy', 'seed' or a map of names, got {parameters!r}.")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise CompareError(f"compare: steps must be 0 or more, a whole number, got {steps!r}.")
    if steps and optimizer is None:
        raise CompareError("compare: steps need an optimizer, such as lambda parameters: torch.optim.SGD(parameters).")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise CompareError(f"compare: seed must be a whole number from 0 to {2**32 - 1}, got {seed!r}.")
    if mode not in ("eval", "train", "both"):
        raise CompareError(f"compare: mode must be 'eval', 'train' or 'both', got {mode!r}.")
    given = given_of(inputs)
    with generators_kept():
        model_l, model_r = (build(model, seed, parameters == "seed") for model in (left, right))
        try:
            losses = [loss_for(loss, model, i) for i, model in enumerate((model_l, model_r))]
            side_l, side_r = side_of(model_l, given, losses[0]), side_of(model_r, given, losses[1])
            implied = implied_map(side_l, side_r, given)
            pairing = Pairing(side_l, side_r, parameters if isinstance(parameters, Mapping) else None, implied)
        except (TypeError, ValueError) as error:
            raise CompareError(str(error)) from None
    report = Report(label_of(side_l), label_of(side_r), seed)
    if model_l is model_r and hasattr(model_l, "__dict__"):
        report.not_compared("two models: left and right are one object")
    if target is not None and loss is None:
        report.not_compared("the target: there is no loss to use it")
    case = Case(side_l, side_r, pairing, given, as_arrays(target), report, seed)
    with generators_kept(), threads_for(side_r), _left_as_found(case):
        if _pair(case, parameters == "seed"):
            compare_modes(case, mode)
            if steps and not any(m.phase == "failure" for m in report.measurements):
                case.training = True
                compare_steps(case, optimizer, steps)
    case.bar.close()
    pairing.tell(report)
    report.seconds = time.perf_counter() - began
    return report


def given_of(inputs: Any) -> Given:
    """One argument, a tuple of them, or a dict of keyword arguments; copies, as arrays where NumPy has the dtype."""
    if isinstance(inputs, Given):
        return inputs
    if isinstance(inputs, dict):
        if not all(isinstance(name, str) for name in inputs):
            raise CompareError(f"compare: inputs in a dict are named as the arguments are, got {list(inputs)[:4]}.")
        return Given((), as_arrays(inputs))
    return Given(as_arrays(inputs if type(inputs) is tuple else (inputs,)))


def as_arrays(nest: Any) -> Any:
    def one(x: Any) -> Any:
        if not isinstance(x, torch.Tensor):
            foreign = type(x).__module__.partition(".")[0] not in ("builtins", "numpy", "scratch")
            return np.array(x) if foreign and hasattr(x, "__array__") and hasattr(x, "shape") else x
        return x.detach().clone() if x.dtype in NO_ARRAY else np.array(array(x))

    return map_nest(one, nest)


@contextmanager
def _left_as_found(case: Case) -> Iterator[None]:
    """Both models end as they began, except for the parameters and buffers that the left was given."""
    sides = case.left, case.right
    before = [side.snapshot() for side in sides]
    try:
        yield
    finally:
        for side, snapshot in zip(sides, before, strict=True):
            own = set(side.parameter_names())  # which a snapshot leaves alone
            buffers = {n: np.array(v) for n, v in side.state().items() if n not in own} if case.copied else {}
            side.restore(snapshot)
            for name, value in buffers.items():
                side.load(name, value)


@contextmanager
def threads_for(side: Side) -> Iterator[None]:
    """One torch thread for small layers: more do not help, and the threads of torch and NumPy, which alternate here,
    would wait for each other.
    """
    before = torch.get_num_threads()
    small = max((value.size for value in side.state().values()), default=0) < 2**20
    torch.set_num_threads(1 if small else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def implied_map(left: Side, right: Side, given: Given) -> Any:
    """The map that one of the two frameworks implies; None where neither knows the other."""
    found = left.parameter_map(right, given)
    if found is None and (back := right.parameter_map(left, given)) is not None:
        return back.inverted()
    return found


def label_of(side: Side) -> str:
    model = side.model
    engine = (
        side.framework
        or ("scratch" if isinstance(model, scratch.nn.Module) else "")
        or ("torch" if isinstance(model, torch.nn.Module) else "object")
    )
    return f"{side.title or type(model).__name__} ({engine})"


def _pair(case: Case, seeded: bool) -> bool:
    """Pair the parameters, and copy the right's to the left. Returns whether the sides can be run."""
    report, left, right = case.report, case.left, case.right
    for note in case.pairing.notes:
        report.note(note)
    ours, theirs = case.pairing.alone()
    if ours and theirs and not (left.frozen or right.frozen):
        report.proposal = propose(ours, theirs, left.state(), right.state())
        if report.proposal.entries or len(ours) >= len(theirs):
            report.reason = "their parameters do not pair by name"
            return False
        report.proposal = None
    for finding in case.pairing.unpaired():
        finding.kind = kind_of(right, finding.where) if finding.where in right.modules else ""
        report.measurements.append(finding)
    if not case.pairing.shapes_agree():
        report.note("nothing was run, since parameters of different shapes cannot be copied")
        return False
    if seeded:
        _initial_values(case)
    if left.frozen or right.frozen:
        report.note("the parameters of one side cannot be copied: both sides must be made from the same ones")
        _say_numbers(case)
    try:
        kept = case.pairing.copy()  # after the initial values have been judged, the layers are compared with equal ones
    except (TypeError, ValueError, IndexError) as error:
        raise CompareError(f"compare: the right's parameters cannot be copied to the left: {told(error)}.") from error
    case.copied = True
    for name in kept:
        report.note(f"{name} was not copied: it has another shape on the right")
    case.make_twin()
    if case.twin is None:
        report.note("the right side has no float64 twin: U is how far its output moves when it is moved by an ulp")
    if not case.backward:
        side = "left" if not left.can_backward() else "right"
        report.not_compared(f"gradients: the {side} has no backward")
    case.remember()
    return True


def _say_numbers(case: Case) -> None:
    """How many of a file's parameters are the right's, and which are not."""
    names, other = case.pairing.names, case.pairing.other_numbers()
    if names:
        case.report.note(f"{len(names) - len(other)} parameters of the left have the right's numbers")
    if other:
        text = ", ".join(other[:6]) + (f" and {len(other) - 6} more" if len(other) > 6 else "")
        case.report.note(f"other numbers on the left: {text} (as where a normalization is folded into a convolution)")
    if case.left.noise is not None:
        least = judge.decibels(case.left.noise)
        case.report.note(
            f"the left computes in {case.left.coarse}: the root mean square of its error is judged, in ulp of that of "
            f"the right's number; the limit of a layer is a {least}"
        )


def _initial_values(case: Case) -> None:
    """In seed mode: the parameters as they were made."""
    theirs = case.right.state()
    for ours, name in case.pairing.names.items():
        if name not in theirs:
            continue
        value = case.pairing.turned(name, case.left.state()[ours])
        layer, _, own = name.rpartition(".")
        kind = kind_of(case.right, layer) if layer in case.right.modules else ""
        error = single_distance(value, theirs[name])
        m = Measurement(layer, kind, "init", own, error, float32_limit(0.0))
        if not m.ok:
            m.first = first_element(value, theirs[name], m.limit)
            m.cause = diagnose.initial_values(value, theirs[name])
        case.report.measurements.append(m)

"""compare: where two implementations part, when, and why.

Three questions are asked of every layer, in training and in eval mode:

    introduced   both sides' layer gets the input and cotangent that the right side's layer got: the error is its own
    between      every layer is replaced by the right side's values on both sides: the error is of the code in between
    carried      the left side runs by itself: what its layers and the code between them have added up to

The first two are judged, the third is reported: it is what the first two make of it. Each is in ulp of the largest
value and has the project's limit. The truth is the right side in float64, U the right side's own float32 error over
five draws; further draws move every number by up to 2^-12 of itself. Where the left is compared with the right's
float32 instead of the truth (between, carried), the limit is that of two values which are both so far from it, 5 U + 4.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch

import scratch
from parity_tests.checks.sides import Numbers
from parity_tests.comparer import diagnose
from parity_tests.comparer.losses import loss_for
from parity_tests.comparer.mode import Mode
from parity_tests.comparer.pairing import Pairing
from parity_tests.comparer.report import CompareError, LayerLine, Measurement, Report, first_element
from parity_tests.comparer.side import Side, seed_all
from parity_tests.comparer.sides import side_of
from parity_tests.comparer.steps import compare_steps
from parity_tests.comparer.trace import kind_of, single_distance
from parity_tests.comparer.values import array
from parity_tests.nests import map_nest
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
) -> Report:
    """Compare two implementations; the right one is the reference.

    left, right  scratch or torch Modules, objects with forward(x) and perhaps backward(dy), or functions that make one
    inputs       an array, or a tuple of them
    target       what the loss compares with, if there is a loss
    loss         a loss for both sides (torch's or scratch's), its class name, or a pair; without one, gradients are
                 those of random cotangents
    optimizer    a function of a list of parameters, or a pair of them; `steps` says how many steps are compared
    parameters   "copy" gives the left the right's parameters, by name; "seed" makes both sides from the same seed and
                 copies nothing (left and right must be functions); a map {left name: right name} or
                 {left name: (right name, "transpose")} copies by that map
    Raises       CompareError if nothing can be compared: a side cannot be used, or the right one fails.
    """
    began = time.perf_counter()
    if parameters not in ("copy", "seed") and not isinstance(parameters, Mapping):
        raise CompareError(f"compare: parameters must be 'copy', 'seed' or a map of names, got {parameters!r}.")
    if steps and optimizer is None:
        raise CompareError("compare: steps need an optimizer, such as lambda parameters: torch.optim.SGD(parameters).")
    model_l, model_r = (_build(model, seed, parameters == "seed") for model in (left, right))
    try:
        side_l, side_r = (side_of(model, loss_for(loss, model, i)) for i, model in enumerate((model_l, model_r)))
        pairing = Pairing(side_l, side_r, parameters if isinstance(parameters, Mapping) else None)
    except (TypeError, ValueError) as error:
        raise CompareError(str(error)) from None
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    inputs, target = (
        map_nest(lambda x: np.array(array(x)) if isinstance(x, torch.Tensor) else x, n) for n in (inputs, target)
    )
    report = Report(_label(model_l), _label(model_r), seed)
    comparison = Comparison(side_l, side_r, pairing, inputs, target, report, seed)
    with _threads_for(side_r):
        comparison.run(parameters == "seed")
        if steps and comparison.can_step:
            compare_steps(comparison, optimizer, steps)
    report.seconds = time.perf_counter() - began
    return report


@contextmanager
def _threads_for(side: Side) -> Iterator[None]:
    """One torch thread for small layers: they gain nothing from more, and torch's threads and NumPy's, which take turns
    here, spend their time waiting for each other.
    """
    before = torch.get_num_threads()
    small = max((value.size for value in side.state().values()), default=0) < 2**20
    torch.set_num_threads(1 if small else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _build(model: Any, seed: int, must: bool) -> Any:
    """A side as it is, or made by the function given, after seeding."""
    if callable(model) and (isinstance(model, type) or not hasattr(model, "forward")):
        seed_all(seed)
        return model()
    if must:
        raise CompareError("compare: with parameters='seed' both sides must be functions that make the module.")
    return model


def _label(model: Any) -> str:
    engine = (
        "scratch"
        if isinstance(model, scratch.nn.Module)
        else "torch"
        if isinstance(model, torch.nn.Module)
        else "object"
    )
    return f"{type(model).__name__} ({engine})"


class Comparison:
    """Two sides and what has been found so far."""

    def __init__(
        self, left: Side, right: Side, pairing: Pairing, inputs: tuple[Any, ...], target: Any, report: Report, seed: int
    ) -> None:
        self.left, self.right, self.pairing = left, right, pairing
        self.inputs, self.target, self.report, self.seed = inputs, target, report, seed
        self.twin: Side | None = None
        self.can_step = True
        self.fields: dict[tuple[str, str], LayerLine] = {}

    def run(self, seeded: bool) -> None:
        for finding in self.pairing.unpaired():
            finding.kind = kind_of(self.right, finding.where) if finding.where in self.right.modules else ""
            self.report.measurements.append(finding)
        if not self.pairing.shapes_agree():
            self.report.note("nothing was run, since parameters of different shapes cannot be copied")
            self.can_step = False
            return
        if seeded:
            self._initial_values()
        if self.left.frozen or self.right.frozen:
            self.report.note(
                "a side has parameters of its own that cannot be copied: both must have been made from the same ones"
            )
        self.pairing.copy()  # after the initial values have been judged, the layers are compared with equal ones
        self.twin = _double(self.right)
        if self.twin is None:
            self.report.note(
                "the right side has no float64 twin: U is how far its output moves when its input moves by an ulp"
            )
        if not self.left.can_backward() or not self.right.can_backward():
            self.report.note("one side has no backward: gradients are not compared")
        start = self._buffers()
        for training in (True, False):
            self._set_buffers(start)
            Mode(self, training).run()
            if any(m.phase == "failure" for m in self.report.measurements):
                self.can_step = False
                return
        self._set_buffers(start)

    def _initial_values(self) -> None:
        """In seed mode: the parameters as they were made."""
        theirs = self.right.state()
        for ours, name in self.pairing.names.items():
            if name in theirs:
                value = self.left.state()[ours]
                value = value.T if name in self.pairing.transposed else value
                layer, _, own = name.rpartition(".")
                kind = kind_of(self.right, layer) if layer in self.right.modules else ""
                error = single_distance(value, theirs[name])
                m = Measurement(layer, kind, "init", own, error, float32_limit(0.0))
                if not m.ok:
                    m.first = first_element(value, theirs[name], m.limit)
                    m.cause = diagnose.initial_values(value, theirs[name])
                self.report.measurements.append(m)

    def _buffers(self) -> tuple[Numbers, Numbers]:
        def of(side: Side) -> Numbers:
            own = set(side.parameter_names())
            return {name: np.array(value) for name, value in side.state().items() if name not in own}

        return of(self.left), of(self.right)

    def _set_buffers(self, values: tuple[Numbers, Numbers]) -> None:
        for side, buffers in zip((self.left, self.right), values, strict=True):
            for name, value in buffers.items():
                side.load(name, value)
        if self.twin is not None:
            for name, value in values[1].items():
                self.twin.load(name, value)

    def cotangent(self, number: int, shape: tuple[int, ...]) -> np.ndarray:
        """Random, since ones would hide a softmax backward that returns zeros; 1 for the one number of a loss."""
        if shape == ():
            return np.ones((), np.float32)
        return np.random.default_rng([self.seed, number, *shape]).normal(size=shape).astype(np.float32)


def _double(side: Side) -> Side | None:
    with suppress(Exception):
        return side.double()
    return None

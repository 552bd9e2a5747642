"""Free training: each side by its own gradients. Losses, parameters and optimizer states after every step.

The truth is the right's float64 twin, trained in the same way; U the right's own error over the draws, which grows with
the steps as its roundings do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from parity_tests.comparer import judge
from parity_tests.comparer.case import Case
from parity_tests.comparer.findings import Measurement, StepLine, first_element
from parity_tests.comparer.optimizers import distances, entries, live, make, needs_closure, set_gradient, take_step
from parity_tests.comparer.side import Given, Side
from parity_tests.comparer.torch_side import TorchSide
from parity_tests.comparer.values import Numbers, cast
from parity_tests.rule import DRAWS

ULP = 2.0**-23


class Trainer:
    """One side in training: `step` gives the numbers after it, under the right's names."""

    def __init__(self, case: Case, side: Side, maker: Any, names: list[str], given: Given) -> None:
        self.case, self.side, self.given, self.target = case, side, given, case.target
        back = case.left_names() if side is case.left else {}
        self.own = {name: back.get(name, name) for name in names}
        if side is case.twin:
            dtype = np.float32 if case.fine else np.float64
            self.given, self.target = cast(given, dtype), cast(case.target, dtype)
        self.parameters = {name: live(side, own) for name, own in self.own.items()}
        self.optimizer = make(maker, list(self.parameters.values()))
        self.closure = needs_closure(self.optimizer)
        self.gradients: Numbers = {}
        self.loss: float | None = None

    def step(self, t: int) -> Numbers:
        self.loss = None
        if self.closure:
            take_step(self.optimizer, lambda: self._compute(t))
        else:
            self._compute(t)
            take_step(self.optimizer)
        self._write_back()
        dtype = np.float64 if self.side is self.case.twin else np.float32
        numbers = dict(entries(self.optimizer, self.parameters, dtype))
        numbers |= {"loss": np.asarray(self.loss, dtype)} if self.loss is not None else {}
        return {what: self._turned(what, np.array(value)) for what, value in numbers.items()}

    def _compute(self, t: int) -> torch.Tensor:
        """Gradients at the parameters as they are; the loss, or the sum whose gradient is taken."""
        self._write_back()
        case, seed = self.case, self.case.seed + t
        cotangent = case.cotangent()
        numbers = self.side.run(self.given, self.target, True, seed, cotangent, wanted=set(self.own.values()))
        own = {name: numbers.get(f"grad {own}") for name, own in self.own.items()}
        for name, parameter in self.parameters.items():
            set_gradient(parameter, own[name])
        self.gradients = {n: self._turned(f"grad {n}", g) for n, g in own.items() if g is not None}
        output = numbers.get("output")
        if output is not None and output.ndim == 0 and output.dtype.kind in "biuf":
            self.loss = float(output) if self.loss is None else self.loss  # a closure may run twice in a step
            return torch.tensor(float(output), dtype=torch.float64)
        draws = case.cotangent()
        sums = [
            np.sum(y * draws(w, y.shape)) for w, y in numbers.items() if w.startswith("output") and y.dtype.kind == "f"
        ]
        return torch.tensor(float(sum(sums)), dtype=torch.float64)

    def _write_back(self) -> None:
        """Copy into a side of plain arrays, whose parameters the optimizer does not hold."""
        if isinstance(self.side, TorchSide):
            return
        state = self.side.state()
        for name, parameter in self.parameters.items():
            if state[self.own[name]] is not parameter.data:
                self.side.load(self.own[name], parameter.data)

    def _turned(self, what: str, value: np.ndarray) -> np.ndarray:
        """The left's layout as the right's."""
        if self.side is not self.case.left:
            return value
        name = what.partition(" ")[2]
        return self.case.pairing.turned(name, value) if name else value


def train_freely(case: Case, makers: Any, steps: int) -> tuple[list[Measurement], list[Numbers]]:
    """What the left's training gives against the right's, and the right's gradients of every step."""
    names = [n for n in case.right.trainable() if n in case.pairing.names.values()]
    if any(not link.plain for link in case.pairing.links.values()):
        case.report.not_compared("the training of parameters that are sums or parts of others")
    names = [n for n in names if case.left.engine != "torch" or case.left_names()[n] in case.left.trainable()]
    if not names:
        case.report.not_compared("steps: no parameter that both sides train")
        return [], []
    saved = {id(side): {n: np.array(v) for n, v in side.state().items()} for side in case.sides}

    def trainer(side: Side, maker: Any, given: Given) -> Trainer:
        return Trainer(case, side, maker, names, given)

    def back() -> None:
        for side in case.sides:
            for name, value in saved[id(side)].items():
                side.load(name, value)
            case.rewind(side)

    u: list[dict[str, float]] = [{} for _ in range(steps)]
    try:
        reference = [] if case.twin is not None else _run(trainer(case.right, makers[1], case.given), steps, back)
        for draw in range(1, DRAWS):
            given = case.drawn(draw) if case.twin is not None else case.drawn(draw, ULP)
            rough = trainer(case.right, makers[1], given)
            exact = trainer(case.twin, makers[1], given) if case.twin is not None else None
            largest: dict[str, float] = {}
            for t in range(steps):
                ours = rough.step(t)
                truth = exact.step(t) if exact is not None else reference[t]
                ours, truth = (truth, ours) if case.fine and exact is not None else (ours, truth)
                _raise(u, t, distances(ours, truth, ours, largest))
            back()
        return _judged(case, makers, u, trainer, steps)
    finally:
        back()


def _run(trainer: Trainer, steps: int, back: Any) -> list[Numbers]:
    """The whole of one training."""
    try:
        return [trainer.step(t) for t in range(steps)]
    finally:
        back()


def _raise(u: list[dict[str, float]], t: int, errors: dict[str, float]) -> None:
    for what, error in errors.items():
        before = u[t - 1].get(what, 0.0) if t else 0.0
        u[t][what] = max(u[t].get(what, 0.0), before, error if math.isfinite(error) else 0.0)


def _judged(
    case: Case, makers: Any, u: list[dict[str, float]], trainer: Any, steps: int
) -> tuple[list[Measurement], list[Numbers]]:
    """The left in step with the right and its twin, all from the same start."""
    left, right = trainer(case.left, makers[0], case.given), trainer(case.right, makers[1], case.given)
    twin = trainer(case.twin, makers[1], case.given) if case.twin is not None else None
    failed: dict[str, Measurement] = {}
    agreed: dict[str, Measurement] = {}
    gradients = []
    scales: tuple[dict[str, float], dict[str, float]] = {}, {}
    for t in range(steps):
        ours, rough = left.step(t), right.step(t)
        exact = twin.step(t) if twin is not None else rough
        if case.fine:
            _raise(u, t, distances(exact, rough, exact, scales[0]))
            exact = rough
        else:
            _raise(u, t, distances(rough, exact, rough, scales[0]))
        gradients.append(right.gradients)
        line = StepLine(t + 1, 0.0, 4.0, "", left.loss, right.loss)
        case.report.steps.append(line)
        for what, error in distances(ours, exact, rough, scales[1]).items():
            limit = judge.limit(u[t].get(what, 0.0), twin is not None and not case.fine)
            entry, _, name = what.partition(" ")
            if error / limit >= line.error / line.limit:
                line.error, line.limit, line.what = error, limit, f"{entry} of {name}" if name else entry
            m = Measurement(
                name, type(right.optimizer).__name__, "training", f"{entry} after step {t + 1}", error, limit
            )
            m.note = "in free training"
            if m.ok and what not in failed:
                kept = agreed.setdefault(what, m)
                agreed[what] = m if error / limit > kept.error / kept.limit else kept
            elif not m.ok and what not in failed:
                if what in exact and ours[what].shape == exact[what].shape:
                    m.first = first_element(ours[what], exact[what], limit)
                failed[what] = m
        _missing_state(case, ours, exact)
    lost = [t + 1 for t, errors in enumerate(u) if any(_no_digit(w, e) for w, e in errors.items())]
    if lost:
        case.report.not_compared(
            f"steps from {lost[0]} on: the right's own float32 parameters have no correct digit left"
        )
    good = [m for what, m in agreed.items() if what not in failed]
    return good + list(failed.values()), gradients


def _no_digit(what: str, u: float) -> bool:
    return what.startswith(("theta ", "loss")) and u * ULP >= judge.NO_DIGIT


def _missing_state(case: Case, ours: Numbers, exact: Numbers) -> None:
    lost, more = ({what.split(" ")[0] for what in a} - {what.split(" ")[0] for what in b}
                  for a, b in ((exact, ours), (ours, exact)))  # fmt: skip
    if lost:
        names = ", ".join(sorted(lost))
        own = f", the left's is {', '.join(sorted(more))}" if more else ""
        case.report.not_compared(f"the optimizer's state {names}, the left has none of that name{own}")

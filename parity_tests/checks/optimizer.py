"""Check an optimizer: every parameter and every state entry, after every step, on both engines.

Gradients are fixed random numbers, so that rounding does not feed back through a model. Parameters start at normal
values or at zeros: the latter are sums of updates, so errors are seen at the updates' own scale. Each has its own
gradient size; one has no gradient in some steps, one never has one. Every other one lies in a second group, whose
options are the row's `second_group`. Both rates drop to a tenth on the way, which distinguishes the forms of momentum.

LBFGS evaluates its objective itself: its gradients are those of a function of the parameters, and it takes few steps,
since near the minimum rounding decides. Muon rounds to bfloat16 on its way: the truth is torch's Muon without that
rounding, and in float64 so is scratch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

import scratch
from parity_tests.checks.sides import Numbers
from parity_tests.engine import SCRATCH, TORCH, Engine
from parity_tests.rule import DRAWS, History, Ledger, Result
from parity_tests.table.row import Optimizer

STEPS, LBFGS_STEPS = 25, 8
DROP = 0.4  # the rates drop after this fraction of the steps,
HANDOVER = 0.5  # and the state changes engines here
Trajectory = list[Numbers]
Histories = dict[str, History]


def check_optimizer(row: Optimizer, dtypes: tuple[str, ...], ours: Engine, theirs: Engine) -> list[Result]:
    check = OptimizerCheck(row, ours, theirs)
    return [result for dtype in dtypes for result in check.results(dtype)]


@dataclass(frozen=True, eq=False)
class Weight:
    """One parameter of the check."""

    name: str
    shape: tuple[int, ...]
    start: float = 1.0  # size of the initial values
    size: float = 1.0  # size of the gradients
    absent: frozenset[int] = frozenset()  # steps without a gradient

    @cache  # noqa: B019 - there are a dozen weights
    def values(self, number: int, step: int = -1) -> np.ndarray:
        """The initial values, or the gradient of a step: float32 numbers in both precisions."""
        scale = self.start if step < 0 else self.size
        rng = np.random.default_rng([number, step + 1, *self.name.encode()])
        return np.asarray(scale * rng.normal(size=self.shape), np.float32)


WEIGHTS = [
    *(Weight(f"normal at gradient {size:g}", (7, 5), 1.0, size) for size in (1.0, 1e-3, 1e-6, 0.0)),
    Weight("late", (13,), absent=frozenset({0, 1, 7, 8, 17})),
    Weight("scalar", ()),
    Weight("never", (2, 3), absent=frozenset(range(STEPS))),
    *(Weight(f"zeros at gradient {size:g}", (3, 11), 0.0, size) for size in (1.0, 1e-3, 1e-6, 0.0)),
]
MATRICES = [weight for weight in WEIGHTS if len(weight.shape) == 2]
OBJECTIVE = [Weight("normal", (5, 3), size=1.0), Weight("near zero", (7,), 1e-3)]


class OptimizerCheck:
    """Trajectories against the rule, and runs that change engines in the middle."""

    def __init__(self, row: Optimizer, engine: Engine = SCRATCH, torch: Engine = TORCH) -> None:
        self.row, self.engine, self.torch = row, engine, torch
        self.runs: dict[Any, Trajectory] = {}
        self.histories: dict[Any, Histories] = {}
        self.u: list[dict[str, float]] = [{} for _ in range(DRAWS)]  # torch's own errors, for both precisions
        self.halfway: dict[Any, tuple[Numbers, Any]] = {}  # the parameters and the state of the first draw's runs
        self.weights = {"optim.Muon": MATRICES, "optim.LBFGS": OBJECTIVE}.get(row.name, WEIGHTS)
        self.steps = LBFGS_STEPS if row.name == "optim.LBFGS" else STEPS
        self.half = int(HANDOVER * self.steps)

    def results(self, dtype: str) -> Iterator[Result]:
        ledger = Ledger(self.row.label, dtype)
        for number in range(DRAWS):
            ours = self.history(self.run, self.engine, dtype, number)
            rough, truth = (self.history(self.run, self.torch, kind, number) for kind in ("float32", "float64"))
            self.u[number] = record(ledger, ours, rough, truth, self.u[number])
        yield from ledger.results()
        # One engine starts, the other loads its state_dict and goes on, as if torch had loaded its own.
        rough, truth = (self.history(self.continued, self.torch, self.torch, kind) for kind in ("float32", "float64"))
        for first, second in ((self.torch, self.engine), (self.engine, self.torch)):
            change = Ledger(self.row.label, dtype)
            record(change, self.history(self.continued, first, second, dtype), rough, truth, ledger.u)
            worst = max(change.results(), key=lambda result: result.error / result.limit)
            yield replace(worst, what=f"{first} → {second}: {worst.what}")

    def history(self, run: Callable[..., Trajectory], *which: Any) -> Histories:
        """Every quantity's history in one run."""
        if which not in self.histories:
            trajectory = run(*which)
            names = dict.fromkeys(what for numbers in trajectory for what in numbers)
            self.histories[which] = {what: History([numbers.get(what) for numbers in trajectory]) for what in names}
        return self.histories[which]

    def run(self, engine: Engine, dtype: str, number: int) -> Trajectory:
        """All numbers after every step."""
        key = engine, dtype, number
        if key not in self.runs:
            with self._exactly(dtype):
                side = Side(self.row, self.weights, engine, {w.name: w.values(number) for w in self.weights}, dtype)
                first = list(self._steps(side, number, range(self.half)))
                if number == 0:
                    self.halfway[engine, dtype] = side.values(), engine.carry(side.optimizer.state_dict(), engine)
                self.runs[key] = first + list(self._steps(side, number, range(self.half, self.steps)))
        return self.runs[key]

    def continued(self, first: Engine, second: Engine, dtype: str) -> Trajectory:
        """The same if the second engine goes on, in the middle, from the first one's state_dict."""
        key = first, second, dtype
        if key not in self.runs:
            start = self.run(first, dtype, 0)[: self.half]
            values, state = self.halfway[first, dtype]
            with self._exactly(dtype):
                side = Side(self.row, self.weights, second, values, dtype)
                side.optimizer.load_state_dict(second.carry(state, first))
                self.runs[key] = start + list(self._steps(side, 0, range(self.half, self.steps)))
        return self.runs[key]

    def _steps(self, side: Side, number: int, steps: range) -> Iterator[Numbers]:
        for step in steps:
            if step == int(DROP * self.steps):
                side.scale_rates(0.1)
            side.step(number, step)
            yield side.numbers()

    def _exactly(self, dtype: str) -> AbstractContextManager[None]:
        return unrounded() if self.row.name == "optim.Muon" and dtype == "float64" else nullcontext()


class Side:
    """The row's optimizer and its parameters on one engine."""

    def __init__(self, row: Optimizer, weights: Sequence[Any], engine: Engine, values: Numbers, dtype: str) -> None:
        self.row, self.weights, self.engine, self.dtype = row, weights, engine, dtype
        self.parameters = {name: engine.parameter(value.astype(dtype)) for name, value in values.items()}
        groups: Any = [{"params": [*self.parameters.values()][::2]}]
        groups.append({"params": [*self.parameters.values()][1::2], **self.row.second_group})
        if self.row.name == "optim.LBFGS":
            groups = self.parameters.values()
        self.optimizer = engine.find(self.row.name)(groups, *self.row.args, **self.row.kwargs)

    def scale_rates(self, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] *= factor

    def step(self, number: int, step: int) -> None:
        if self.row.name == "optim.LBFGS":
            self.optimizer.step(self.objective)
            return
        self.optimizer.zero_grad()
        for weight in self.weights:
            parameter = self.parameters[weight.name]
            if step not in weight.absent:
                parameter.grad = self.engine.native(weight.values(number, step).astype(self.dtype))
        self.optimizer.step()

    def objective(self) -> float:
        """Σ a x²/2 + x⁴/4 + (Σ x)²/2 with a between 1 and 30; evaluated by NumPy on both engines."""
        arrays = [self.engine.array_view(parameter) for parameter in self.parameters.values()]
        x = np.concatenate([array.ravel() for array in arrays])
        a = np.geomspace(1, 30, x.size).astype(x.dtype)
        gradient = a * x + x**3 + x.sum()
        parts = np.split(gradient, np.cumsum([array.size for array in arrays]))
        for parameter, part in zip(self.parameters.values(), parts, strict=False):
            parameter.grad = self.engine.native(part.reshape(parameter.shape))
        return float((a * x**2 / 2 + x**4 / 4).sum() + x.sum() ** 2 / 2)

    def values(self) -> Numbers:
        return {name: self.engine.array(parameter) for name, parameter in self.parameters.items()}

    def numbers(self) -> Numbers:
        """Parameters and state by name, copied. A list is one array; Python's numbers take the parameter's dtype."""
        engine, state = self.engine, self.optimizer.state
        numbers = {f"theta {name}": value for name, value in self.values().items()}
        for name, parameter in self.parameters.items():
            for key, value in state.get(parameter, {}).items():
                if isinstance(value, list):
                    value = [engine.array_view(part) for part in value if part is not None]
                    if not value:
                        continue
                plain = isinstance(value, (int, float, list))
                numbers[f"{key} {name}"] = np.array(value, self.dtype) if plain else engine.array(value)
        return numbers


@contextmanager
def unrounded() -> Iterator[None]:
    """Switch Muon's rounding to bfloat16 off, on both engines. torch's is written in one of two ways."""
    to = torch.Tensor.to

    def unless_bfloat16(x: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        return x.clone() if options.get("dtype") is torch.bfloat16 else to(x, *arguments, **options)

    with (
        patch.object(torch.Tensor, "bfloat16", torch.Tensor.clone),
        patch.object(torch.Tensor, "to", unless_bfloat16),
        patch.object(scratch.optim.muon, "to_bfloat16", np.array),
    ):
        yield


def record(
    ledger: Ledger, ours: Histories, rough: Histories, truth: Histories, u: dict[str, float]
) -> dict[str, float]:
    """One run of every quantity. `u` are torch's own errors, as far as they are known; all of them are returned."""
    steps = len(next(iter(truth.values())).kinds)
    absent = History([None] * steps)
    return {
        what: ledger.record_history(
            what, ours.get(what, absent), rough.get(what, absent), truth.get(what, absent), u.get(what)
        )
        for what in {**truth, **ours}
    }

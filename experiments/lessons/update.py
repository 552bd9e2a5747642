"""Worked examples of what is no layer: two steps of an optimizer, the rates of a schedule, an array that is filled,
gradients that are clipped; the same numbers by both engines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from experiments.lessons.trace import Step, trace
from parity_tests.checks import clipping, initialiser, scheduler
from parity_tests.engine import ENGINES, Engine
from parity_tests.table.recipe import given
from parity_tests.table.row import Clipping, Initialiser, Optimizer, Pair, Scheduler

START = np.array([[0.5, -1.0]])
SLOPES = np.array([[1.0, 4.0]])  # of the gradient, that of (θ₁² + 4 θ₂²) / 2
STEPS, RATES = 2, 6
WEIGHT = (2, 3)
KERNEL = (2, 2, 3)  # for initialisers of convolutions alone
Numbers = dict[str, np.ndarray]


@dataclass(frozen=True)
class Update:
    """What is given, the results of both engines by name, and the statements of scratch that ran."""

    given: Numbers
    scratch: Numbers
    torch: Numbers
    note: str
    steps: list[Step] = field(default_factory=list)


def update(row: Pair) -> Update | None:
    """The example of a component's first row; None for what has none."""
    for kind, way in WAYS.items():
        if isinstance(row, kind):
            return way(row)
    return None


def _optimizer(row: Any) -> Update:
    results, steps = {}, []
    for name, engine in ENGINES.items():
        parameter = engine.parameter(START)
        optimizer = engine.find(row.name)([parameter], **row.kwargs)
        found: Numbers = {}
        for number in range(1, STEPS + 1):
            ran = one_step(engine, optimizer, parameter)
            if name == "scratch":
                traced, _ = trace(type(optimizer), ran)
                steps += traced if number == STEPS else []
            else:
                ran()
            found[f"θ after step {number}"] = engine.array(parameter)
            state = optimizer.state_dict()["state"].get(0, {})
            for what, value in state.items():
                if engine.holds(value):
                    found[f"{what} after step {number}"] = engine.array(value)
        results[name] = found
    note = (
        "The function is f = (θ₁² + 4 θ₂²) / 2, so the gradient is (θ₁, 4 θ₂). The statements are those of the second "
        "step, with the state that the first one left."
    )
    return Update({"θ": START, "gradient": SLOPES * START}, results["scratch"], results["torch"], note, steps)


def one_step(engine: Engine, optimizer: Any, parameter: Any) -> Callable[[], None]:
    """One step; a rule that evaluates the function itself does so through the closure."""

    def closure() -> float:
        theta = engine.array(parameter)
        parameter.grad = engine.native(SLOPES * theta)
        return float((SLOPES * theta**2).sum() / 2)

    def run() -> None:
        closure()
        optimizer.step(closure)

    return run


def _scheduler(row: Any) -> Update:
    runs = {name: scheduler.run(row, [engine]) for name, engine in ENGINES.items()}
    rates = {name: {"lr": np.asarray(run["lr of group 0"])[:RATES]} for name, run in runs.items()}
    note = f"The rate before the first step and after each of the next {RATES - 1}."
    return Update({}, rates["scratch"], rates["torch"], note)


def _initialiser(row: Any) -> Update | None:
    for shape in (WEIGHT, KERNEL):
        try:
            ours, theirs = initialiser.fill(row, np.zeros(shape), 0)
        except ValueError:
            continue
        size = " × ".join(map(str, shape))
        return Update({}, {"weight": ours}, {"weight": theirs}, f"An array of {size} filled from seed 0.")
    return None


def _clipping(row: Any) -> Update:
    row = replace(row, gradients=(given([[3.0, -4.0]]), given([12.0])))
    before = {f"gradient {i}": np.asarray(g) for i, g in enumerate(clipping.gradients(row, "float64", 0))}
    ours, theirs = (clipping.run(row, engine, "float64", 0) for engine in ENGINES.values())
    after = [{what: np.asarray(value) for what, value in side.items() if value is not None} for side in (ours, theirs)]
    return Update(before, after[0], after[1], "The gradients before, and what the call left and returned.")


WAYS: dict[type, Callable[[Any], Update | None]] = {
    Optimizer: _optimizer,
    Scheduler: _scheduler,
    Initialiser: _initialiser,
    Clipping: _clipping,
}

"""Check a schedule: the rate, and the momentum where it is cycled, of every group after every step.

The row's arguments follow the optimizer. An argument that is itself a schedule is written as (name, kwargs).
ReduceLROnPlateau gets a metric that falls, then stays constant.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from parity_tests.engine import Engine
from parity_tests.rule import FLOOR, Result, distance, exactly
from parity_tests.table.row import Scheduler

STEPS, HANDOVER = 60, 29
RATES = (0.1, 0.03)


def check_scheduler(row: Scheduler, dtypes: tuple[str, ...], ours: Engine, theirs: Engine) -> list[Result]:
    """Rates are Python's numbers: float64 in every precision."""
    return list(_results(row, ours, theirs))


def _results(row: Scheduler, engine: Engine, torch: Engine) -> Iterator[Result]:
    truth = run(row, [torch])
    changes: tuple[list[Engine], ...] = ([engine], [torch, engine], [engine, torch])
    for legs in changes:
        values = run(row, legs)
        prefix = "" if len(legs) == 1 else f"{' → '.join(map(str, legs))}: "
        for what in truth:
            yield Result(row.label, prefix + what, "float64", distance(values[what], truth[what]), FLOOR)
    ours, theirs = Side(row, engine), Side(row, torch)
    keys = sorted(ours.scheduler.state_dict()), sorted(theirs.scheduler.state_dict())
    yield exactly(row.label, "state_dict keys", None, keys[0] == keys[1], f"{keys[0]}, torch {keys[1]}")
    restarts = row.name.endswith("WarmRestarts")
    if restarts or hasattr(ours.scheduler, "closed_form"):
        for side in (ours, theirs):
            for epoch in (7, 3.5 if restarts else 3, 40):
                side.scheduler.step(epoch)
                side.record()
        for what, exact in theirs.numbers().items():
            yield Result(row.label, f"step(epoch): {what}", "float64", distance(ours.numbers()[what], exact), FLOOR)


def run(row: Scheduler, engines: list[Engine]) -> dict[str, np.ndarray]:
    """All rates and momenta of one training. A second engine goes on from the first one's two state_dicts."""
    first, *second = engines
    side = Side(row, first)
    side.record()
    for step in range(STEPS):
        if step == HANDOVER and second:
            side = side.handed_to(second[0])
        side.step(step)
    return side.numbers()


class Side:
    """An optimizer with two groups and the row's schedule on one engine."""

    def __init__(self, row: Scheduler, engine: Engine) -> None:
        self.row, self.engine = row, engine
        weights = [engine.parameter(np.zeros(2, np.float32)) for _ in RATES]
        groups = [{"params": [weight], "lr": lr} for weight, lr in zip(weights, RATES, strict=True)]
        kind = row.optimizer
        self.optimizer = engine.find(f"optim.{kind}")(groups, **({"momentum": 0.9} if kind == "SGD" else {}))
        self.scheduler = self.build(row.name, copy.deepcopy(row.kwargs))
        self.values: dict[str, list[float]] = {}

    def build(self, name: str, kwargs: dict[str, Any]) -> Any:
        """The schedule of this name on the optimizer, with those among its arguments."""
        kwargs = {key: self.built(value) for key, value in kwargs.items()}
        optimizer = () if name.endswith("ChainedScheduler") else (self.optimizer,)
        return self.engine.find(name)(*optimizer, **kwargs)

    def built(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.built(part) for part in value]
        if isinstance(value, tuple):
            return self.build(f"optim.lr_scheduler.{value[0]}", value[1])
        return value

    def step(self, step: int) -> None:
        self.optimizer.step()
        if self.row.name.endswith("ReduceLROnPlateau"):
            self.scheduler.step(max(1 / (step + 1), 0.1) * (-1 if self.row.kwargs.get("mode") == "max" else 1))
        else:
            self.scheduler.step()
        self.record()

    def record(self) -> None:
        for i, (group, last) in enumerate(zip(self.optimizer.param_groups, self.scheduler.get_last_lr(), strict=True)):
            momentum = group["betas"][0] if "betas" in group else group.get("momentum", 0.0)
            for what, value in (("lr", group["lr"]), ("momentum", momentum), ("get_last_lr", last)):
                self.values.setdefault(f"{what} of group {i}", []).append(float(value))

    def numbers(self) -> dict[str, np.ndarray]:
        return {what: np.array(values) for what, values in self.values.items()}

    def handed_to(self, engine: Engine) -> Side:
        other = Side(self.row, engine)
        other.optimizer.load_state_dict(engine.carry(self.optimizer.state_dict(), self.engine))
        other.scheduler.load_state_dict(copy.deepcopy(self.scheduler.state_dict()))
        other.values = self.values
        return other

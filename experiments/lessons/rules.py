"""Rules as exercises: what an optimizer, a schedule, an initialiser or a clipping function does, number by number, in
the order in which the numbers come about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from experiments.lessons.update import KERNEL, START, WEIGHT, Numbers, one_step
from parity_tests.checks import clipping, initialiser, scheduler
from parity_tests.engine import Engine
from parity_tests.table import FAMILIES
from parity_tests.table.row import Clipping, Initialiser, Optimizer, Pair, Scheduler

STEPS = 5  # RAdam adapts its rate from the fifth step on
SHAPES = (WEIGHT, WEIGHT[::-1], KERNEL)


def names() -> Iterator[str]:
    """Every component that is judged as a rule."""
    for rows in FAMILIES.values():
        yield from dict.fromkeys(row.name for row in rows if isinstance(row, tuple(WAYS)))


def cases(name: str) -> list[Pair]:
    """The rows of a component that is judged as a rule, the plain one first; empty for everything else."""
    rows = (row for rows in FAMILIES.values() for row in rows if row.name == name)
    return [row for row in rows if isinstance(row, Pair) and isinstance(row, tuple(WAYS))]


def numbers(row: Pair, engine: Engine) -> Numbers:
    """What the row's rule did on this engine."""
    return next(way for kind, way in WAYS.items() if isinstance(row, kind))(row, engine)


def _optimizer(row: Any, engine: Engine) -> Numbers:
    parameter = engine.parameter(START)
    optimizer = engine.find(row.name)([parameter], **row.kwargs)
    found: Numbers = {}
    for step in range(1, STEPS + 1):
        before = engine.array(parameter).copy()
        one_step(engine, optimizer, parameter)()
        found[f"the change of θ in step {step}"] = engine.array(parameter) - before
        for name, value in optimizer.state_dict()["state"].get(0, {}).items():
            if engine.holds(value):
                found[f"{name} after step {step}"] = engine.array(value).copy()
    return found


def _scheduler(row: Any, engine: Engine) -> Numbers:
    found = scheduler.run(row, [engine])
    length = min(map(len, found.values()))
    return {f"{what} at epoch {epoch}": np.asarray(found[what][epoch]) for epoch in range(length) for what in found}


def _initialiser(row: Any, engine: Engine) -> Numbers:
    found: Numbers = {}
    for shape in SHAPES:
        try:
            filled = initialiser.filled(row, engine, np.zeros(shape), 0)
        except (ValueError, IndexError):
            continue
        found[f"an array of {' × '.join(map(str, shape))} from seed 0"] = filled
    return found


def _clipping(row: Any, engine: Engine) -> Numbers:
    return {what: np.asarray(value) for what, value in clipping.run(row, engine, "float64", 0).items()}


WAYS: dict[type, Callable[[Any, Engine], Numbers]] = {
    Optimizer: _optimizer,
    Scheduler: _scheduler,
    Initialiser: _initialiser,
    Clipping: _clipping,
}

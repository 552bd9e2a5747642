"""An optimizer on recorded gradients, as a row of files: parameters and state after every step.

The gradients are those of the model's own training. The rate drops to a tenth on the way, where it can be found, which
distinguishes forms of momentum that agree at a constant rate.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import scratch
from parity_tests.comparer.conventions.optimizers import SAMPLE, Trajectory, explain
from parity_tests.comparer.findings import Cause, CompareError
from parity_tests.comparer.optimizers import needs_closure
from parity_tests.comparer.steps import DROP, Judge, Pass
from parity_tests.comparer.training import Trainer
from parity_tests.comparer.values import Numbers
from parity_tests.recordings.live import Live
from parity_tests.rule import DRAWS, distance, ulp
from parity_tests.vectors.vector import NotPortable, Vector

ROW = "optimizer"  # the name of its files
LEAST = 3  # steps in which a rate can drop on the way


@dataclass
class Course:
    """Where an optimizer starts, the gradients of every step, and before which step its rate drops to a tenth."""

    starts: Numbers
    gradients: list[Numbers]
    drop: int  # as many as there are steps where it does not

    @property
    def way(self) -> Pass:
        return Pass("", False, self.drop < len(self.gradients))


@dataclass
class Walked:
    """What an optimizer gives over a course: by name the values of all steps, and in which steps there are any."""

    values: Numbers
    steps: dict[str, list[int]]
    optimizer: Any


def course_of(live: Live, steps: int) -> Course:
    """The gradients of the model's training. It ends as it began."""
    if live.optimizer is None:
        raise CompareError(
            "record: --steps needs an optimizer: let the function return {'model': ..., 'optimizer': ...}."
        )
    case, side = live.case, live.side
    case.training = True
    with _as_it_was(live):
        trainer = Trainer(case, side, live.optimizer, side.trainable(), live.given)
        if needs_closure(trainer.optimizer):
            raise CompareError("record: an optimizer that computes gradients itself has no gradients to record.")
        starts = {name: np.array(value) for name, value in side.state().items() if name in set(side.trainable())}
        gradients = []
        for step in range(steps):
            trainer.step(step)
            gradients.append({name: np.array(g) for name, g in trainer.gradients.items()})
    if not any(gradients):
        raise CompareError("record: no parameter has a gradient: there is nothing for the optimizer to do.")
    starts = {name: value for name, value in starts.items() if name in gradients[0]}
    judge = Judge(case, (live.optimizer, live.optimizer), starts, gradients)
    return Course(starts, gradients, int(DROP * steps) if steps >= LEAST and judge.can_drop() else steps)


@contextmanager
def _as_it_was(live: Live) -> Iterator[None]:
    saved = {name: np.array(value) for name, value in live.side.state().items()}
    try:
        yield
    finally:
        for name, value in saved.items():
            live.side.load(name, value)
        live.case.rewind(live.side)


def walk(live: Live, course: Course, dtype: Any, draw: int = 0) -> Walked:
    """The model's optimizer, on parameters of its own, over the course in this precision."""
    judge = Judge(live.case, (live.optimizer, live.optimizer), course.starts, course.gradients)
    if course.way.drop:
        judge.can_drop()  # finds the rate
    values: dict[str, list[np.ndarray]] = {}
    steps: dict[str, list[int]] = {}
    used = None
    for step, (numbers, optimizer) in enumerate(judge.walk(live.optimizer, live.side, course.way, dtype, draw)):
        used = optimizer
        for what, value in numbers.items():
            values.setdefault(what, []).append(np.array(value))
            steps.setdefault(what, []).append(step)
    return Walked({what: np.stack(parts) for what, parts in values.items()}, steps, used)


@dataclass
class Judged:
    """The truth of a course, its own error U, and what the optimizer gives in float32."""

    rough: Walked
    exact: Walked
    u: dict[str, float]


def judged(live: Live, course: Course) -> Judged:
    u: dict[str, float] = {}
    for draw in reversed(range(DRAWS)):
        rough, exact = (walk(live, course, dtype, draw) for dtype in (np.float32, np.float64))
        for what, value in rough.values.items():
            if value.dtype.kind == "f" and what in exact.values:
                u[what] = max(u.get(what, 0.0), distance(value, exact.values[what]))
    return Judged(rough, exact, u)


def vector_of(live: Live, course: Course) -> tuple[Vector, Numbers]:
    """The row, as FORMAT.md has those of optimizers, and the model's own answer to it."""
    found = judged(live, course)
    optimizer = found.rough.optimizer
    kind, groups = type(optimizer).__name__, getattr(optimizer, "param_groups", None) or [{}]
    vector = Vector(f"{ROW} ({kind}), {len(course.gradients)} steps", kind, "optimizer")
    options = options_of(optimizer)
    if options is not None:
        vector.component = f"optim.{kind}"
        vector.facts |= vector.options(vector.component, (), options, before=1)
    if len(groups) > 1:
        raise NotPortable("its parameters are in several groups")
    vector.facts |= {
        "groups": [{"parameters": list(course.starts), "options": {}}],
        "steps": len(course.gradients),
        "rates": {"step": course.drop, "factor": 0.1},
        "parameters": {name: vector.give(f"parameter {name}", value) for name, value in course.starts.items()},
        "gradients": {},
    }
    for name in course.starts:
        steps = [step for step, gradients in enumerate(course.gradients) if name in gradients]
        tensor = vector.give(f"gradient {name}", np.stack([course.gradients[step][name] for step in steps]))
        vector.facts["gradients"][name] = {"tensor": tensor, "steps": steps}
    for what, error in found.u.items():
        exact = found.exact.values[what]
        dtypes = {"float32": found.rough.values[what].dtype, "float64": exact.dtype}
        vector.expect("run", what, exact, error, dtypes, steps=found.exact.steps[what])
    return vector, {f"float32/run/{what}": found.rough.values[what] for what in found.u}


def options_of(optimizer: Any) -> dict[str, Any] | None:
    """Those of an optimizer of torch or scratch, by the names of its constructor; None of any other."""
    kind = type(optimizer)
    if kind not in (getattr(torch.optim, kind.__name__, None), getattr(scratch.optim, kind.__name__, None)):
        return None
    held = optimizer.param_groups[0]
    names = list(inspect.signature(getattr(scratch.optim, kind.__name__)).parameters)[1:]
    before = getattr(optimizer, "defaults", {})
    found = {name: before.get(name, held.get(name)) for name in names if name in held or name in before}
    return {name: value.item() if isinstance(value, torch.Tensor) else value for name, value in found.items()}


def cause_of(
    what: str, ours: np.ndarray, exact: np.ndarray, limit: float, course: Course, kind: str, options: dict[str, Any]
) -> Cause | None:
    """The deviation of the rule that gives what the left gives, for one parameter."""
    name = what.removeprefix("theta ")
    if "lr" not in options or what == name or not all(name in gradients for gradients in course.gradients):
        return None
    steps = len(course.gradients)
    gradients = np.stack([g[name].astype(np.float64).ravel() for g in course.gradients])
    some = np.unique(np.linspace(0, gradients.shape[1] - 1, SAMPLE).astype(int)) if gradients.size else slice(None)
    rates = np.full(steps, float(options["lr"]))
    rates[course.drop :] *= 0.1
    flat, truth = (value.reshape(steps, -1).astype(np.float64)[:, some] for value in (ours, exact))
    units = np.full(steps, limit * ulp(exact, np.float32))
    path = Trajectory(course.starts[name].astype(np.float64).ravel()[some], rates, flat, truth, units)
    try:
        return explain(kind, options, gradients[:, some], [path])
    except Exception:  # options of a folder, which may be anything
        return None

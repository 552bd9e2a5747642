"""The vectors of components that take steps: optimizers, schedules, clipping, averaged weights. Draw 0, limits from all
draws.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from parity_tests.checks import averaging, clipping, optimizer, scheduler
from parity_tests.checks.sides import Numbers
from parity_tests.engine import TORCH
from parity_tests.rule import DRAWS, FLOOR, Ledger
from parity_tests.table.row import Averaging, Clipping, Optimizer, Scheduler
from parity_tests.vectors.vector import PRECISIONS, NotPortable, Vector
from torch_impl.bridge import arrays

MUON = "Muon rounds to bfloat16 on its way. The truth is Muon without that rounding, and so are float64 answers."


def optimizer_vector(row: Optimizer) -> Vector:
    """Every parameter and every state entry after every step."""
    vector = Vector(row.label, row.name, "optimizer")
    check = optimizer.OptimizerCheck(row)
    _give_optimizer(vector, check)
    ledger = Ledger(row.label, "float32")
    for number in range(DRAWS):
        rough_steps, steps_exact = (check.history(check.run, TORCH, kind, number) for kind in ("float32", "float64"))
        optimizer.record(ledger, rough_steps, rough_steps, steps_exact, {})
    truth, rough = (check.run(TORCH, kind, 0) for kind in ("float64", "float32"))
    for what, error in ledger.u.items():
        if steps := [step for step, numbers in enumerate(truth) if what in numbers]:
            parts = [truth[step][what] for step in steps]
            even = len({part.shape for part in parts}) == 1
            history = np.stack(parts) if even else np.concatenate([part.ravel() for part in parts])
            shapes = {} if even else {"shapes": [list(part.shape) for part in parts]}
            dtypes = {"float32": rough[steps[0]][what].dtype, "float64": parts[0].dtype}
            vector.expect("run", what, history, error, dtypes, steps=steps, **shapes)
    return vector


def _give_optimizer(vector: Vector, check: optimizer.OptimizerCheck) -> None:
    row, names = check.row, [weight.name for weight in check.weights]
    lbfgs = row.name == "optim.LBFGS"
    groups = [
        {"parameters": names[::2], "options": {}},
        {"parameters": names[1::2], "options": vector.encode(row.second_group, "call")},
    ]
    vector.facts |= {
        **vector.options(row.name, row.args, row.kwargs, before=1),
        "groups": [{"parameters": names, "options": {}}] if lbfgs else groups,
        "steps": check.steps,
        "rates": {"step": int(optimizer.DROP * check.steps), "factor": 0.1},
        "parameters": {w.name: vector.give(f"parameter {w.name}", w.values(0)) for w in check.weights},
    }
    if row.name == "optim.Muon":
        vector.facts["note"] = MUON
    if lbfgs:
        size = sum(w.values(0).size for w in check.weights)
        vector.facts["objective"] = {"a": vector.give("objective a", np.geomspace(1, 30, size))}
        return
    vector.facts["gradients"] = {}
    for weight in check.weights:
        if steps := [step for step in range(check.steps) if step not in weight.absent]:
            tensor = vector.give(f"gradient {weight.name}", np.stack([weight.values(0, step) for step in steps]))
            vector.facts["gradients"][weight.name] = {"tensor": tensor, "steps": steps}


def schedule_vector(row: Scheduler) -> Vector:
    """Rates and momenta of every group, at the start and after every step. They are Python's numbers: float64 alone."""
    vector = Vector(row.label, row.name, "schedule")
    kwargs = vector.encode(row.kwargs, "option")
    side = scheduler.Side(row, TORCH)
    metric: list[float] = []
    step = side.scheduler.step

    def observed(*arguments: float) -> None:
        metric.extend(arguments)
        step(*arguments)

    side.scheduler.step = observed
    side.record()
    for i in range(scheduler.STEPS):
        side.step(i)
    optimizer = row.optimizer
    vector.facts |= {
        "kwargs": kwargs,
        "optimizer": {"name": f"optim.{optimizer}", "options": {"momentum": 0.9} if optimizer == "SGD" else {}},
        "groups": [{"lr": lr} for lr in scheduler.RATES],
        "steps": scheduler.STEPS,
        "metric": vector.give("metric", metric) if metric else None,
    }
    for what, values in side.numbers().items():
        vector.expect_within("run", what, "float64", values, FLOOR)
    return vector


def clip_vector(row: Clipping) -> Vector:
    vector = Vector(row.label, row.name, "clip")
    gradients = clipping.gradients(row, "float32", 0)
    vector.facts |= {
        "kwargs": vector.encode(row.kwargs, "option"),
        "gradients": [None if g is None else vector.give(f"gradient {i}", g) for i, g in enumerate(gradients)],
    }
    _expect_rule(vector, "call", lambda dtype, number: clipping.run(row, TORCH, dtype, number))
    return vector


def averaging_vector(row: Averaging) -> Vector:
    """The averaged model's state after every update; the model is Linear(5, 3), then BatchNorm1d(3)."""
    vector = Vector(row.label, row.name, "averaging")
    vector.facts |= {"kwargs": vector.encode(row.kwargs, "option"), "models": []}
    model = averaging.network(TORCH, "float32")
    updates = 1 if row.name.endswith("update_bn") else row.updates
    for update in range(updates):
        averaging.set_values(TORCH, model, row, 0, update)
        state = arrays(model)
        vector.facts["models"].append({name: vector.give(f"model {update} {name}", x) for name, x in state.items()})
    if row.name.endswith("update_bn"):
        batches = averaging.batches(row, 0)
        vector.facts["batches"] = [vector.give(f"batch {i}", batch) for i, batch in enumerate(batches)]
    if "refused at update" in averaging.run(row, TORCH, "float32", 0):
        raise NotPortable("torch refuses an update")
    _expect_rule(vector, "run", lambda dtype, number: averaging.run(row, TORCH, dtype, number))
    return vector


def _expect_rule(vector: Vector, case: str, run: Any) -> None:
    """Expect everything that `run(dtype, draw)` returns, with U from all draws."""
    roughs: list[Numbers]
    truths: list[Numbers]
    roughs, truths = ([run(dtype, number) for number in range(DRAWS)] for dtype in PRECISIONS)
    ledger = Ledger(vector.label, "float32")
    for rough, truth in zip(roughs, truths, strict=True):
        for what in rough:
            ledger.record(what, rough[what], rough[what], truth[what])
    for what, value in roughs[0].items():
        dtypes = {"float32": value.dtype, "float64": truths[0][what].dtype}
        vector.expect(case, what, truths[0][what], ledger.u[what], dtypes)

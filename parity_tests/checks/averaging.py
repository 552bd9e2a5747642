"""Check averaged weights: every parameter and buffer of the averaged copy, after every update.

The model is a small network with batch normalization, whose parameters move by fixed random numbers. `kwargs` names the
averaging function: {"avg_fn": ("get_ema_avg_fn", 0.9)}.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from parity_tests.checks.sides import Numbers, generator
from parity_tests.engine import Engine
from parity_tests.rule import DRAWS, Result, distance, exactly, float32_limit, float64_limit
from parity_tests.table.row import Averaging

UPDATES = 7


def check_averaging(row: Averaging, dtypes: tuple[str, ...], ours: Engine, theirs: Engine) -> list[Result]:
    return [result for dtype in dtypes for result in _results(row, dtype, ours, theirs)]


def _results(row: Averaging, dtype: str, engine: Engine, torch: Engine) -> list[Result]:
    u: dict[str, float] = {}
    error: dict[str, float] = {}
    for number in range(DRAWS):
        truth, rough = (run(row, torch, kind, number) for kind in ("float64", "float32"))
        ours = run(row, engine, dtype, number)
        if list(ours) != list(truth):
            return [exactly(row.label, "names", dtype, False, f"{list(ours)}, torch {list(truth)}")]
        for what, exact in truth.items():
            like = exact if dtype == "float64" else rough[what]
            apart = distance(ours[what], exact) if ours[what].dtype == like.dtype else np.inf
            u[what] = max(u.get(what, 0.0), distance(rough[what], exact))
            error[what] = max(error.get(what, 0.0), apart)
    limit = float32_limit if dtype == "float32" else float64_limit
    return [Result(row.label, what, dtype, value, limit(u[what])) for what, value in error.items()]


def run(row: Averaging, engine: Engine, dtype: str, number: int) -> Numbers:
    """The state_dict of the averaged model after all updates, with those before under numbered names."""
    model = network(engine, dtype)
    batches = [engine.native(_noise(row, number, 99 + i, (7, 5)).astype(dtype)) for i in range(3)]
    if row.name.endswith("update_bn"):
        set_values(engine, model, row, number, 0)
        engine.find(row.name)([batches[0], (batches[1], "label"), [batches[2]]], model)
        return _arrays(engine, model)
    kwargs = {name: _function(engine, value) for name, value in row.kwargs.items()}
    averaged = engine.find("optim.swa_utils.AveragedModel")(model, **kwargs)
    numbers: Numbers = {}
    for update in range(UPDATES):
        set_values(engine, model, row, number, update)
        averaged.update_parameters(model)
        numbers |= {f"{name} after {update + 1}": value for name, value in _arrays(engine, averaged).items()}
    return numbers


def network(engine: Engine, dtype: str) -> Any:
    """Linear(5, 3), then BatchNorm1d(3)."""
    nn, factory = engine.lib.nn, engine.factory(dtype)
    return engine.placed(nn.Sequential(nn.Linear(5, 3, **factory), nn.BatchNorm1d(3, **factory)))


def _function(engine: Engine, value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    name, *args = value
    return engine.find(f"optim.swa_utils.{name}")(*args)


def set_values(engine: Engine, model: Any, row: Averaging, number: int, update: int) -> None:
    """Give the model the numbers of an update; counters count."""
    state = {name: engine.array(value) for name, value in model.state_dict().items()}
    for i, x in enumerate(state.values()):
        x[...] = _noise(row, number, update, x.shape, i) if x.dtype.kind == "f" else 3 * update
    model.load_state_dict({name: engine.native(x) for name, x in state.items()})


def _noise(row: Averaging, number: int, update: int, shape: tuple[int, ...], i: int = 0) -> np.ndarray:
    return np.asarray(generator(row, number, update, i).normal(size=shape), np.float32)


def _arrays(engine: Engine, model: Any) -> Numbers:
    return {name: engine.array(value) for name, value in model.state_dict().items()}

"""Check averaged weights: every parameter and buffer of the averaged copy, after every update.

The model is a small network with batch normalization, whose parameters move by fixed random numbers. `kwargs` names the
averaging function: {"avg_fn": ("get_ema_avg_fn", 0.9)}.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from parity_tests.checks.sides import Numbers, generator
from parity_tests.engine import SCRATCH, TORCH, Engine
from parity_tests.rule import DRAWS, Result, distance, exactly, float32_limit, float64_limit
from parity_tests.table.row import Pair

UPDATES = 7


def check_averaging(pair: Pair, dtype: str) -> list[Result]:
    u: dict[str, float] = {}
    error: dict[str, float] = {}
    for number in range(DRAWS):
        truth, rough = (run(pair, TORCH, kind, number) for kind in ("float64", "float32"))
        ours = run(pair, SCRATCH, dtype, number)
        if list(ours) != list(truth):
            return [exactly(pair.label, "names", dtype, False, f"{list(ours)}, torch {list(truth)}")]
        for what, exact in truth.items():
            like = exact if dtype == "float64" else rough[what]
            apart = distance(ours[what], exact) if ours[what].dtype == like.dtype else np.inf
            u[what] = max(u.get(what, 0.0), distance(rough[what], exact))
            error[what] = max(error.get(what, 0.0), apart)
    limit = float32_limit if dtype == "float32" else float64_limit
    return [Result(pair.label, what, dtype, value, limit(u[what])) for what, value in error.items()]


def run(pair: Pair, engine: Engine, dtype: str, number: int) -> Numbers:
    """The state_dict of the averaged model after all updates, with those before under numbered names."""
    model = network(engine, dtype)
    batches = [engine.native(_noise(pair, number, 99 + i, (7, 5)).astype(dtype)) for i in range(3)]
    if pair.name.endswith("update_bn"):
        set_values(engine, model, pair, number, 0)
        engine.find(pair.name)([batches[0], (batches[1], "label"), [batches[2]]], model)
        return _arrays(engine, model)
    kwargs = {name: _function(engine, value) for name, value in pair.kwargs.items()}
    averaged = engine.find("optim.swa_utils.AveragedModel")(model, **kwargs)
    numbers: Numbers = {}
    for update in range(UPDATES):
        set_values(engine, model, pair, number, update)
        averaged.update_parameters(model)
        numbers |= {f"{name} after {update + 1}": value for name, value in _arrays(engine, averaged).items()}
    return numbers


def network(engine: Engine, dtype: str) -> Any:
    """Linear(5, 3), then BatchNorm1d(3)."""
    nn, factory = engine.lib.nn, engine.factory(dtype)
    return nn.Sequential(nn.Linear(5, 3, **factory), nn.BatchNorm1d(3, **factory))


def _function(engine: Engine, value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    name, *args = value
    return engine.find(f"optim.swa_utils.{name}")(*args)


def set_values(engine: Engine, model: Any, pair: Pair, number: int, update: int) -> None:
    """Give the model the numbers of an update; counters count."""
    for i, value in enumerate(model.state_dict().values()):
        target = engine.array_view(value)
        target[...] = _noise(pair, number, update, target.shape, i) if target.dtype.kind == "f" else 3 * update


def _noise(pair: Pair, number: int, update: int, shape: tuple[int, ...], i: int = 0) -> np.ndarray:
    return np.asarray(generator(pair, number, update, i).normal(size=shape), np.float32)


def _arrays(engine: Engine, model: Any) -> Numbers:
    return {name: engine.array(value) for name, value in model.state_dict().items()}

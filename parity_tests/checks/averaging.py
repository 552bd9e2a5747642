"""Check averaged weights: every parameter and buffer of the averaged copy after every update, and which is refused.

The model is a small network with batch normalization, whose parameters move by fixed random numbers; its counter of
batches is a buffer of integers. `kwargs` names the
averaging function: {"avg_fn": ("get_ema_avg_fn", 0.9)}.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from parity_tests.checks.draws import over_draws
from parity_tests.checks.sides import Numbers, labelled_generator
from parity_tests.engine import Engine
from parity_tests.rule import Result
from parity_tests.table.row import Averaging


def check_averaging(row: Averaging, dtypes: tuple[str, ...], ours: Engine, theirs: Engine) -> list[Result]:
    return over_draws(row, dtypes, ours, theirs, run)


def run(row: Averaging, engine: Engine, dtype: str, number: int) -> Numbers:
    """The state_dict of the averaged model after all updates, with those before under numbered names."""
    model = network(engine, dtype)
    if row.name.endswith("update_bn"):
        first, second, third = (engine.native(batch.astype(dtype)) for batch in batches(row, number))
        set_values(engine, model, row, number, 0)
        engine.find(row.name)([first, (second, "label"), [third]], model)
        return _arrays(engine, model)
    kwargs = {name: _function(engine, value) for name, value in row.kwargs.items()}
    averaged = engine.find("optim.swa_utils.AveragedModel")(model, **kwargs)
    numbers: Numbers = {}
    for update in range(row.updates):
        set_values(engine, model, row, number, update)
        try:
            averaged.update_parameters(model)
        except RuntimeError:
            return numbers | {"refused at update": np.array(update + 1)}
        numbers.update({f"{name} after {update + 1}": value for name, value in _arrays(engine, averaged).items()})
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
    state = {name: engine.array_view(value) for name, value in model.state_dict().items()}
    values = {
        name: _noise(row.label, number, update, x.shape, i) if x.dtype.kind == "f" else np.array(3 * update)
        for i, (name, x) in enumerate(state.items())
    }
    model.load_state_dict({name: engine.native(values[name].astype(x.dtype)) for name, x in state.items()})


def batches(row: Averaging, number: int) -> list[np.ndarray]:
    """The inputs from which update_bn computes statistics, in float32."""
    return [_noise(row.label, number, 99 + i, (7, 5)) for i in range(3)]


@lru_cache(1024)  # each engine asks for the same in each precision
def _noise(label: str, number: int, update: int, shape: tuple[int, ...], i: int = 0) -> np.ndarray:
    return np.asarray(labelled_generator(label, number, update, i).normal(size=shape), np.float32)


def _arrays(engine: Engine, model: Any) -> Numbers:
    return {name: engine.array(value) for name, value in model.state_dict().items()}

"""Check averaged weights: every parameter and buffer of the averaged copy, after every update.

The model is a small network with batch normalization, whose parameters move by fixed random numbers. `kwargs` names the
averaging function: {"avg_fn": ("get_ema_avg_fn", 0.9)}.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import scratch
import torch_impl
from parity_tests.checks.sides import Numbers, find, generator
from parity_tests.engine import array_of
from parity_tests.rule import DRAWS, Result, distance, exactly, float32_limit, float64_limit
from parity_tests.table.row import Pair

UPDATES = 7


def check_averaging(pair: Pair, dtype: str) -> list[Result]:
    u: dict[str, float] = {}
    error: dict[str, float] = {}
    for number in range(DRAWS):
        truth, rough = (run(pair, torch_impl, kind, number) for kind in ("float64", "float32"))
        ours = run(pair, scratch, dtype, number)
        if list(ours) != list(truth):
            return [exactly(pair.label, "names", dtype, False, f"{list(ours)}, torch {list(truth)}")]
        for what, exact in truth.items():
            like = exact if dtype == "float64" else rough[what]
            apart = distance(ours[what], exact) if ours[what].dtype == like.dtype else np.inf
            u[what] = max(u.get(what, 0.0), distance(rough[what], exact))
            error[what] = max(error.get(what, 0.0), apart)
    limit = float32_limit if dtype == "float32" else float64_limit
    return [Result(pair.label, what, dtype, value, limit(u[what])) for what, value in error.items()]


def run(pair: Pair, package: Any, dtype: str, number: int) -> Numbers:
    """The state_dict of the averaged model after all updates, with those before under numbered names."""
    model: Any
    if package is scratch:
        model = scratch.nn.Sequential(scratch.nn.Linear(5, 3, dtype=dtype), scratch.nn.BatchNorm1d(3, dtype=dtype))
    else:
        model = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.BatchNorm1d(3)).to(getattr(torch, dtype))
    noise = [_noise(pair, number, 99 + i, (7, 5)).astype(dtype) for i in range(3)]
    batches: list[Any] = noise if package is scratch else [torch.tensor(batch) for batch in noise]
    if pair.name.endswith("update_bn"):
        _set(model, pair, number, 0)
        find(package, pair.name)([batches[0], (batches[1], "label"), [batches[2]]], model)
        return _arrays(model)
    kwargs = {name: _function(package, value) for name, value in pair.kwargs.items()}
    averaged = find(package, "optim.swa_utils.AveragedModel")(model, **kwargs)
    numbers: Numbers = {}
    for update in range(UPDATES):
        _set(model, pair, number, update)
        averaged.update_parameters(model)
        numbers |= {f"{name} after {update + 1}": value for name, value in _arrays(averaged).items()}
    return numbers


def _function(package: Any, value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    name, *args = value
    return find(package, f"optim.swa_utils.{name}")(*args)


def _set(model: Any, pair: Pair, number: int, update: int) -> None:
    """Give the model the numbers of an update; counters count."""
    for i, value in enumerate(model.state_dict().values()):
        target = value.numpy() if isinstance(value, torch.Tensor) else value
        target[...] = _noise(pair, number, update, target.shape, i) if target.dtype.kind == "f" else 3 * update


def _noise(pair: Pair, number: int, update: int, shape: tuple[int, ...], i: int = 0) -> np.ndarray:
    return np.asarray(generator(pair, number, update, i).normal(size=shape), np.float32)


def _arrays(model: Any) -> Numbers:
    return {name: np.array(array_of(value)) for name, value in model.state_dict().items()}

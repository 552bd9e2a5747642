"""Check gradient clipping: the norm that is returned and every gradient afterwards.

The row's inputs are the gradients; None stands for a parameter without one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import scratch
import torch_impl
from parity_tests.checks.sides import Numbers, draw, find, generator
from parity_tests.rule import DRAWS, Result, distance, exactly, float32_limit, float64_limit
from parity_tests.table.row import Pair


def check_clip(pair: Pair, dtype: str) -> list[Result]:
    u: dict[str, float] = {}
    error: dict[str, float] = {}
    for number in range(DRAWS):
        truth, rough = (torch_side(pair, kind, number) for kind in ("float64", "float32"))
        ours = scratch_side(pair, dtype, number)
        for what, exact in truth.items():
            u[what] = max(u.get(what, 0.0), distance(rough[what], exact))
            error[what] = max(error.get(what, 0.0), distance(ours[what], exact))
            if ours[what].dtype != dtype:
                return [exactly(pair.label, what, dtype, False, f"the dtype is {ours[what].dtype}")]
    limit = float32_limit if dtype == "float32" else float64_limit
    return [Result(pair.label, what, dtype, value, limit(u[what])) for what, value in error.items()]


def gradients(pair: Pair, dtype: str, number: int) -> list[np.ndarray | None]:
    return list(draw(pair.inputs, generator(pair, 0, number), np.dtype(dtype)))


def scratch_side(pair: Pair, dtype: str, number: int) -> Numbers:
    arrays = gradients(pair, dtype, number)
    parameters = [scratch.nn.Parameter(np.zeros(1 if g is None else g.shape, dtype)) for g in arrays]
    for parameter, gradient in zip(parameters, arrays, strict=True):
        parameter.grad = gradient
    returned = _call(pair, scratch, parameters, arrays, np.asarray)
    return _numbers(returned, [p.grad for p in parameters])


def torch_side(pair: Pair, dtype: str, number: int) -> Numbers:
    arrays = gradients(pair, dtype, number)
    tensors = [None if g is None else torch.tensor(g) for g in arrays]
    zeros = [torch.zeros(1 if g is None else g.shape, dtype=getattr(torch, dtype)) for g in arrays]
    parameters = [torch.nn.Parameter(zero) for zero in zeros]
    for parameter, tensor in zip(parameters, tensors, strict=True):
        parameter.grad = tensor
    returned = _call(pair, torch_impl, parameters, tensors, torch.tensor)
    return _numbers(returned, [None if p.grad is None else p.grad.numpy() for p in parameters])


def _call(pair: Pair, package: Any, parameters: list[Any], gradients: list[Any], scalar: Any) -> Any:
    function = find(package, pair.name)
    if pair.name.endswith("get_total_norm"):
        return function([g for g in gradients if g is not None], **pair.kwargs)
    if pair.name.endswith("clip_grads_with_norm_"):
        norm = scalar(pair.kwargs["total_norm"]).astype(gradients[0].dtype) if package is scratch else None
        norm = torch.tensor(pair.kwargs["total_norm"], dtype=gradients[0].dtype) if norm is None else norm
        return function(parameters, pair.kwargs["max_norm"], norm)
    return function(parameters, **pair.kwargs)


def _numbers(returned: Any, gradients: list[np.ndarray | None]) -> Numbers:
    numbers = {f"gradient {i}": np.array(g) for i, g in enumerate(gradients) if g is not None}
    return numbers if returned is None else {"norm": np.asarray(returned), **numbers}

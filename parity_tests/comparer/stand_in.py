"""A stand-in for a torch layer: its outputs and the gradients of its inputs are given, not computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from parity_tests.comparer.nests import map_nest, packed_for
from parity_tests.comparer.side import Key, Probe
from parity_tests.comparer.values import array, floats, is_float, tensors


def stand_in(probe: Probe, key: Key, outputs: Any, args: Any) -> Any:
    """What a layer called with `args` returns: the outputs that the probe has for it, known to autograd."""
    inputs = floats(args)
    outputs = packed_for("torch", outputs)
    given = [x if isinstance(x, torch.Tensor) else torch.tensor(np.asarray(x)) for x in floats(outputs)]
    root = torch.zeros((), requires_grad=True)  # without a floating input the outputs still ask for a gradient
    values = iter(_StandIn.apply(probe, key, given, root, *inputs) if given else ())
    return map_nest(lambda y: next(values) if is_float(y) else tensors(y), outputs)


def overwrite(args: Any, after: Any) -> None:
    """Give the arguments of a replaced call the values that it would have written into them, if it writes any."""
    for x, value in zip(floats(args), floats(after) if after is not None else (), strict=False):
        if tuple(x.shape) == tuple(value.shape):
            if isinstance(x, torch.Tensor):
                x.data.copy_(torch.as_tensor(value))
            elif x.flags.writeable:
                x[...] = array(value)


class _StandIn(torch.autograd.Function):
    """A layer whose outputs and gradients are given. An input of another shape has a gradient of zeros."""

    @staticmethod
    def forward(ctx: Any, probe: Probe, key: Key, outputs: list[torch.Tensor], root: Any, *inputs: Any) -> Any:
        ctx.probe, ctx.key, ctx.shapes = probe, key, [getattr(x, "shape", None) for x in inputs]
        return tuple(y.clone() for y in outputs)

    @staticmethod
    def backward(ctx: Any, *dys: Any) -> Any:
        for i, dy in enumerate(dys):
            if dy is not None:
                ctx.probe.cotangent(ctx.key, i, array(dy))
        given = iter(tensors(ctx.probe.stand_in_gradients(ctx.key)))
        return None, None, None, None, *(_fitting(next(given, None), shape) for shape in ctx.shapes)


def _fitting(gradient: Any, shape: Any) -> Any:
    return gradient if gradient is None or gradient.shape == shape else gradient.new_zeros(shape)

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


class _StandIn(torch.autograd.Function):
    """A layer whose outputs and gradients are given."""

    @staticmethod
    def forward(ctx: Any, probe: Probe, key: Key, outputs: list[torch.Tensor], *inputs: Any) -> Any:
        ctx.probe, ctx.key, ctx.count = probe, key, len(inputs) - 1
        return tuple(y.clone() for y in outputs)

    @staticmethod
    def backward(ctx: Any, *dys: Any) -> Any:
        for i, dy in enumerate(dys):
            if dy is not None:
                ctx.probe.cotangent(ctx.key, i, array(dy))
        given = iter(tensors(ctx.probe.stand_in_gradients(ctx.key)))
        return None, None, None, None, *(next(given, None) for _ in range(ctx.count))

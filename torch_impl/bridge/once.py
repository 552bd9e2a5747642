"""Gradients that NumPy computed: they can be used, but not differentiated again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def once(gradients: Sequence[torch.Tensor | None], depends_on: Sequence[Any]) -> Sequence[torch.Tensor | None]:
    """The gradients; under create_graph=True whoever differentiates them by what they depend on is refused.

    torch's once_differentiable refuses only where the cotangent asks for a gradient, and not in torch.autograd.grad:
    the penalty of a WGAN, whose cotangent is a constant, would be a constant too, and a Hessian zero.
    """
    if not torch.is_grad_enabled():
        return gradients
    return Once.apply(len(gradients), *gradients, *depends_on)


class Once(torch.autograd.Function):
    """The first `count` tensors, as functions of all others."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Any) -> Any:
        return tuple(None if t is None else t.view_as(t) for t in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        raise RuntimeError(
            "TorchModule: a gradient that NumPy computed cannot be differentiated again, as gradient penalties, "
            "Hessians and MAML do. Use the torch twin of this module for them."
        )

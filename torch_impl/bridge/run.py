"""One forward and backward of a scratch module as a node of torch's graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

import scratch
from torch_impl.bridge.nest import Shape, leaves
from torch_impl.bridge.once import once
from torch_impl.bridge.seen import Seen
from torch_impl.bridge.shared import as_array, as_tensor, same_memory


class Run(torch.autograd.Function):
    """The tensors are the leaves of the inputs, then one for each parameter, whose numbers the parameters have."""

    @staticmethod
    def forward(ctx: Any, seen: Seen, shape: Shape, recording: bool, *tensors: Any) -> Any:
        module, inputs = seen.modules[0], shape.fill(map(as_array, tensors))
        if recording:
            output = module(*inputs)
            ctx.save_for_backward(*(t for t in tensors if isinstance(t, torch.Tensor)))  # detects writes in between
            ctx.saved = [(m, saved) for m in seen.modules if (saved := m.saved) is not None]
            for m, _ in ctx.saved:
                m.saved = None
        else:
            with scratch.no_grad():
                output = module(*inputs)
        ctx.module, ctx.links, ctx.inputs = module, seen.links, tensors[: shape.count]
        shape.output = ctx.output = Shape(output)
        return tuple(None if y is None else torch.from_numpy(np.asarray(y)) for y in leaves(output))

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        saved = ctx.saved_tensors
        weights = saved[len(saved) - len(ctx.links) :]
        needed = ctx.needs_input_grad[3:]
        with torch.no_grad(), _as_in_forward(ctx, weights, needed[len(ctx.inputs) :], any(needed[: len(ctx.inputs)])):
            dx = ctx.module.backward(*_as_arguments(ctx.output.fill(map(as_array, cotangents))))
            gradients = [*_input_gradients(ctx.inputs, dx), *(as_tensor(link.parameter.grad) for link in ctx.links)]
        return None, None, None, *once(gradients, (*saved, *cotangents))


@contextmanager
def _as_in_forward(ctx: Any, weights: Sequence[torch.Tensor], needed: Sequence[bool], needs_dx: bool) -> Iterator[None]:
    """Saved values and weights as forward had them, no gradients yet; afterwards everything as it was before."""
    module, kept = ctx.module, []
    needs_input_grad = module.needs_input_grad
    for (p, _, known), tensor, needs_gradient in zip(ctx.links, weights, needed, strict=True):
        kept.append((p, p.data, p.grad, p.grad_buffer, p.requires_grad))
        p.grad = p.grad_buffer = None
        p.requires_grad = needs_gradient
        if not known.shows(tensor, p.data) and not same_memory(tensor, p.data):
            p.data = as_array(tensor)
    for m, saved in ctx.saved:
        m.saved = saved
    module.requires_input_grad_(needs_dx)
    try:
        yield
    finally:
        module.requires_input_grad_(needs_input_grad)
        for m, _ in ctx.saved:
            m.saved = None
        for p, data, grad, buffer, requires_grad in kept:
            p.data, p.grad, p.grad_buffer, p.requires_grad = data, grad, buffer, requires_grad


def _as_arguments(cotangents: Any) -> tuple[Any, ...]:
    """backward(dy) for one output, backward(dy, (dh, dc)) for several, as scratch modules take them."""
    return tuple(cotangents) if isinstance(cotangents, tuple | list) else (cotangents,)


def _input_gradients(inputs: Any, gradients: Any) -> list[torch.Tensor | None]:
    """Assign the gradients, in order, to the floating inputs; inputs after the last one are targets and get none."""
    gradients = iter([as_tensor(g) for g in leaves(gradients)])
    floating = [isinstance(x, torch.Tensor) and x.is_floating_point() for x in inputs]
    return [next(gradients, None) if f else None for f in floating]

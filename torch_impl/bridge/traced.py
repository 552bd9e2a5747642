"""Tools of torch that trace a module: what they would make of NumPy is another program."""

from __future__ import annotations

import torch
from torch._compile import _disable_dynamo

uncompiled = _disable_dynamo  # torch.compile would translate NumPy into torch; what this decorates runs as it is


def refuse_traced() -> None:
    """Refuse where tensors have no numbers, or where what is done with them would be recorded.

    Raises    RuntimeError under torch.func's transforms, torch.jit.trace and torch.export.
    """
    if torch._C._are_functorch_transforms_active():
        raise RuntimeError(
            "TorchModule: torch.func's transforms (grad, vjp, jacrev, vmap, jvp) cannot follow NumPy. Use "
            "torch.autograd.grad, torch.autograd.functional.jacobian, a loop in place of vmap."
        )
    if torch.compiler.is_exporting() or torch._C._get_tracing_state() is not None:
        raise RuntimeError(
            "TorchModule: torch.jit.trace, torch.export and torch.onnx.export cannot record what NumPy computes. Copy "
            "the parameters into the torch twin with copy_parameters, and export that."
        )

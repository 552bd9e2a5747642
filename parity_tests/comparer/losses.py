"""A loss for either side: torch's for NumPy, scratch's for torch, or each its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import scratch
from parity_tests.comparer.values import tensors
from torch_impl.bridge import TorchModule


class TorchLoss:
    """A torch loss between arrays: forward and backward by autograd."""

    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def forward(self, prediction: np.ndarray, target: Any) -> np.ndarray:
        self.prediction = torch.tensor(prediction, requires_grad=True)
        with torch.enable_grad():
            self.value = self.loss(self.prediction, tensors(target))
        return self.value.detach().numpy()

    def backward(self, dloss: Any) -> np.ndarray:
        (gradient,) = torch.autograd.grad(self.value, self.prediction, torch.as_tensor(dloss, dtype=self.value.dtype))
        return gradient.numpy()


def loss_for(loss: Any, model: Any, position: int) -> Any:
    """The loss of one side, from what `compare` was given."""
    if loss is None:
        return None
    if isinstance(loss, tuple | list):
        if len(loss) != 2:
            raise ValueError(f"compare: loss must be one loss or a pair, got {len(loss)} of them.")
        loss = loss[position]
    if not (isinstance(loss, str) or callable(loss) or callable(getattr(loss, "forward", None))):
        raise ValueError(
            f"compare: a loss is a module, an object with forward(prediction, target), a function of these or "
            f"the name of a class, got {type(loss).__name__}."
        )
    is_torch = isinstance(model, torch.nn.Module)
    if isinstance(loss, str):
        package = torch.nn if is_torch else scratch.nn
        if not hasattr(package, loss):
            raise ValueError(f"compare: there is no loss {loss!r} in {package.__name__}.")
        return getattr(package, loss)()
    if is_torch:
        return TorchModule(loss) if isinstance(loss, scratch.nn.Module) else loss
    return TorchLoss(loss) if isinstance(loss, torch.nn.Module) else loss

"""The side that a model makes: torch's, or one of arrays."""

from __future__ import annotations

from typing import Any

import torch

from parity_tests.comparer.array_side import ArraySide
from parity_tests.comparer.side import Side
from parity_tests.comparer.torch_side import TorchSide


def side_of(model: Any, loss: Any = None) -> Side:
    if isinstance(model, Side):
        return model
    if isinstance(model, torch.nn.Module):
        return TorchSide(model, loss)
    if callable(getattr(model, "forward", None)):
        return ArraySide(model, loss)
    raise TypeError(
        f"compare: a side is a scratch Module, a torch Module or an object with forward(x), got {type(model).__name__}."
    )

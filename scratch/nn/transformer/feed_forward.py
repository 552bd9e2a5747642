"""What encoders and decoders share: the check of given parts, the activation, and the feed-forward block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scratch.nn.activation import GELU, ReLU
from scratch.nn.module import Module

ACTIVATIONS: dict[str, Callable[[], Module]] = {"relu": ReLU, "gelu": GELU}


def make_activation(layer: str, activation: str | Module) -> Module:
    """A separate module for each layer, since it saves what its backward needs."""
    if isinstance(activation, Module):
        return activation
    if not isinstance(activation, str):
        raise TypeError(f"{layer}: activation must be 'relu', 'gelu' or a scratch Module, got {activation!r}.")
    if activation not in ACTIVATIONS:
        raise RuntimeError(f"{layer}: activation must be 'relu', 'gelu' or a scratch Module, got {activation!r}.")
    return ACTIVATIONS[activation]()


def check_sizes(call: str, d_model: int, nhead: int, dim_feedforward: int, dropout: float) -> None:
    """Refuse arguments that a part would refuse, in the name of the layer that is being built."""
    if d_model <= 0 or nhead <= 0:
        raise ValueError(f"{call}: d_model and nhead must be positive, got {d_model} and {nhead}.")
    if d_model % nhead:
        raise AssertionError(f"{call}: d_model must be a multiple of nhead, got {d_model} and {nhead}.")
    if dim_feedforward < 0:
        raise RuntimeError(f"{call}: dim_feedforward must not be negative, got {dim_feedforward}.")
    if not 0 <= dropout <= 1:
        raise ValueError(f"{call}: dropout must be in [0, 1], got {dropout}.")


def check_module(call: str, **parts: Any) -> None:
    """Refuse a constructor's part that is not a module."""
    for name, part in parts.items():
        if part is not None and not isinstance(part, Module):
            raise TypeError(f"{call}: {name} must be a scratch Module or None, got {part!r}.")


def feed_forward(x: np.ndarray, linear1: Module, activation: Module, dropout: Module, linear2: Module) -> np.ndarray:
    return linear2(dropout(activation(linear1(x))))


def feed_forward_backward(
    dy: np.ndarray, linear1: Module, activation: Module, dropout: Module, linear2: Module
) -> np.ndarray:
    return linear1.backward(activation.backward(dropout.backward(linear2.backward(dy))))

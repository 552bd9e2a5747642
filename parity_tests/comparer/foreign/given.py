"""Parameters with .data and .grad, of torch or of arrays, for optimizers of other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from parity_tests.comparer.values import array


def data(parameter: Any) -> np.ndarray:
    """A copy of its numbers."""
    return np.array(array(parameter.data))


def gradient(parameter: Any) -> np.ndarray:
    """A copy of its gradient; zeros if it has none."""
    return np.zeros_like(data(parameter)) if parameter.grad is None else np.array(array(parameter.grad))


def put(parameter: Any, value: np.ndarray) -> None:
    """New numbers in the parameter's own memory."""
    if isinstance(parameter.data, torch.Tensor):
        parameter.data.copy_(torch.as_tensor(np.array(value)))
    else:
        parameter.data[...] = value

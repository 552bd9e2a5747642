"""Activation: what all activations share."""

from typing import Any

import numpy as np

from scratch.arrays import fault_of
from scratch.nn.module import Module

FLOATS = frozenset(np.dtype(char) for char in "fd")


class Activation(Module):
    """A function of float32 or float64 numbers, of one array, without parameters.

    Torch     integers have no gradient and are refused here. torch also refuses them for most activations; but its
              ReLU, ReLU6, Hardtanh and Threshold return integers, and its Sigmoid, Tanh, Tanhshrink and Softsign
              float32. It also computes in half precision, and partly with complex numbers.
    Raises    NotImplementedError for other numbers than float32 and float64; what every layer raises for what is no
              plain array of numbers.
    """

    _dtypes = FLOATS

    def look_twice(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
        for x in (*inputs, *options.values()):
            if isinstance(x, np.ndarray | np.generic) and x.dtype.char not in "fd" and not fault_of(x):
                raise NotImplementedError(
                    f"{self}: the input must be float32 or float64, got {x.dtype}. Use x.astype(np.float32)."
                )
        super().look_twice(inputs, options)

    def axis(self, x: np.ndarray, dim: int) -> int:
        """`dim` as an axis of x, counted from the front; a scalar has one axis, as in torch."""
        ndim = max(x.ndim, 1)
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"{self}: dim must be in [{-ndim}, {ndim - 1}] for an input of shape {x.shape}, got {dim}. "
                "Was the batch dimension left out?"
            )
        return dim % ndim

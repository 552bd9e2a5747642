"""Two inputs that may repeat along an axis, and the gradient of the repeated one."""

import numpy as np

from scratch.nn.module import Module


def broadcast(module: Module, x1: np.ndarray, x2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both inputs in their common shape: an axis of size 1, or one that is missing in front, repeats."""
    if x1.dtype.char not in "fd" or x1.dtype != x2.dtype:
        raise RuntimeError(f"{module}: both inputs must be float32, or both float64, got {x1.dtype} and {x2.dtype}.")
    try:
        shape = np.broadcast_shapes(x1.shape, x2.shape)
    except ValueError:
        raise RuntimeError(
            f"{module}: the sizes of the inputs must be equal, or 1, got shapes {x1.shape} and {x2.shape}."
        ) from None
    return np.broadcast_to(x1, shape), np.broadcast_to(x2, shape)


def sum_repeated(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The gradient of an input of that shape: an element that was read several times collects a gradient from each
    reading.
    """
    missing = gradient.ndim - len(shape)
    repeated = tuple(i for i, n in enumerate(shape, missing) if n == 1 and gradient.shape[i] != 1)
    return gradient.sum((*range(missing), *repeated), keepdims=True).reshape(shape) if missing or repeated else gradient

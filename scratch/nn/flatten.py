"""Flatten and Unflatten: the same numbers, counted in fewer or more dimensions."""

import math
from typing import Any

import numpy as np

from scratch.nn.module import Module


class Flatten(Module):
    """Merge the dimensions from start_dim to end_dim into one.

        y[n, c W H + h W + w] = x[n, c, h, w]        for the default start_dim = 1, end_dim = -1

    Shapes    x (N, ...); y (N, product of the rest).
    Backward  dx = dy reshaped to the shape of x
    Why       no number changes, each only gets another index.
    Saves     the shape of x.
    Torch     torch.nn.Flatten; a scalar becomes one dimension of size 1.
    Raises    IndexError for a dimension that x does not have; RuntimeError if start_dim comes after end_dim.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: np.ndarray) -> np.ndarray:
        start, end = (self._axis(dim, x) for dim in (self.start_dim, self.end_dim))
        if start > end:
            raise RuntimeError(f"{self}: start_dim cannot come after end_dim; the input has shape {x.shape}.")
        y = x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])
        return self.save(y, x.shape)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        shape = self.take(dy)
        return dy.reshape(shape)

    def _axis(self, dim: int, x: np.ndarray) -> int:
        dims = max(x.ndim, 1)
        if not -dims <= dim < dims:
            raise IndexError(f"{self}: dimension {dim} is not in [{-dims}, {dims - 1}]; the input has shape {x.shape}.")
        return dim % dims

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split one dimension into several.

        y[n, c, h, w] = x[n, c W H + h W + w]        for dim = 1, unflattened_size = (C, H, W)

    Shapes    x (..., C H W, ...); y (..., C, H, W, ...). One size may be -1: it is computed from the others.
    Backward  dx = dy reshaped to the shape of x
    Why       no number changes, each only gets another index.
    Saves     the shape of x.
    Torch     torch.nn.Unflatten; its named dimensions are left out.
    Raises    TypeError for sizes that are not a tuple or list of ints; RuntimeError if they do not multiply up.
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        if not isinstance(unflattened_size, tuple | list) or not all(isinstance(n, int) for n in unflattened_size):
            raise TypeError(f"Unflatten: unflattened_size must be a tuple of ints, got {unflattened_size!r}.")
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: np.ndarray) -> np.ndarray:
        if not -x.ndim <= self.dim < x.ndim:
            raise IndexError(f"{self}: the input of shape {x.shape} has no dimension {self.dim}.")
        dim, sizes = self.dim % x.ndim, self.unflattened_size
        known = math.prod(n for n in sizes if n != -1)
        fits = x.shape[dim] == known if -1 not in sizes else known > 0 and x.shape[dim] % known == 0
        if not sizes or sizes.count(-1) > 1 or not fits:
            raise RuntimeError(f"{self}: the sizes must multiply up to dimension {dim} of the input, shape {x.shape}.")
        sizes = tuple(x.shape[dim] // known if n == -1 else n for n in sizes)
        return self.save(x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :]), x.shape)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        shape = self.take(dy)
        return dy.reshape(shape)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"

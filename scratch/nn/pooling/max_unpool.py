"""MaxUnpool1d, MaxUnpool2d, MaxUnpool3d: put maxima back at their original positions."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from scratch.nn.module import Module
from scratch.nn.pooling.max_pool import in_all_images
from scratch.nn.pooling.sliding import check_floating, check_images
from scratch.nn.windows import per_axis


class _MaxUnpool(Module):
    """A partial inverse of max pooling: the maxima at their old places, zeros elsewhere.

        y_(i_o) = x_o        i = indices, as MaxPool with return_indices gives them

    Shapes    x, indices (N, C, O, ...) or (C, O, ...); y with I = (O - 1) stride - 2 padding + kernel_size instead of
              O, or with output_size, which may differ from that by less than one stride: pooling rounds, so several
              sizes lead to one O.
    Backward  dx_o = dy_(i_o)
    Why       each x_o is copied to one place. If an index occurs twice, the last x stays, but torch and scratch pass dy
              to both.
    Saves     i.
    Numerics  exact.
    Torch     torch.nn.MaxUnpool1d, MaxUnpool2d, MaxUnpool3d.
    Raises    RuntimeError for indices of another shape or dtype than x's and int64, or outside y; ValueError for an
              output_size that pooling cannot map to O; NotImplementedError for integer x.
    """

    dimensions: int
    kernel_size: Any
    stride: Any
    padding: Any

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        vars(self).update(kernel_size=kernel_size, stride=stride, padding=padding)  # for the text of an error
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding

    def __setattr__(self, name: str, value: Any) -> None:
        """Options are one int for each axis, also those that are assigned later."""
        if name in ("kernel_size", "stride", "padding"):
            value = per_axis(self, name, value, self.dimensions)
        super().__setattr__(name, value)

    def forward(self, x: np.ndarray, indices: np.ndarray, output_size: Sequence[int] | None = None) -> np.ndarray:
        n = self.dimensions
        check_images(self, x, n, only_batch_empty=False)
        check_floating(self, x)
        if indices.dtype != np.int64:
            raise RuntimeError(f"{self}: indices must be int64, got {indices.dtype}.")
        if indices.shape != x.shape:
            raise RuntimeError(f"{self}: indices must have the shape of the input, {x.shape}, got {indices.shape}.")
        shape = (*x.shape[:-n], *self.sizes(x.shape[-n:], output_size))
        if n == 3 and min(self.stride) <= 0:
            raise RuntimeError(f"{self}: the stride must be positive.")
        pixels = math.prod(shape[-n:])
        if indices.min(initial=0) < 0 or indices.max(initial=-1) >= pixels:
            raise RuntimeError(
                f"{self}: indices must lie in [0, {pixels}) for an output of size {shape[-n:]}, "
                f"got {indices.min()} to {indices.max()}. Pass the output_size that was pooled."
            )
        where = in_all_images(indices, shape, n)
        y = np.zeros(shape, x.dtype)
        y.reshape(-1)[where] = x.reshape(-1)
        return self.save(y, where, x.shape)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        where, shape = self.take(dy)
        return np.take(dy, where).reshape(shape)

    def sizes(self, sizes: tuple[int, ...], output_size: Sequence[int] | None) -> tuple[int, ...]:
        """I of every axis."""
        n = self.dimensions
        axes = zip(sizes, self.kernel_size, self.stride, self.padding, strict=True)
        natural = tuple((o - 1) * s - 2 * p + k for o, k, s, p in axes)
        chosen = natural if output_size is None else tuple(output_size)
        if len(chosen) == n + 2:
            chosen = chosen[2:]
        if len(chosen) != n:
            raise ValueError(f"{self}: output_size must have {n} or {n + 2} entries, got {output_size}.")
        far = any(abs(i - j) >= s for i, j, s in zip(chosen, natural, self.stride, strict=True))
        if (output_size is not None and far) or min(chosen) < 0:
            raise ValueError(
                f"{self}: output_size must be at least 0 and within one stride of {natural}, got {output_size}."
            )
        return chosen

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    __doc__ = _MaxUnpool.__doc__
    dimensions = 1


class MaxUnpool2d(_MaxUnpool):
    __doc__ = _MaxUnpool.__doc__
    dimensions = 2


class MaxUnpool3d(_MaxUnpool):
    __doc__ = _MaxUnpool.__doc__
    dimensions = 3

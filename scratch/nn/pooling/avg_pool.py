"""AvgPool1d, AvgPool2d, AvgPool3d: the mean of every window."""

from functools import reduce
from typing import Any

import numpy as np

from scratch.nn.axis_matrix import apply_each, transposed
from scratch.nn.module import Module
from scratch.nn.pooling.sliding import (
    check_floating,
    check_holds_kernel,
    check_images,
    pooling_windows,
    window_sums,
)
from scratch.nn.windows import AxisWindows, per_axis


class _AvgPool(Module):
    """The mean of every window.

        y_o = Σ_k x_(o s - p + k) / m_o        k over the kernel's positions, stride s, padding p

    The divisor m_o is the number of positions that the window covers. Padding counts as zeros that are averaged too,
    unless count_include_pad is False; where ceil_mode lets a window reach beyond the padding, that part never counts.
    divisor_override, in 2d and 3d, replaces m_o.

    Shapes    x (N, C, I, ...) or (C, I, ...); y with O instead of I on every spatial axis (see sliding_windows).
    Options   kernel_size K, stride (K if it is None) and padding, an int or one for each axis; ceil_mode lets a last
              window reach beyond the end; count_include_pad; divisor_override, not in 1d.
    Backward  dx_i = Σ_o dy_o / m_o over the windows o that read i
    Why       x_i enters each of these means with the weight 1 / m_o, and no other.
    Saves     the windows and m; nothing of the size of x.
    Numerics  a window is a box, so its sum is taken axis by axis: n k additions instead of k^n.
    Torch     torch.nn.AvgPool1d, AvgPool2d, AvgPool3d; torch also takes int64 and truncates, here integers are refused.
    Raises    RuntimeError for another number of dimensions, an empty image, a window that does not fit, a padding of
              more than half a window, or divisor 0; TypeError for options that are not ints; NotImplementedError for
              integer input.
    """

    dimensions: int
    divisor_override: int | None = None

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: np.ndarray) -> np.ndarray:
        windows = self.windows(x)
        divisor = self.divisor(x, windows).astype(x.dtype)
        sums = window_sums(windows)
        y = apply_each(sums, x)
        y /= divisor
        return self.save(y, sums, divisor)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        sums, divisor = self.take(dy)
        return apply_each(transposed(sums), dy / divisor)

    def windows(self, x: np.ndarray) -> list[AxisWindows]:
        check_images(self, x, self.dimensions)
        check_floating(self, x)
        sizes = x.shape[-self.dimensions :]
        return pooling_windows(self, sizes, self.kernel_size, self.stride, self.padding, 1, self.ceil_mode)

    def divisor(self, x: np.ndarray, windows: list[AxisWindows]) -> np.ndarray:
        """m, broadcast against y: the product of what each axis covers."""
        if self.divisor_override is not None:
            if self.divisor_override == 0:
                raise RuntimeError(f"{self}: divisor_override must not be 0.")
            return np.array(self.divisor_override)
        if not self.count_include_pad:
            return outer([w.counts for w in windows])
        n = self.dimensions
        kernel, stride = per_axis(self, "kernel_size", self.kernel_size, n), per_axis(self, "stride", self.stride, n)
        padding = per_axis(self, "padding", self.padding, n)
        covered = []
        for w, size, k, s, p in zip(windows, x.shape[-n:], kernel, stride, padding, strict=True):
            start = np.arange(len(w.first)) * s - p
            covered.append(np.minimum(start + k, size + p) - start)
        return outer(covered)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    __doc__ = _AvgPool.__doc__
    dimensions = 1

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)


class AvgPool2d(_AvgPool):
    __doc__ = _AvgPool.__doc__
    dimensions = 2


class AvgPool3d(_AvgPool):
    __doc__ = _AvgPool.__doc__
    dimensions = 3

    def windows(self, x: np.ndarray) -> list[AxisWindows]:
        windows = super().windows(x)
        check_holds_kernel(self, x, self.kernel_size)
        return windows


def outer(counts: list[np.ndarray]) -> np.ndarray:
    """The product of one number per axis, for every combination."""
    return reduce(np.multiply.outer, counts)

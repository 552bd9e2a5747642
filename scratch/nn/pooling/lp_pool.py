"""LPPool1d, LPPool2d, LPPool3d: the p-norm of every window."""

import math
from typing import Any

import numpy as np

from scratch.nn.axis_matrix import apply_each, transposed
from scratch.nn.module import Module
from scratch.nn.pooling.avg_pool import outer
from scratch.nn.pooling.max_pool import add_at, largest
from scratch.nn.pooling.sliding import (
    check_floating,
    check_holds_kernel,
    check_images,
    pooling_windows,
    window_sums,
)
from scratch.nn.windows import AxisWindows, per_axis


class _LPPool(Module):
    """The p-norm of every window, p = norm_type, without the absolute value.

        s_o = c_o Σ_k x_(o s + k)^p        y_o = s_o^(1/p)        k over the kernel's positions, stride s

    c_o is 1; where ceil_mode lets a window reach beyond the input, c_o scales its sum up to a whole window.
    For p = inf, y_o = max_k |x_k|, and for p = -inf the minimum.

    Shapes    x (N, C, I, ...) or (C, I, ...); y with O instead of I on every spatial axis (see sliding_windows).
    Options   norm_type p; kernel_size K, stride (K if it is None), an int or one for each axis; ceil_mode lets a last
              window reach beyond the end.
    Backward  ds = dy s^(1/p - 1) / p, but 0 where s is 0
                  dx_i = p x_i^(p-1) Σ_o c_o ds_o over the windows o that read i
                  dx_i = sign(x_i) Σ_o dy_o over the windows whose winner is i        for p = ±inf
    Why       the chain rule through the power, the sum and the root. At s = 0 the root has no slope; torch takes 0.
    Saves     x, s, the windows and c; for p = ±inf x and where the winners lie.
    Numerics  a negative x or s under a fractional power is NaN, as in torch: for odd p the norm of a negative sum.
              The sign of NaN counts as 0, in ds too, which matters for p = 1 alone: elsewhere the power is NaN.
    Torch     torch.nn.LPPool1d, LPPool2d, LPPool3d; torch converts integers, here they are refused.
    Raises    ValueError for p = 0; RuntimeError for another number of dimensions, an empty image, or a window
              that does not fit; TypeError for options that are not ints; NotImplementedError for integer input.
    """

    dimensions: int

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        if norm_type == 0:
            raise ValueError(f"{type(self).__name__}: norm_type must not be 0, its root 1/p would divide by zero.")
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, x: np.ndarray) -> np.ndarray:
        windows, p = self.windows(x), float(self.norm_type)
        if math.isinf(p):
            sign = math.copysign(1.0, p)
            y, index = largest(sign * np.abs(x), windows)
            return self.save(sign * y, x, index)
        sums = window_sums(windows)
        window = math.prod(per_axis(self, "kernel_size", self.kernel_size, self.dimensions))
        c = (window / outer([w.counts for w in windows])).astype(x.dtype)
        s = apply_each(sums, power(x, p))
        s *= c
        return self.save(power(s, 1 / p), x, s, sums, c)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        p = float(self.norm_type)
        if math.isinf(p):
            x, index = self.take(dy)
            return np.where(np.isnan(x), 0, np.sign(x)) * add_at(dy, index, x.shape, self.dimensions)
        x, s, sums, c = self.take(dy)
        ds = np.where(s == 0, 0, dy * (s ** (1 / p - 1) / p * (s == s)))
        dx = apply_each(transposed(sums), ds * c)
        dx *= p * power(x, p - 1)
        return dx

    def windows(self, x: np.ndarray) -> list[AxisWindows]:
        check_images(self, x, self.dimensions)
        check_floating(self, x)
        stride = self.stride if self.stride is not None else self.kernel_size
        return pooling_windows(self, x.shape[-self.dimensions :], self.kernel_size, stride, 0, 1, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    __doc__ = _LPPool.__doc__
    dimensions = 1


class LPPool2d(_LPPool):
    __doc__ = _LPPool.__doc__
    dimensions = 2


class LPPool3d(_LPPool):
    __doc__ = _LPPool.__doc__
    dimensions = 3

    def windows(self, x: np.ndarray) -> list[AxisWindows]:
        windows = super().windows(x)
        check_holds_kernel(self, x, self.kernel_size)
        return windows


def power(x: np.ndarray, p: float) -> np.ndarray:
    """x^p; for negative x NumPy's own power is a hundred times slower than for positive x, so the sign goes around."""
    if x.dtype.type(p) == 0 != p:  # rounded to 0, it would make 1 of 0 and of infinity too
        return np.where((x == 0) | np.isinf(x), x if p > 0 else 1 / x, x**p)
    if p % 1 or p in (-1, 0, 1, 2):  # NaN for negative x, or an operation of NumPy's own
        return x**p
    size = np.abs(x) ** p
    return np.copysign(size, x) if p % 2 else size

"""AdaptiveAvgPool and AdaptiveMaxPool in 1d, 2d, 3d: pooling to a given output size."""

from typing import Any

import numpy as np

from scratch.nn.pooling.avg_pool import _AvgPool, outer
from scratch.nn.pooling.max_pool import _MaxPool
from scratch.nn.pooling.sliding import check_floating, check_images
from scratch.nn.windows import AxisWindows, adaptive_windows, per_axis


class _AdaptiveAvgPool(_AvgPool):
    """The mean of every window, where the windows divide each axis as evenly as whole numbers allow.

        y_o = Σ_i x_i / m_o        i from floor(o I / O) up to but not including ceil((o + 1) I / O), m_o of them

    Shapes    x (N, C, I, ...) or (C, I, ...); y with O = output_size instead of I. A size of None keeps that axis.
    Backward  dx_i = Σ_o dy_o / m_o over the windows o that read i
    Why       x_i enters each of these means with the weight 1 / m_o. Windows overlap by one where O does not divide I.
    Saves     the windows and m; nothing of the size of x.
    Numerics  summed axis by axis.
    Torch     torch.nn.AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d.
    Raises    RuntimeError for another number of dimensions, an empty image, or sizes that are negative or too many;
              TypeError for sizes that are not ints; NotImplementedError for integer input.
    """

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def windows(self, x: np.ndarray) -> list[AxisWindows]:
        return output_windows(self, x, self.output_size)

    def divisor(self, x: np.ndarray, windows: list[AxisWindows]) -> np.ndarray:
        return outer([w.counts for w in windows])

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    __doc__ = _AdaptiveAvgPool.__doc__
    dimensions = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    __doc__ = _AdaptiveAvgPool.__doc__
    dimensions = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    __doc__ = _AdaptiveAvgPool.__doc__
    dimensions = 3


class _AdaptiveMaxPool(_MaxPool):
    """The largest value of every window, where the windows divide each axis as evenly as whole numbers allow.

        y_o = max_i x_i        i from floor(o I / O) up to but not including ceil((o + 1) I / O)

    Shapes    x (N, C, I, ...) or (C, I, ...); y with O = output_size instead of I. A size of None keeps that axis.
              return_indices adds i, of y's shape: where each maximum lies in its flattened image.
    Backward  dx_i = Σ_o dy_o over the windows o whose maximum is at i
    Why, Saves, Numerics  as in MaxPool2d.
    Torch     torch.nn.AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d.
    Raises    as AdaptiveAvgPool2d.
    """

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        self.output_size = output_size
        self.return_indices = return_indices

    def windows(self, x: np.ndarray) -> list[AxisWindows]:
        return output_windows(self, x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    __doc__ = _AdaptiveMaxPool.__doc__
    dimensions = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    __doc__ = _AdaptiveMaxPool.__doc__
    dimensions = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    __doc__ = _AdaptiveMaxPool.__doc__
    dimensions = 3


def output_windows(module: Any, x: np.ndarray, output_size: Any) -> list[AxisWindows]:
    """The windows of every axis, with torch's conditions on the input and the sizes."""
    n = module.dimensions
    check_images(module, x, n, only_batch_empty=False)
    check_floating(module, x)
    given = output_size
    if isinstance(output_size, tuple | list):
        if len(output_size) != n:
            raise RuntimeError(f"{module}: output_size must be one int, or {n}, one per axis, got {output_size!r}.")
        keeps = n > 1  # torch's 1d kinds take no None
        given = tuple(i if o is None and keeps else o for i, o in zip(x.shape[-n:], output_size, strict=True))
    sizes = per_axis(module, "output_size", given, n)
    if min(sizes) < 0:
        raise RuntimeError(f"{module}: output_size must not be negative, got {output_size!r}.")
    return [adaptive_windows(size, outputs) for size, outputs in zip(x.shape[-n:], sizes, strict=True)]

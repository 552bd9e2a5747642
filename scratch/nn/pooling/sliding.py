"""What all pooling shares: the windows of every axis, with torch's conditions, and the checks of the input."""

import math
from typing import Any

import numpy as np

from scratch.nn.axis_matrix import AxisMatrix
from scratch.nn.module import Module
from scratch.nn.windows import AxisWindows, per_axis, sliding_windows


def pooling_windows(
    module: Module, sizes: tuple[int, ...], kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> list[AxisWindows]:
    """The sliding windows of every axis, with torch's conditions on the options."""
    n = len(sizes)
    options = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    kernel, stride, padding, dilation = (per_axis(module, name, value, n) for name, value in options.items())
    if min(kernel) < 1 or min(stride) < 1 or min(dilation) < 1:
        raise RuntimeError(f"{module}: kernel_size, stride and dilation must be at least 1.")
    if any(not 0 <= p <= (d * (k - 1) + 1) // 2 for p, k, d in zip(padding, kernel, dilation, strict=True)):
        raise RuntimeError(f"{module}: padding must lie between 0 and half of the window, got {padding}.")
    axes = zip(sizes, kernel, stride, padding, dilation, strict=True)
    windows = [sliding_windows(*axis, ceil_mode) for axis in axes]
    if any(len(w.first) < 1 for w in windows):
        raise RuntimeError(f"{module}: the window does not fit into the input of size {sizes}. Use a smaller window.")
    if any(w.counts.min() < 1 for w in windows):
        raise RuntimeError(f"{module}: a window of the input of size {sizes} holds nothing but padding.")
    return windows


def window_sums(windows: list[AxisWindows]) -> dict[int, AxisMatrix]:
    """The matrices that sum every window: one for each of the last axes.

    The first axis comes first, since its lines are long in memory. Axes that are summed as a whole come before it, the
    last of them first: then each is a contiguous sum, and what is left is small.
    """
    axes = [(window.whole, axis, window.sums) for axis, window in enumerate(windows, start=-len(windows))]
    whole = {axis: matrix for is_whole, axis, matrix in reversed(axes) if is_whole}
    return whole | {axis: matrix for is_whole, axis, matrix in axes if not is_whole}


def check_images(module: Module, x: np.ndarray, n: int, only_batch_empty: bool = True) -> None:
    """The input must be (N, C, ...) or (C, ...) with n more dimensions; only the batch may be empty."""
    if x.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{module}: the input needs {n} dimensions after the channels, with a batch dimension or without, "
            f"got shape {x.shape}."
        )
    may_be_empty = x.ndim - n - 1 if only_batch_empty else 1
    if math.prod(x.shape[may_be_empty:]) == 0:
        raise RuntimeError(f"{module}: only the batch dimension of the input may be 0, got shape {x.shape}.")


def check_floating(module: Module, x: np.ndarray) -> None:
    if x.dtype.char not in "fd":
        raise NotImplementedError(f"{module}: the input must be float32 or float64, got {x.dtype}. Convert it first.")


def check_holds_kernel(module: Module, x: np.ndarray, kernel_size: Any) -> None:
    """What torch's sums ask in 3d alone: without ceil_mode a smaller input has no window anyway."""
    kernel = per_axis(module, "kernel_size", kernel_size, 3)
    if any(size < k for size, k in zip(x.shape[-3:], kernel, strict=True)):
        raise RuntimeError(f"{module}: the input, even without padding, must hold the kernel, got shape {x.shape}.")

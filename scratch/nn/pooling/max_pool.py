"""MaxPool1d, MaxPool2d, MaxPool3d: the largest value of every window."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from scratch.nn.module import Module
from scratch.nn.pooling.sliding import check_images, pooling_windows
from scratch.nn.windows import KEPT, AxisWindows, adaptive_windows
from scratch.threads import share_rows

BLOCK = 2**18  # numbers of some samples that one thread reads
LONG = 32  # windows of one axis as long as that, and no more of them, are faster one by one


class _MaxPool(Module):
    """The largest value of every window.

        y_o = max_k x_(o s - p + d k)        k over the kernel's positions, stride s, padding p, dilation d

    Shapes    x (N, C, I, ...) or (C, I, ...); y with O instead of I on every spatial axis (see sliding_windows).
              return_indices adds i, of y's shape: where each maximum lies in its flattened image.
    Options   kernel_size K, stride (K if it is None), padding and dilation, an int or one for each axis;
              return_indices; ceil_mode lets a last window reach beyond the end.
    Backward  dx_i = Σ_o dy_o over the windows o whose maximum is at i
    Why       y_o is one of its inputs, so it changes with that one only. Of equal inputs torch and scratch take the
              first in a scan row by row. Overlapping windows may share a maximum: their dy add.
    Saves     i.
    Numerics  exact. Padding is -infinity, so it never wins: windows are cut off at the border instead. NaN is larger
              than everything, and of several NaN torch's scan keeps the last.
    Cost      four passes over the outputs for each position of the kernel; one argmax for each window where the window
              is the image, or long and of one axis.
    Torch     torch.nn.MaxPool1d, MaxPool2d, MaxPool3d. Integers are accepted, in torch in 2d and 3d alone.
    Raises    RuntimeError for another number of dimensions, an empty image, a window that does not fit, or a padding
              of more than half a window; TypeError for options that are not ints.

    >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 5.,  7.],
            [13., 15.]]])
    """

    dimensions: int

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, x: np.ndarray) -> Any:
        y, index = largest(x, self.windows(x))
        return self.save((y, index) if self.return_indices else y, index, x.shape)

    def backward(self, dy: np.ndarray, dindices: None = None) -> np.ndarray:
        index, shape = self.take((dy, dindices) if self.return_indices else dy)
        return add_at(dy, index, shape, self.dimensions)

    def windows(self, x: np.ndarray) -> list[AxisWindows]:
        check_images(self, x, self.dimensions)
        if x.dtype.kind not in "iu" and x.dtype.char not in "fd":
            raise NotImplementedError(f"{self}: the input must be float32, float64 or integers, got {x.dtype}.")
        sizes = x.shape[-self.dimensions :]
        return pooling_windows(self, sizes, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    __doc__ = _MaxPool.__doc__
    dimensions = 1


class MaxPool2d(_MaxPool):
    __doc__ = _MaxPool.__doc__
    dimensions = 2


class MaxPool3d(_MaxPool):
    __doc__ = _MaxPool.__doc__
    dimensions = 3


def largest(x: np.ndarray, windows: Sequence[AxisWindows]) -> tuple[np.ndarray, np.ndarray]:
    """The largest value of every window, and where it lies in its flattened image."""
    n = len(windows)
    if n > 1 and all(window.whole for window in windows):
        pixels = math.prod(x.shape[-n:])
        y, index = largest(x.reshape(*x.shape[:-n], pixels), [adaptive_windows(pixels, 1)])
        return y.reshape(*x.shape[:-n], *(1,) * n), index.reshape(*x.shape[:-n], *(1,) * n)
    has_nan = x.dtype.kind == "f" and bool(np.isnan(x.min(initial=0)))
    positions = flat_positions(tuple(windows))
    kernel, outputs = positions.shape
    in_turn = n == 1 and not has_nan and (outputs == 1 or LONG <= kernel >= outputs)

    def some(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if in_turn:
            return largest_in_turn(x, windows[0])
        y, winner = first_largest(read(x, windows), kernel, has_nan)
        index = winner.astype(np.intp)
        index *= outputs
        index += np.arange(outputs).reshape(y.shape[-n:])
        return y, np.take(positions, index)

    if x.ndim == n or x.size <= BLOCK:
        return some(x)
    parts = share_rows(some, (x,), max(BLOCK * len(x) // x.size, 1))
    y, index = (np.concatenate(part) for part in zip(*parts, strict=True))
    return y, index


def largest_in_turn(x: np.ndarray, windows: AxisWindows) -> tuple[np.ndarray, np.ndarray]:
    """One argmax for each window of the last axis, without NaN."""
    reads = zip(windows.first.tolist(), windows.last.tolist(), strict=True)
    index = np.stack([x[..., a : b + 1 : windows.step].argmax(-1) * windows.step + a for a, b in reads], axis=-1)
    return np.take_along_axis(x, index, axis=-1), index


def read(x: np.ndarray, windows: Sequence[AxisWindows]) -> Iterator[np.ndarray]:
    """For each position of the kernel, row by row, what it reads for all outputs."""
    if not windows:
        yield x
        return
    axis = x.ndim - len(windows)
    for index in windows[0].reads:
        part = x[(*[slice(None)] * axis, index)] if isinstance(index, slice) else np.take(x, index, axis)
        yield from read(part, windows[1:])


def first_largest(candidates: Iterable[np.ndarray], count: int, has_nan: bool) -> tuple[np.ndarray, np.ndarray]:
    """The largest of `count` candidates, element by element, and the number of the first that equals it.

    The numbers rise, so the last one that was larger than all before it is the largest of those that were: it is kept
    by a maximum, which is ten times faster than an assignment under a mask.
    """
    best = winner = np.empty(0)
    for number, candidate in enumerate(candidates):
        if number == 0:
            best, winner = np.array(candidate), np.zeros(candidate.shape, np.min_scalar_type(count - 1))
            continue
        larger = candidate > best
        if has_nan:
            larger |= candidate != candidate
        np.maximum(best, candidate, out=best)
        np.maximum(winner, larger * winner.dtype.type(number), out=winner)
    return best, winner


@lru_cache(KEPT)
def flat_positions(windows: tuple[AxisWindows, ...]) -> np.ndarray:
    """(K, O): what each position of the kernel reads for each output, as an index into the flattened image."""
    flat = np.zeros((1, 1), np.int64)
    for window in windows:
        flat = flat[:, np.newaxis, :, np.newaxis] * window.size + window.table.T[:, np.newaxis, :]
        flat = flat.reshape(flat.shape[0] * flat.shape[1], -1)
    return flat


def in_all_images(index: np.ndarray, shape: Sequence[int], n: int) -> np.ndarray:
    """1-D indices into the flattened array of all images, from indices into each flattened image of n dimensions."""
    images, pixels = math.prod(shape[:-n]), math.prod(shape[-n:])
    starts = np.arange(images) * pixels
    return (index.reshape(images, math.prod(index.shape[-n:])) + starts[:, np.newaxis]).reshape(-1)


def add_at(dy: np.ndarray, index: np.ndarray, shape: tuple[int, ...], n: int) -> np.ndarray:
    """The gradient of the input: zero but for the dy that are added at their index of each flattened image."""
    dx = np.zeros(shape, dy.dtype)
    np.add.at(dx.reshape(-1), in_all_images(index, shape, n), dy.reshape(-1))
    return dx

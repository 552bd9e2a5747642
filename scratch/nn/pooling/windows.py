"""Windows: which positions of an axis each output of a pooling layer reads, and the checks that all pooling shares."""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from scratch.nn.module import Module
from scratch.nn.pooling.axis_matrix import AxisMatrix, Index, as_index

KEPT = 256  # so many windows are kept from one forward to the next; what is computed from them is kept with them


@dataclass(frozen=True, eq=False)
class Windows:
    """Output o reads the positions first[o], first[o] + step, ..., last[o] of an axis, all of them inside."""

    size: int  # of the axis
    first: np.ndarray
    last: np.ndarray
    step: int = 1

    @cached_property
    def counts(self) -> np.ndarray:
        return (self.last - self.first) // self.step + 1

    @cached_property
    def table(self) -> np.ndarray:
        """Positions (O, K), K being the largest count. A shorter window repeats its last position."""
        t = np.arange(self.counts.max(initial=1))
        return np.minimum(self.first[:, np.newaxis] + self.step * t, self.last[:, np.newaxis])

    @cached_property
    def reads(self) -> list[Index]:
        """For each position of the kernel, what it reads for all outputs."""
        return [as_index(positions) for positions in self.table.T]

    @cached_property
    def sums(self) -> AxisMatrix:
        """The matrix of ones and zeros that sums every window."""
        k = np.arange(self.counts.max(initial=1)) < self.counts[:, np.newaxis]
        return AxisMatrix(np.nonzero(k)[0], self.table[k], None, (len(self.first), self.size))

    @cached_property
    def whole(self) -> bool:
        """Whether there is one window, and it is the axis."""
        return len(self.first) == 1 and int(self.counts[0]) == self.size


@lru_cache(KEPT)
def sliding_windows(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> Windows:
    """Windows that move by stride, starting `padding` before the input; what lies outside the input is cut off.

        O = floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1

    ceil_mode rounds up instead, so that the end of the input is not left out; a window that would start behind the
    input, in the padding on the right, is dropped again.
    """
    reach = dilation * (kernel - 1)
    room = size + 2 * padding - reach - 1
    outputs = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (outputs - 1) * stride >= size + padding:
        outputs -= 1
    start = np.arange(outputs) * stride - padding
    first = start + dilation * -(np.minimum(start, 0) // dilation)
    last = first + (np.minimum(start + reach, size - 1) - first) // dilation * dilation
    return Windows(size, first, last, dilation)


@lru_cache(KEPT)
def adaptive_windows(size: int, outputs: int) -> Windows:
    """Windows that share an axis as evenly as whole numbers allow: [floor(o I / O), ceil((o + 1) I / O))."""
    o = np.arange(outputs)
    return Windows(size, o * size // outputs, ((o + 1) * size - 1) // outputs)


def per_axis(module: Module, name: str, value: Any, n: int) -> tuple[int, ...]:
    """An option for each of n axes: (2, 2) from 2 or from (2, 2)."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    if not all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in values):
        raise TypeError(f"{module}: {name} must be an int, or a tuple of them, one per axis, got {value!r}.")
    if len(values) not in (1, n):
        raise RuntimeError(f"{module}: {name} must be one int, or {n}, one per axis, got {value!r}.")
    return tuple(int(v) for v in values) * (n // len(values))


def pooling_windows(
    module: Module, sizes: tuple[int, ...], kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> list[Windows]:
    """The sliding windows of every axis, with torch's conditions on the options."""
    n = len(sizes)
    kernel, stride = per_axis(module, "kernel_size", kernel_size, n), per_axis(module, "stride", stride, n)
    padding, dilation = per_axis(module, "padding", padding, n), per_axis(module, "dilation", dilation, n)
    if min(kernel) < 1 or min(stride) < 1 or min(dilation) < 1:
        raise RuntimeError(f"{module}: kernel_size, stride and dilation must be at least 1.")
    if any(not 0 <= p <= (d * (k - 1) + 1) // 2 for p, k, d in zip(padding, kernel, dilation, strict=True)):
        raise RuntimeError(f"{module}: padding must lie between 0 and half of the window, got {padding}.")
    options = zip(sizes, kernel, stride, padding, dilation, strict=True)
    windows = [sliding_windows(*axis, ceil_mode) for axis in options]
    if any(len(w.first) < 1 for w in windows):
        raise RuntimeError(f"{module}: the window does not fit into the input of size {sizes}. Use a smaller window.")
    if any(w.counts.min() < 1 for w in windows):
        raise RuntimeError(f"{module}: a window of the input of size {sizes} holds nothing but padding.")
    return windows


def window_sums(windows: list[Windows]) -> dict[int, AxisMatrix]:
    """The matrices that sum every window: one for each of the last axes.

    The first axis comes first, since its lines are long in memory. Axes that are summed as a whole come before it, the
    last of them first: then each is a contiguous sum, and what is left is small.
    """
    axes = [(window.whole, axis, window.sums) for axis, window in enumerate(windows, start=-len(windows))]
    whole = {axis: matrix for is_whole, axis, matrix in reversed(axes) if is_whole}
    return whole | {axis: matrix for is_whole, axis, matrix in axes if not is_whole}


def check_images(module: Module, x: np.ndarray, n: int, only_batch_empty: bool = True) -> None:
    """The input must be (N, C, ...) or (C, ...) with n more dimensions, and nothing but the batch may be empty."""
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

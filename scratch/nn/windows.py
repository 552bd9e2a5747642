"""Windows: where a kernel reads. One that slides over n axes at once, and the windows of one axis, cut off at its ends.

Convolution, Fold and Unfold are built on the first kind, pooling and interpolation on the second.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from scratch.nn.axis_matrix import AxisMatrix, Index, as_index

LARGEST = 2**31 - 1  # of an option that counts elements; a larger one overflows where addresses are computed
KEPT = 256  # the number of windows kept from one forward to the next, with what is computed from them


class Windows(NamedTuple):
    """A kernel of sizes *K at positions *P of an array of sizes *S.

    Along each axis, element k of the kernel at position p reads x[stride p + dilation k]. So a kernel spans
    dilation (K - 1) + 1 elements, and there are P = floor((S - span) / stride) + 1 positions.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def spans(self) -> tuple[int, ...]:
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def positions(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """The number of positions of the kernel along each axis; below 1 if it does not fit."""
        return tuple((size - span) // s + 1 for size, span, s in zip(sizes, self.spans, self.stride, strict=True))

    def sizes(self, positions: Sequence[int]) -> tuple[int, ...]:
        """The smallest sizes that hold this many positions."""
        return tuple((p - 1) * s + span for p, s, span in zip(positions, self.stride, self.spans, strict=True))

    def view(self, x: np.ndarray, positions: Sequence[int], leading: int = 1) -> np.ndarray:
        """(C, *K, *P, ...): the windows of x (C, *S, ...), without copying anything; C may be several axes.

        The address of x[stride p + dilation k] is linear in k and in p: one step of k is dilation steps of x, one step
        of p is stride steps. An element of x appears in every window that covers it, so never write to the whole view.
        """
        end = leading + len(self.kernel)
        steps = x.strides[leading:end]
        inside = (step * d for step, d in zip(steps, self.dilation, strict=True))
        between = (step * s for step, s in zip(steps, self.stride, strict=True))
        shape = (*x.shape[:leading], *self.kernel, *positions, *x.shape[end:])
        strides = (*x.strides[:leading], *inside, *between, *x.strides[end:])
        return np.lib.stride_tricks.as_strided(x, shape, strides)

    def shifts(self, x: np.ndarray, positions: Sequence[int]) -> Iterator[tuple[Any, np.ndarray]]:
        """For each element k of the kernel, what it reads at all positions: a view (C, *P, ...) of x."""
        view = self.view(x, positions)
        for k in np.ndindex(self.kernel):
            yield k, view[:, *k]

    def add(self, columns: np.ndarray, x: np.ndarray) -> None:
        """Add columns (C, *K, *P, ...) to the elements of x that `view` would have read them from: its adjoint.

        For one k no two positions share an element, so each k is one addition of slices.
        """
        axes = len(self.kernel)
        for k, part in self.shifts(x, columns.shape[axes + 1 : 2 * axes + 1]):
            part += columns[:, *k]


@dataclass(frozen=True, eq=False)
class AxisWindows:
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
        """Positions (O, K), where K is the largest count. A shorter window repeats its last position."""
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
        """Whether there is exactly one window, covering the whole axis."""
        return len(self.first) == 1 and int(self.counts[0]) == self.size


@lru_cache(KEPT)
def sliding_windows(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> AxisWindows:
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
    return AxisWindows(size, first, last, dilation)


@lru_cache(KEPT)
def adaptive_windows(size: int, outputs: int) -> AxisWindows:
    """Windows that share an axis as evenly as whole numbers allow: [floor(o I / O), ceil((o + 1) I / O))."""
    o = np.arange(outputs)
    return AxisWindows(size, o * size // outputs, ((o + 1) * size - 1) // outputs)


def has_parts(value: Any) -> bool:
    """Whether this is several numbers: not a 0-d array, which has no parts, nor text or bytes."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes) and getattr(value, "ndim", 1) != 0


def per_axis(owner: object, name: str, value: Any, axes: int, one_for_all: bool = True) -> tuple[int, ...]:
    """One int for every axis: (2, 2) from 2 or from (2, 2), and unless `one_for_all` is False from (2,) too.

    Raises    TypeError for anything but ints, RuntimeError for another number of them or one beyond 32 bits.
    """
    several = has_parts(value)
    values = tuple(value) if several else (value,)
    if not all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in values):
        raise TypeError(f"{owner}: {name} must be an int, or a tuple of {axes} ints, one for each axis, got {value!r}.")
    if len(values) == 1 and (one_for_all or not several):
        values *= axes
    if len(values) != axes:
        raise RuntimeError(f"{owner}: {name} must be one int, or {axes}, one for each axis, got {value!r}.")
    if any(not -LARGEST <= v <= LARGEST for v in values):
        raise RuntimeError(f"{owner}: {name} must fit into 32 bits, got {value!r}.")
    return tuple(int(v) for v in values)

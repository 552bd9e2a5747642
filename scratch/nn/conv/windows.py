"""Windows: where a kernel that slides over n axes reads. Convolution, Fold and Unfold are built on it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np


class Windows(NamedTuple):
    """A kernel of sizes *K that stands at positions *P of an array of sizes *S.

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
        """How many positions the kernel has along each axis; below 1 where it does not fit."""
        return tuple((size - span) // s + 1 for size, span, s in zip(sizes, self.spans, self.stride, strict=True))

    def sizes(self, positions: Sequence[int]) -> tuple[int, ...]:
        """The smallest sizes that hold so many positions."""
        return tuple((p - 1) * s + span for p, s, span in zip(positions, self.stride, self.spans, strict=True))

    def view(self, x: np.ndarray, positions: Sequence[int]) -> np.ndarray:
        """(C, *K, *P, ...): the windows of x (C, *S, ...), without copying anything.

        The address of x[stride p + dilation k] is linear in k and in p: one step of k is dilation steps of x, one step
        of p is stride steps. An element of x shows up in as many windows as cover it, so never write to the whole view.
        """
        channel, *steps = x.strides
        axes = len(self.kernel)
        inside = (step * d for step, d in zip(steps[:axes], self.dilation, strict=True))
        between = (step * s for step, s in zip(steps[:axes], self.stride, strict=True))
        shape = (len(x), *self.kernel, *positions, *x.shape[axes + 1 :])
        return np.lib.stride_tricks.as_strided(x, shape, (channel, *inside, *between, *steps[axes:]))

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


def per_axis(owner: str, name: str, value: Any, axes: int) -> tuple[int, ...]:
    """One int for every axis; a single int stands for all of them."""
    values = tuple(value) if isinstance(value, Iterable) else (value,) * axes
    if not all(isinstance(v, int | np.integer) for v in values):
        raise TypeError(f"{owner}: {name} must be an int or a tuple of {axes} ints, got {value!r}.")
    if len(values) != axes:
        raise RuntimeError(f"{owner}: {name} needs {axes} ints, one for each axis, got {value!r}.")
    return values

"""What all padding layers share: their argument, and the order in which torch writes it."""

from typing import Any

import numpy as np

from scratch.nn.module import Module
from scratch.nn.padding.index_map import Widths, check_widths, pad, pad_adjoint
from scratch.nn.windows import LARGEST, has_parts


class _Padding(Module):
    """Reads `padding`: one int for every side, or torch's (left, right, top, bottom, front, back), last axis first."""

    axes: int

    def __init__(self, padding: Any) -> None:
        self.padding = tuple(padding) if has_parts(padding) else (padding,) * (2 * self.axes)
        if not all(isinstance(width, int | np.integer) and not isinstance(width, bool) for width in self.padding):
            raise TypeError(f"{type(self).__name__}: padding must be an int or a tuple of ints, got {padding!r}.")
        if len(self.padding) % 2:
            raise RuntimeError(
                f"{type(self).__name__}: padding needs two widths for every axis, (left, right, top, bottom, ...), "
                f"got {self.padding}."
            )
        if any(abs(width) > LARGEST for width in self.padding):
            raise RuntimeError(f"{type(self).__name__}: padding must fit into 32 bits, got {self.padding}.")

    def _widths(self) -> Widths:
        """(left, right) pairs in the order of the axes."""
        pairs = list(zip(self.padding[::2], self.padding[1::2], strict=True))
        return pairs[::-1]

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _IndexPadding(_Padding):
    """Padding with elements of x itself: y_j = x_{a_j}, with the index map a of the mode. See index_map.py."""

    mode: str

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.check_input(x)
        return self.save(pad(x, self._widths(), self.mode), x.shape)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        shape = self.take(dy)
        widths = self._widths()
        return pad_adjoint(dy, widths, self.mode, shape[-len(widths) :])

    def check_input(self, x: np.ndarray) -> None:
        padded = len(self.padding) // 2
        if x.ndim not in (padded + 1, padded + 2):
            raise NotImplementedError(
                f"{self}: the input needs a channel dimension and {padded} to pad, with or without a batch dimension "
                f"before them, got shape {x.shape}."
            )
        check_widths(self, x, self._widths(), self.mode)

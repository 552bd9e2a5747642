"""The one derivation behind convolution, transposed convolution and all their gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from scratch.nn.conv.windows import Windows

TILE_BYTES = 2 * 2**20


class Correlation:
    """A trilinear form, and its derivatives with respect to each of its three arguments.

        T(x, w, y) = Σ  y[n, o, p]  w[o, c, k]  x[n, c, stride p + dilation k]        over n, o, p, c, k

        correlate(x, w)  = dT/dy = Σ_{c,k} w[o, c, k] x[n, c, stride p + dilation k]        a convolution
        scatter(y, w)    = dT/dx = Σ_{o,p,k: stride p + dilation k = s} w[o, c, k] y[n, o, p]        a transposed one
        weigh(x, y)      = dT/dw = Σ_{n,p} y[n, o, p] x[n, c, stride p + dilation k]        the weights' gradient

    Shapes    x (N, C, *S); w (O, C / G, *K); y (N, O, *P), with as many axes of positions as wanted.
    Why       A linear map y = A x has the gradient dx = A^T dy, and <y, A x> = T = <A^T y, x>: so if y = correlate(x, w),
              then dx = scatter(dy, w) and dw = weigh(x, dy). If y' = scatter(x', w), the roles of x and y are exchanged:
              dx' = correlate(dy', w) and dw = weigh(dy', x').
    How       Gather the columns X[(c, k), (n, p)] = x[n, c, stride p + dilation k] into one buffer. Then each of the
              three is one matrix product (with G groups, a stack of G of them):
                  correlate  Y = W X            weigh  dW = Y X^T            scatter  X = W^T Y, then added up at
              the places from which X would have been gathered, one slice for each element k of the kernel.
    Memory    The columns are K times as large as x (K the elements of a kernel, with stride 1). They are made for a tile
              of samples, or of rows of one sample, that takes 4 MiB, or as much as w if w is larger (one row at least):
              they stay in the cache, and no layer keeps them.
    """

    def __init__(self, windows: Windows, groups: int) -> None:
        self.windows = windows
        self.groups = groups

    def correlate(self, x: np.ndarray, w: np.ndarray, bias: np.ndarray | float = 0.0) -> np.ndarray:
        y = np.empty((len(x), len(w), *self.windows.positions(x.shape[2:])), x.dtype)
        matrix = self._matrix(w)
        for x_tile, y_tile in self._tiles(x, y):
            rows = matrix @ self._columns(x_tile, y_tile)
            np.add(_samples_first(rows, y_tile), bias, out=y_tile)
        return y

    def scatter(self, y: np.ndarray, w: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        channels = w.shape[1] * self.groups
        x = np.zeros((len(y), channels, *sizes), y.dtype)
        matrix = self._matrix(w).swapaxes(1, 2)
        for x_tile, y_tile in self._tiles(x, y):
            columns = matrix @ self._rows(y_tile)
            reached = np.zeros((*x_tile.shape[1:], len(x_tile)), x.dtype)
            self.windows.add(columns.reshape(channels, *self.windows.kernel, *y_tile.shape[2:], len(x_tile)), reached)
            x_tile += np.moveaxis(reached, -1, 0)
        return x

    def weigh(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        channels = x.shape[1] // self.groups
        dw = np.zeros((self.groups, y.shape[1] // self.groups, channels * math.prod(self.windows.kernel)), x.dtype)
        for x_tile, y_tile in self._tiles(x, y):
            dw += self._rows(y_tile) @ self._columns(x_tile, y_tile).swapaxes(1, 2)
        return dw.reshape(-1, channels, *self.windows.kernel)

    def _matrix(self, w: np.ndarray) -> np.ndarray:
        """W: (G, O / G, C / G K)."""
        return w.reshape(self.groups, len(w) // self.groups, -1)

    def _columns(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """X for the positions of y: (G, C / G K, P N)."""
        samples_last = np.ascontiguousarray(np.moveaxis(x, 0, -1))
        columns = self.windows.view(samples_last, y.shape[2:])
        return columns.reshape(self.groups, x.shape[1] // self.groups * math.prod(self.windows.kernel), -1)

    def _rows(self, y: np.ndarray) -> np.ndarray:
        """Y: (G, O / G, P N)."""
        return np.moveaxis(y, 0, -1).reshape(self.groups, y.shape[1] // self.groups, -1)

    def _tiles(self, x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Matching views of x and y: some samples, or some rows (positions along the first axis) of one sample."""
        rows = y.shape[2]
        row = (x.shape[1] * math.prod(self.windows.kernel) + y.shape[1]) * math.prod(y.shape[3:]) * x.itemsize
        fitting = max(TILE_BYTES // row, 1)
        samples, height = max(fitting // rows, 1), min(fitting, rows)
        stride, span = self.windows.stride[0], self.windows.spans[0]
        for n in range(0, len(x), samples):
            for top in range(0, rows, height):
                bottom = min(top + height, rows)
                reach = slice(top * stride, (bottom - 1) * stride + span)
                yield x[n : n + samples, :, reach], y[n : n + samples, :, top:bottom]


def _samples_first(rows: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A view of rows (G, O / G, P N) in the shape of y (N, O, *P)."""
    return np.moveaxis(rows.reshape(*y.shape[1:], len(y)), -1, 0)

"""The one derivation behind convolution, transposed convolution and all their gradients."""

import math
from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np

from scratch.nn.windows import Windows
from scratch.products import matmul
from scratch.threads import share

TILE_BYTES = 4 * 2**20
SAMPLES, SAMPLES_BYTES = 8, 8 * 2**20
MAX_TILE_BYTES = 256 * 2**20
TOGETHER = 16  # products that wait for their sum

Tiles = list[tuple[np.ndarray, np.ndarray]]


class Correlation:
    """A trilinear form, and its derivatives with respect to each of its three arguments.

        T(x, w, y) = Σ  y[n, o, p]  w[o, c, k]  x[n, c, stride p + dilation k]        over n, o, p, c, k

        correlate(x, w) = dT/dy        [n, o, p] = Σ_{c,k} w[o, c, k] x[n, c, stride p + dilation k]
        scatter(y, w)   = dT/dx        [n, c, s] = Σ_{o,p,k: stride p + dilation k = s} w[o, c, k] y[n, o, p]
        weigh(x, y)     = dT/dw        [o, c, k] = Σ_{n,p} y[n, o, p] x[n, c, stride p + dilation k]

    Shapes    x (N, C, *S); w (O, C / G, *K); y (N, O, *P). With G groups, o and c belong to the same group.
    Why       T is linear in each argument, so T = <y, correlate(x, w)> = <x, scatter(y, w)> = <w, weigh(x, y)>.
              A convolution y = correlate(x, w) therefore has dx = scatter(dy, w) and dw = weigh(x, dy). A transposed
              convolution x = scatter(y, w) has dy = correlate(dx, w) and dw = weigh(dx, y): the same three functions.
    How       Gather the columns X[(c, k), (p, n)] = x[n, c, stride p + dilation k] into a buffer, and write y as rows
              Y[o, (p, n)]. Each function is then one matrix product, with groups a stack of G of them:
                  correlate  Y = W X        weigh  W = Y X^T        scatter  X = W^T Y, its columns added into x.
    Memory    The columns are the only large temporary, K times x for a kernel of K elements and stride 1. They are made
              for one tile of the batch at a time: as many samples as take 4 MiB of columns and rows, which stay in the
              cache; or 8 samples, since fewer make short runs, where 8 take no more than 8 MiB; or twice the bytes of
              w, so that adding up dw stays cheap; 256 MiB at most. A sample that is too large is cut along its first
              axis. No layer keeps columns. Threads share out the tiles, so each has one in memory.
    Cost      from two dozen channels on three quarters of the time is BLAS; the rest writes columns and turns samples
              from first to last and back. So it depends on BLAS: forward and backward take 1.2 to 1.9 times torch's
              time with OpenBLAS's AVX-512 kernels, and up to 2.4 times with its AVX2 kernels on the same machine.
              Layers of one input channel take 0.7 to 1.3 times, depthwise ones 3 times torch's.
    Layout    Samples count fastest in a tile. A row of an image is short, a dozen numbers, and NumPy is slow on short
              runs; with the samples of the tile beside each other a run is that many times as long.
    """

    def __init__(self, windows: Windows, groups: int) -> None:
        self.windows = windows
        self.groups = groups

    def correlate(self, x: np.ndarray, w: np.ndarray, bias: np.ndarray | float = 0.0) -> np.ndarray:
        y = np.empty((len(x), len(w), *self.windows.positions(x.shape[2:])), x.dtype)
        matrix = self._matrix(w)

        def fill(tiles: Tiles) -> None:
            for x_tile, y_tile in tiles:
                rows = matmul(matrix, self._columns(x_tile, y_tile))
                np.add(_samples_first(rows, y_tile), bias, out=y_tile)

        share(fill, list(self._tiles(x, y)), self._numbers(x, y))
        return y

    def scatter(self, y: np.ndarray, w: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        channels = w.shape[1] * self.groups
        x = np.zeros((len(y), channels, *sizes), y.dtype)
        matrix = self._matrix(w).swapaxes(1, 2)

        def fill(tiles: Tiles) -> None:
            for x_tile, y_tile in tiles:
                rows = self._rows(y_tile)
                reached = np.zeros((*x_tile.shape[1:], len(x_tile)), x.dtype)
                if rows.shape[1] == 1:
                    self._add_outer(rows.reshape(len(w), 1, *y_tile.shape[2:], -1), w, reached)
                else:
                    columns = matmul(matrix, rows).reshape(channels, *self.windows.kernel, *y_tile.shape[2:], -1)
                    self.windows.add(columns, reached)
                x_tile += np.moveaxis(reached, -1, 0)

        share(fill, list(self._tiles(x, y)), self._numbers(x, y))
        return x

    def _add_outer(self, y: np.ndarray, w: np.ndarray, x: np.ndarray) -> None:
        """Add to x (C, *S, N) what scatter makes of y (G, 1, *P, N), for groups of one output, as in depthwise.

        A column is then one weight times a row of y. Adding each before the next is made takes half the time of making
        all at once, and BLAS would take ten times as long for such a product.
        """
        for k, part in self.windows.shifts(x, y.shape[2:-1]):
            part = part.reshape(*w.shape[:2], *part.shape[1:])
            part += w[:, :, *k].reshape(*w.shape[:2], *(1,) * (y.ndim - 2)) * y

    def weigh(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        channels = x.shape[1] // self.groups
        dw = np.zeros((self.groups, y.shape[1] // self.groups, channels * math.prod(self.windows.kernel)), x.dtype)

        def product(tiles: Tiles) -> np.ndarray:
            parts = (matmul(self._rows(y), self._columns(x, y).swapaxes(1, 2)) for x, y in tiles)
            return reduce(np.add, parts)

        parts = list(self._tiles(x, y))
        for start in range(0, len(parts), TOGETHER):
            for part in share(product, parts[start : start + TOGETHER], self._numbers(x, y)):
                dw += part
        return dw.reshape(-1, channels, *self.windows.kernel)

    def _numbers(self, x: np.ndarray, y: np.ndarray) -> int:
        """The numbers in all columns."""
        return len(x) * x.shape[1] * math.prod(self.windows.kernel) * math.prod(y.shape[2:])

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

    def _tiles(self, x: np.ndarray, y: np.ndarray) -> Iterator[Tiles]:
        """Matching views of x and y, for parts of the batch: of some samples, or of one in several pieces.

        A piece is some rows, positions along the first axis. Neighbors reach the same x, so they belong to one part.
        """
        rows = y.shape[2]
        elements = x.shape[1] * math.prod(self.windows.kernel)
        bytes_of_w = elements * y.shape[1] // self.groups * x.itemsize
        bytes_of_row = (elements + y.shape[1]) * math.prod(y.shape[3:]) * x.itemsize
        few_samples = min(SAMPLES * rows * bytes_of_row, SAMPLES_BYTES)
        fitting = max(min(max(TILE_BYTES, few_samples, 2 * bytes_of_w), MAX_TILE_BYTES) // bytes_of_row, 1)
        samples, height = max(fitting // rows, 1), min(fitting, rows)
        parts = -(-len(x) // samples)
        if parts % 2 and len(x) >= 2 * SAMPLES and 2 * len(x) * rows * bytes_of_row > TILE_BYTES:
            parts += 1  # two threads then have the same to do
        samples = max(-(-len(x) // max(parts, 1)), 1)
        stride, span = self.windows.stride[0], self.windows.spans[0]
        for n in range(0, len(x), samples):
            tiles = []
            for top in range(0, rows, height):
                bottom = min(top + height, rows)
                reach = slice(top * stride, (bottom - 1) * stride + span)
                tiles.append((x[n : n + samples, :, reach], y[n : n + samples, :, top:bottom]))
            yield tiles


def _samples_first(rows: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A view of rows (G, O / G, P N) in the shape of y (N, O, *P)."""
    return np.moveaxis(rows.reshape(*y.shape[1:], len(y)), -1, 0)

"""The one derivation behind convolution, transposed convolution and all their gradients."""

import math
from collections.abc import Sequence
from functools import reduce
from operator import iadd

import numpy as np

from scratch.nn.conv.lines import samples_first, samples_last
from scratch.nn.conv.plan import Plan, plan
from scratch.nn.windows import Windows
from scratch.threads import get_num_threads, share

WAITING_BYTES = 2**23  # of products that wait for their sum; if they are larger, one for each thread

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
    How       With the columns X[(c, k), (p, n)] = x[n, c, stride p + dilation k], and y as rows Y[o, (p, n)], each
              function is one matrix product, with groups a stack of G of them:
                  correlate  Y = W X        weigh  W^T = X Y^T        scatter  X = W^T Y, its columns added into x.
              lines.py does this for a tile of the batch; plan.py chooses the tiles. Threads share them out.
    Memory    each thread has the columns of one tile, and one dw where w is large: the only large temporaries. No layer
              keeps columns.
    Cost      with many channels two thirds of the time is BLAS; the rest writes columns and turns samples from first to
              last and back. So it depends on BLAS. With OpenBLAS's AVX-512 kernels and one thread each, forward and
              backward of 2d layers take 1.1 to 1.7 times torch's time from 8 channels on, 2.3 with a stride of 2, 5 to
              7 as depthwise, and 0.2 to 0.6 from one to three channels; with its AVX2 kernels on the same machine up
              to 1.6 of that.
    """

    def __init__(self, windows: Windows, groups: int) -> None:
        self.windows = windows
        self.groups = groups

    def correlate(self, x: np.ndarray, w: np.ndarray, bias: np.ndarray | float = 0.0) -> np.ndarray:
        y = np.empty((len(x), len(w), *self.windows.positions(x.shape[2:])), x.dtype)
        how = self._plan(x, y)
        lines = how.lines
        matrix = lines.matrix(w)

        def fill(tiles: Tiles) -> None:
            for x_tile, y_tile in tiles:
                rows = lines.correlate(x_tile, matrix, y_tile.shape[2:])
                np.add(samples_first(rows), bias, out=y_tile)

        share(fill, self._tiles(how, x, y), self._numbers(x, y))
        return y

    def scatter(self, y: np.ndarray, w: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        x = np.zeros((len(y), w.shape[1] * self.groups, *sizes), y.dtype)
        how = self._plan(x, y)
        lines = how.lines
        phases = lines.phases(w)

        def fill(tiles: Tiles) -> None:
            for x_tile, y_tile in tiles:
                if len(w) == self.groups:
                    reached = self._outer(np.ascontiguousarray(samples_last(y_tile)), w)
                else:
                    reached = lines.scatter(y_tile, phases)
                x_tile[:, :, *map(slice, reached.shape[1:-1])] += samples_first(reached)

        share(fill, self._tiles(how, x, y), self._numbers(x, y))
        return x

    def _outer(self, y: np.ndarray, w: np.ndarray) -> np.ndarray:
        """What scatter makes of y (G, *P, n), for groups of one output, as in depthwise: (C, *S, n).

        A column is then one weight times a row of y. Adding each before the next is made takes half the time of making
        all at once, and BLAS would take ten times as long for such a product.
        """
        positions = y.shape[1:-1]
        x = np.zeros((w.shape[1] * self.groups, *self.windows.sizes(positions), y.shape[-1]), y.dtype)
        for k, part in self.windows.shifts(x, positions):
            part = part.reshape(*w.shape[:2], *part.shape[1:])
            part += w[:, :, *k].reshape(*w.shape[:2], *(1,) * (y.ndim - 1)) * y[:, np.newaxis]
        return x

    def weigh(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        how = self._plan(x, y)
        lines = how.lines

        def product(tiles: Tiles) -> np.ndarray:
            dw = lines.weigh(*tiles[0])
            for tile in tiles[1:]:
                dw += lines.weigh(*tile)
            return dw

        of_group = x.shape[1] // self.groups * math.prod(self.windows.kernel), y.shape[1] // self.groups
        dw = np.zeros((self.groups, *of_group), x.dtype)
        parts = self._tiles(how, x, y)
        threads = get_num_threads()
        some = max(WAITING_BYTES // (threads * dw.nbytes), 1) * threads
        for start in range(0, len(parts), some):
            dw = reduce(iadd, share(product, parts[start : start + some], self._numbers(x, y)), dw)
        return lines.weights(dw).reshape(y.shape[1], -1, *self.windows.kernel)

    def _plan(self, x: np.ndarray, y: np.ndarray) -> Plan:
        return plan(self.windows, self.groups, x.shape[1], y.shape, y.itemsize)

    def _numbers(self, x: np.ndarray, y: np.ndarray) -> int:
        """The numbers in all columns."""
        return len(x) * x.shape[1] * math.prod(self.windows.kernel) * math.prod(y.shape[2:])

    def _tiles(self, how: Plan, x: np.ndarray, y: np.ndarray) -> list[Tiles]:
        """Matching views of x and y, for parts of the batch: of some samples, one by one or together, or one in pieces.

        A piece is some rows, positions along the first axis. Neighbors reach the same x, so they belong to one part.
        """
        rows, stride, span = y.shape[2], self.windows.stride[0], self.windows.spans[0]
        pieces = []
        for top in range(0, rows, how.height):
            bottom = min(top + how.height, rows)
            pieces.append((slice(top * stride, (bottom - 1) * stride + span), slice(top, bottom)))
        parts = []
        for start in range(0, len(x), how.samples):
            end = min(start + how.samples, len(x))
            tiles = [slice(n, min(n + how.together, end)) for n in range(start, end, how.together)]
            parts.append([(x[tile, :, reach], y[tile, :, piece]) for tile in tiles for reach, piece in pieces])
        return parts

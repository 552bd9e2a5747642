"""The three products of a convolution, for one tile of a batch."""

from __future__ import annotations

import math

import numpy as np

from scratch.nn.windows import Windows
from scratch.products import matmul

FEW = 2**14  # weights of a group
SUMMED = 2**18  # numbers of the gradients of w that wait for their sum


class Lines:
    """Columns whose first axis is not copied.

    The columns X[(c, k), (p, n)] = x[n, c, stride p + dilation k] hold an element of x once for every element of the
    kernel that reads it. Along the first axis that is not needed. With lines

        L[h, (c, k'), (p', n)] = x[n, c, h, stride p' + dilation k'],

    h a place on the first axis, k' and p' the other axes of kernel and positions, kernel row k0 at position p0 reads
    line stride p0 + k0. Lines lie in memory one after another, so K0 neighbors are one matrix with rows (k0, c, k'):
    the columns of all positions (p0, p') are a view. A kernel of 5x5 copies x 5 times, not 25 times.

    The adjoint adds columns to x. Here too, a line is one product with the rows of K0 neighbors,

        L[h] = Σ_k0 W[k0]^T Y[h - k0]        for stride 1, and of fewer near the ends, where there are fewer rows.

    With a stride of 2 or more each phase has its own: the lines h = phase, phase + stride, ... are reached by the
    elements k0 = phase, phase + stride, ... of the kernel. What is left to add one by one are the elements k'.

    All axes are copied instead, and the first one is an axis of 1, where lines do not follow each other (dilation),
    where nothing would be saved (one axis, or a kernel no longer than its stride), and from FEW weights on: there the
    products take most of the time, and one product for all positions is faster than one for each p0. Also if there are
    fewer than an eighth as many positions as weights of an element k: turning W would cost more than lines save.

    Shapes    x (n, C, *S), y (n, O, *P), w (O, C / G, *K), for the n samples of a tile.
    Layout    samples count fastest. A row of an image is short, a dozen numbers, and NumPy is slow on short runs; with
              the samples of the tile beside each other a run is that many times as long.
    Source    Cho, Brand 2017, arXiv:1706.06873, for the columns; the adjoint is the same idea read backwards.
    """

    def __init__(self, windows: Windows, groups: int, weights: int, positions: int) -> None:
        saved = len(windows.kernel) > 1 and windows.kernel[0] > windows.stride[0] and windows.dilation[0] == 1
        self.all = not saved or weights > min(FEW, 8 * positions * math.prod(windows.kernel))
        self.windows = Windows(*((1, *options) for options in windows)) if self.all else windows
        self.rest = Windows(*(options[1:] for options in self.windows))  # of the other axes
        self.copies = math.prod(self.rest.kernel)  # of an element of x, in the lines
        self.groups = groups

    def matrix(self, w: np.ndarray) -> np.ndarray:
        """W for `correlate`: (G, 1, O / G, K0 C / G K')."""
        w = w.reshape(self.groups, 1, len(w) // self.groups, w.shape[1], self.windows.kernel[0], self.copies)
        return w.swapaxes(3, 4).reshape(*w.shape[:3], -1)

    def correlate(self, x: np.ndarray, matrix: np.ndarray, positions: tuple[int, ...]) -> np.ndarray:
        """W X: (O, *P, n)."""
        columns = self._columns(x, positions)
        y = np.empty((self.groups, matrix.shape[2], columns.shape[1], columns.shape[3]), x.dtype)
        matmul(matrix, columns, out=y.swapaxes(1, 2))
        return y.reshape(-1, *positions, len(x))

    def weigh(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """X Y^T, (G, K0 C / G K', O / G): the sum over the positions on the first axis.

        Its transpose, Y X^T, takes OpenBLAS 1.1 to 2.3 times as long.
        """
        columns, rows = self._columns(x, y.shape[2:]), self._rows(y).swapaxes(2, 3)
        if rows.shape[1] == 1:
            return matmul(columns, rows)[:, 0]
        dw = np.zeros((self.groups, columns.shape[2], rows.shape[3]), x.dtype)
        some = max(SUMMED // dw.size, 1)
        for start in range(0, rows.shape[1], some):
            part = slice(start, start + some)
            dw += matmul(columns[:, part], rows[:, part]).sum(axis=1)
        return dw

    def weights(self, dw: np.ndarray) -> np.ndarray:
        """What `weigh` gives, in the order of w: (G, O / G, C / G, K0, K')."""
        dw = dw.reshape(self.groups, self.windows.kernel[0], -1, self.copies, dw.shape[2])
        return dw.transpose(0, 4, 2, 1, 3)

    def phases(self, w: np.ndarray) -> list[np.ndarray]:
        """W^T for `scatter`, (G, 1, C / G K', K0 O / G); of a stride, those K0 that reach each stride-th line."""
        first, stride = self.windows.kernel[0], self.windows.stride[0]
        w = w.reshape(self.groups, len(w) // self.groups, w.shape[1], first, self.copies).transpose(0, 2, 4, 3, 1)
        some = (w[:, :, :, phase::stride][:, :, :, ::-1] for phase in range(min(stride, first)))
        return [part.reshape(self.groups, 1, w.shape[1] * self.copies, -1) for part in some]

    def scatter(self, y: np.ndarray, phases: list[np.ndarray]) -> np.ndarray:
        """W^T Y, its columns added into x: (C, *S, n)."""
        positions, stride, kernel = self._positions(y.shape[2:]), self.windows.stride[0], self.windows.kernel[1:]
        rows = self._rows(y)
        channels = phases[0].shape[2] // self.copies
        x = np.zeros((self.groups, channels, *self.windows.sizes(positions), len(y)), y.dtype)
        for phase, matrix in enumerate(phases):
            lines = _lines(matrix, rows)
            count = lines.shape[1]
            added = lines.reshape(self.groups, count, channels, *kernel, *positions[1:], len(y))
            reached = self.rest.view(x[:, :, phase::stride][:, :, :count], positions[1:], leading=3)
            for k in np.ndindex(*kernel):
                part = reached[:, :, :, *k]
                part += added[:, :, :, *k].swapaxes(1, 2)
        return x.reshape(self.groups * channels, *x.shape[2 + self.all :])

    def _positions(self, positions: tuple[int, ...]) -> tuple[int, ...]:
        return (1, *positions) if self.all else positions

    def _rows(self, y: np.ndarray) -> np.ndarray:
        """Y: (G, P0, O / G, P' n)."""
        first = 1 if self.all else y.shape[2]
        return samples_last(y).reshape(self.groups, y.shape[1] // self.groups, first, -1).swapaxes(1, 2)

    def _columns(self, x: np.ndarray, positions: tuple[int, ...]) -> np.ndarray:
        """X: (G, P0, K0 C / G K', P' n)."""
        height, (count, *others) = 1 if self.all else x.shape[2], self._positions(positions)
        x = np.ascontiguousarray(samples_last(x))
        view = self.rest.view(x.reshape(self.groups, -1, height, *x.shape[2 - self.all :]), others, leading=3)
        rows = view.shape[1] * self.copies
        lines = np.ascontiguousarray(view.swapaxes(1, 2)).reshape(self.groups, height, rows, -1)
        return lines if self.all else _neighbors(lines, self.windows.kernel[0], count, self.windows.stride[0])


def samples_last(x: np.ndarray) -> np.ndarray:
    """A view of x (N, ...): (..., N). np.moveaxis takes ten times as long."""
    return x.transpose(*range(1, x.ndim), 0)


def samples_first(x: np.ndarray) -> np.ndarray:
    """A view of x (..., N): (N, ...)."""
    return x.transpose(-1, *range(x.ndim - 1))


def _lines(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Σ_k W[k]^T Y[h - k] for every line h, (G, P0 + K - 1, M, N), from `phases` (G, 1, M, K O) and rows (G, P0, O, N).

    Near the ends it is a product with fewer rows, not with zeros in their place: those would make NaN of an infinite
    weight, and much work where the kernel is as long as x.
    """
    groups, height, outputs, length = rows.shape
    elements = matrix.shape[3] // outputs
    if elements == 1:
        return matmul(matrix, rows)
    rows, whole = np.ascontiguousarray(rows), range(elements - 1, height)
    lines = np.empty((groups, height + elements - 1, matrix.shape[2], length), rows.dtype)
    if whole:
        matmul(matrix, _neighbors(rows, elements, len(whole)), out=lines[:, whole.start : whole.stop])
    for h in range(lines.shape[1]):
        if h not in whole:
            before, bottom = h - elements + 1, min(h + 1, height)
            top = max(before, 0)
            some = matrix[:, 0, :, (top - before) * outputs : (bottom - before) * outputs]
            matmul(some, rows[:, top:bottom].reshape(groups, -1, length), out=lines[:, h])
    return lines


def _neighbors(lines: np.ndarray, elements: int, count: int, stride: int = 1) -> np.ndarray:
    """A view of lines (G, H, R, N), each stride-th joined with those after it: (G, count, elements R, N)."""
    groups, height, rows, length = lines.shape
    steps = height * rows * length, stride * rows * length, length, 1
    strides = tuple(step * lines.itemsize for step in steps)
    return np.ndarray((groups, count, elements * rows, length), lines.dtype, lines, 0, strides)

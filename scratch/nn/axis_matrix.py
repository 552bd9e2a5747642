"""AxisMatrix: a sparse matrix that acts on one axis of an array. Averaging and interpolation are made of it."""

import math
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from scratch.products import matmul

Index = slice | np.ndarray


class AxisMatrix:
    """y[..., o, ...] = Σ_i M[o, i] x[..., i, ...], with M given by its entries: rows o, columns i, weights M[o, i].

    A linear layer that treats its axes one after another is one such matrix per axis, and its backward is the
    transposed matrix of each axis, in the reverse order:

        y_op = Σ_ij A[o, i] B[p, j] x_ij        dx_ij = Σ_op A[o, i] B[p, j] dy_op

    The work goes through the entries of a row: first all first entries, then all second ones, and so on. Each round
    reads one column per row and adds. There is no loop over rows, and a zero that is not an entry is never touched,
    so an infinity spreads only where it is read. Sums of neighbors that lie next to each other in memory, and their
    transpose, copies to neighbors, are single calls.

    `weights` is None for a matrix of ones. An entry may occur twice: then its weights add. Matrices are kept from one
    forward to the next, so nothing may change them.
    """

    def __init__(
        self, rows: np.ndarray, columns: np.ndarray, weights: np.ndarray | None, shape: tuple[int, int]
    ) -> None:
        order = np.argsort(rows, kind="stable")
        self.rows, self.columns = rows[order], columns[order]
        self.weights = None if weights is None else weights[order]
        self.shape = shape

    @cached_property
    def T(self) -> "AxisMatrix":
        return AxisMatrix(self.columns, self.rows, self.weights, self.shape[::-1])

    @cached_property
    def rounds(self) -> list[tuple[Index, Index, np.ndarray | None]]:
        """Rows, columns and weights of all first entries, of all second entries, and so on."""
        number = np.arange(len(self.rows)) - np.searchsorted(self.rows, self.rows)  # of an entry within its row
        entries = [number == n for n in range(number.max(initial=-1) + 1)]
        weights = [None if self.weights is None else self.weights[e, np.newaxis] for e in entries]
        return [(as_index(self.rows[e]), as_index(self.columns[e]), w) for e, w in zip(entries, weights, strict=True)]

    @cached_property
    def run(self) -> int:
        """n, if every row o is the sum of the n columns from o n on, and no column is left; else 0."""
        outputs, inputs = self.shape
        if self.weights is not None or outputs == 0 or inputs % outputs or len(self.columns) != inputs:
            return 0
        n = inputs // outputs
        column = np.arange(inputs)
        return n if np.array_equal(self.columns, column) and np.array_equal(self.rows, column // n) else 0

    def apply(self, x: np.ndarray, axis: int) -> np.ndarray:
        """M times every line of x along the axis."""
        outputs, inputs = self.shape
        before, after = x.shape[:axis], x.shape[axis:][1:]
        lines = x.reshape(math.prod(before), inputs, math.prod(after))
        if self.run and lines.shape[2] == 1:
            y = matmul(lines.reshape(-1, self.run), np.ones(self.run, x.dtype))
        elif self.T.run:
            y = np.repeat(lines, self.T.run, axis=1)
        else:
            y = self._add_rounds(lines)
        return y.reshape(*before, outputs, *after)

    def _add_rounds(self, lines: np.ndarray) -> np.ndarray:
        y = np.zeros((lines.shape[0], self.shape[0], lines.shape[2]), lines.dtype)
        for number, (rows, columns, weights) in enumerate(self.rounds):
            term = lines[:, columns] if isinstance(columns, slice) else np.take(lines, columns, axis=1)
            if weights is not None:
                term = term * weights
            if number == 0:
                y[:, rows] = term
            else:
                y[:, rows] += term
        return y


def as_index(positions: np.ndarray) -> Index:
    """The slice that reads these positions, if they rise in equal steps: it needs no copy."""
    if len(positions) == 0:
        return positions
    step = int(positions[1] - positions[0]) if len(positions) > 1 else 1
    if step < 1 or (np.diff(positions) != step).any():
        return positions
    return slice(int(positions[0]), int(positions[-1]) + 1, step)


def apply_each(matrices: Mapping[int, AxisMatrix], x: np.ndarray) -> np.ndarray:
    """Apply the matrix of each axis, in the order given. Axes are counted from the end."""
    for axis, matrix in matrices.items():
        x = matrix.apply(x, axis)
    return x


def transposed(matrices: Mapping[int, AxisMatrix]) -> dict[int, AxisMatrix]:
    """What the backward applies: the transposed matrix of each axis, in the reverse order."""
    return {axis: matrices[axis].T for axis in reversed(list(matrices))}

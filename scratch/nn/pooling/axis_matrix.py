"""AxisMatrix: a sparse matrix that acts on one axis of an array. Averaging and interpolation are made of it."""

import math
from collections.abc import Mapping

import numpy as np


class AxisMatrix:
    """y[..., o, ...] = Σ_i M[o, i] x[..., i, ...], with M given by its entries: rows o, columns i, weights M[o, i].

    A linear layer that treats its axes one after another is one such matrix per axis, and its backward is the
    transposed matrix of each axis, in the reverse order:

        y_op = Σ_ij A[o, i] B[p, j] x_ij        dx_ij = Σ_op A[o, i] B[p, j] dy_op

    The work goes through the entries of a row: first all first entries, then all second ones, and so on. Each round
    gathers one column per row and adds. There is no loop over rows, and a zero that is not an entry is never touched,
    so an infinity spreads only where it is read.

    `weights` is None for a matrix of ones. An entry may occur twice: then its weights add.
    """

    def __init__(
        self, rows: np.ndarray, columns: np.ndarray, weights: np.ndarray | None, shape: tuple[int, int]
    ) -> None:
        order = np.argsort(rows, kind="stable")
        self.rows, self.columns = rows[order], columns[order]
        self.weights = None if weights is None else weights[order]
        self.shape = shape

    @property
    def T(self) -> "AxisMatrix":
        return AxisMatrix(self.columns, self.rows, self.weights, self.shape[::-1])

    def apply(self, x: np.ndarray, axis: int) -> np.ndarray:
        """M times every line of x along the axis."""
        outputs, inputs = self.shape
        before, after = x.shape[:axis], x.shape[axis:][1:]
        lines = x.reshape(math.prod(before), inputs, math.prod(after))
        y = np.zeros((lines.shape[0], outputs, lines.shape[2]), x.dtype)
        number = np.arange(len(self.rows)) - np.searchsorted(self.rows, self.rows)  # of an entry within its row
        for n in range(number.max(initial=-1) + 1):
            entries = number == n
            rows = self.rows[entries]
            term = np.take(lines, self.columns[entries], axis=1)
            if self.weights is not None:
                term *= self.weights[entries, np.newaxis]
            if n == 0 and len(rows) == outputs:
                y = term
            elif rows[-1] - rows[0] + 1 == len(rows):
                y[:, rows[0] : rows[-1] + 1] += term
            else:
                y[:, rows] += term
        return y.reshape(*before, outputs, *after)


def apply_each(matrices: Mapping[int, AxisMatrix], x: np.ndarray) -> np.ndarray:
    """Apply the matrix of each axis, in the order given. Axes are counted from the end."""
    for axis, matrix in matrices.items():
        x = matrix.apply(x, axis)
    return x


def transposed(matrices: Mapping[int, AxisMatrix]) -> dict[int, AxisMatrix]:
    """What the backward applies: the transposed matrix of each axis, in the reverse order."""
    return {axis: matrices[axis].T for axis in reversed(list(matrices))}

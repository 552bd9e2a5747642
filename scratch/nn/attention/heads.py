"""Heads: the features of a projection divided among them, and the keys and values that options add for all of them."""

from __future__ import annotations

import numpy as np

from scratch.nn.parameter import Parameter
from scratch.nn.sums import sum_leading


def split_heads(x: np.ndarray, H: int) -> np.ndarray:
    """(N, L, E) to (N, H, L, E / H)."""
    N, L, E = x.shape
    return x.reshape(N, L, H, E // H).swapaxes(1, 2)


def join_heads(heads: np.ndarray) -> np.ndarray:
    """(N, H, L, E / H) to (N, L, E)."""
    N, H, L, D = heads.shape
    return heads.swapaxes(1, 2).reshape(N, L, H * D)


def append_row(x: np.ndarray, row: Parameter | None) -> np.ndarray:
    """(N, S, E) to (N, S + 1, E): the learned row (1, 1, E), if there is one, at the end of every sequence."""
    if row is None:
        return x
    return np.concatenate([x, np.broadcast_to(row.data, (len(x), 1, x.shape[2]))], axis=1)


def append_row_backward(dx: np.ndarray, row: Parameter | None, S: int) -> np.ndarray:
    """Return the gradient of the S positions before the row, and of no position of zeros; accumulate the row's."""
    if row is not None:
        row.accumulate(sum_leading(dx[:, S]).reshape(row.shape))
    return dx[:, :S]


def append_zeros(heads: np.ndarray) -> np.ndarray:
    """(N, H, S, E / H) to (N, H, S + 1, E / H)."""
    return np.pad(heads, ((0, 0), (0, 0), (0, 1), (0, 0)))

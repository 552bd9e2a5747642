"""Heads: the features of a projection divided among them, and the keys and values that options add for all of them."""

from __future__ import annotations

import numpy as np

from scratch.nn.parameter import Parameter
from scratch.nn.sums import sum_leading


def check_heads(embed_dim: int, num_heads: int, dropout: float) -> None:
    """Refuse options that no attention can have, with torch's class of error."""
    if embed_dim <= 0 or num_heads <= 0:
        raise ValueError(f"MultiheadAttention: embed_dim and num_heads must be positive, got {embed_dim}, {num_heads}.")
    if embed_dim % num_heads:
        raise AssertionError(f"MultiheadAttention: embed_dim {embed_dim} is not a multiple of num_heads {num_heads}.")
    if not dropout <= 1:
        raise ValueError(f"MultiheadAttention: dropout must not be greater than 1, got {dropout}.")


def split_heads(x: np.ndarray, H: int) -> np.ndarray:
    """(N, L, E) to (N, H, L, E / H)."""
    N, L, E = x.shape
    return x.reshape(N, L, H, E // H).swapaxes(1, 2)


def join_heads(heads: np.ndarray) -> np.ndarray:
    """(N, H, L, E / H) to (N, L, E)."""
    N, H, L, D = heads.shape
    return heads.swapaxes(1, 2).reshape(N, L, H * D)


def append_keys(x: np.ndarray, row: Parameter | None, zeros: bool) -> np.ndarray:
    """(N, S, E) with what options add at the end of every sequence: the learned row (1, 1, E), then a row of zeros."""
    if row is not None:
        x = np.concatenate([x, np.broadcast_to(row.data, (len(x), 1, x.shape[2]))], axis=1)
    return np.pad(x, ((0, 0), (0, 1), (0, 0))) if zeros else x


def append_backward(dx: np.ndarray, row: Parameter | None, S: int) -> np.ndarray:
    """Return the gradient of the S positions that were there before; accumulate the learned row's."""
    if row is not None:
        row.accumulate(sum_leading(dx[:, S]).reshape(row.shape))
    return dx[:, :S]

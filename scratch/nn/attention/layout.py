"""Layout: how MultiheadAttention's inputs are arranged, the way to (N, L, E) and back, and the refusal of misfits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Layout(NamedTuple):
    """(L, E) without a batch; (L, N, E), or (N, L, E) if `batch_first`."""

    batched: bool
    batch_first: bool

    def enter(self, x: np.ndarray) -> np.ndarray:
        """To (N, L, E)."""
        if not self.batched:
            return x[np.newaxis]
        return x if self.batch_first else x.swapaxes(0, 1)

    def leave(self, y: np.ndarray) -> np.ndarray:
        """From (L, N, E)."""
        if not self.batched:
            return y[:, 0]
        return y.swapaxes(0, 1) if self.batch_first else y


def check_inputs(
    layer: object,
    inputs: tuple[np.ndarray, np.ndarray, np.ndarray],
    layout: Layout,
    widths: tuple[int, int, int],
    dtype: np.dtype,
) -> tuple[int, int, int]:
    """Refuse query, key and value that do not fit, with torch's class of error; return (N, L, S)."""
    query, key, value = inputs
    shapes = f"got query {query.shape}, key {key.shape}, value {value.shape}"
    if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
        raise AssertionError(f"{layer}: all inputs must be (L, E), or (L, N, E) for a batch; {shapes}.")
    if (query.shape[-1], key.shape[-1], value.shape[-1]) != widths:
        product_fails = len({*widths, query.shape[-1]}) == 1 and key.shape == value.shape
        raise (RuntimeError if product_fails else AssertionError)(
            f"{layer}: the inputs must end in {widths[0]}, {widths[1]} and {widths[2]} features; {shapes}."
        )
    if key.shape[:-1] != value.shape[:-1]:
        raise AssertionError(f"{layer}: key and value must have the same length and batch; {shapes}.")
    (N, L), (keys_N, S) = (layout.enter(part).shape[:2] for part in (query, key))
    if keys_N != N:
        raise RuntimeError(f"{layer}: query and key must have the same batch; {shapes}.")
    if not query.dtype == key.dtype == value.dtype == dtype:
        raise RuntimeError(f"{layer}: all inputs must be {dtype}, got {query.dtype}.")
    return N, L, S

"""Layout: how MultiheadAttention's inputs and outputs are arranged, and the refusal of inputs that do not fit."""

from __future__ import annotations

from typing import Any, NamedTuple

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

    def report(self, weights: np.ndarray, averaged: bool) -> np.ndarray:
        """The weights (N, H, L, S) as the caller gets them: averaged over the heads or not; no N without a batch."""
        weights = weights.mean(axis=1) if averaged else weights.copy()
        return weights if self.batched else weights[0]

    def report_backward(self, dweights: np.ndarray | None, H: int, averaged: bool) -> np.ndarray | None:
        """The cotangent of the weights, (N, H or 1, L, S)."""
        if dweights is None:
            return None
        dweights = dweights if self.batched else dweights[np.newaxis]
        return dweights[:, np.newaxis] / dweights.dtype.type(H) if averaged else dweights


def check_inputs(
    layer: Any, query: np.ndarray, key: np.ndarray, value: np.ndarray, layout: Layout
) -> tuple[int, int, int]:
    """Refuse inputs that do not fit a MultiheadAttention, with torch's class of error; return (N, L, S)."""
    widths, dtype = (layer.embed_dim, layer.kdim, layer.vdim), layer.out_proj.weight.dtype
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

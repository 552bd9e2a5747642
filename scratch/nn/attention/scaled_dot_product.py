"""Attention itself: weighted means of values, weighted by how well a query fits each key."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from scratch import random
from scratch.nn.attention.masks import additive, causal_mask
from scratch.nn.module import Module
from scratch.products import matmul
from scratch.threads import share_rows

BLOCK = 2**17  # weights

Array = np.ndarray


class Attention(NamedTuple):
    """What one evaluation of attention leaves for its backward."""

    q: np.ndarray  # (..., L, E), scaled
    k: np.ndarray  # (..., S, E)
    v: np.ndarray  # (..., S, V)
    weights: np.ndarray  # (..., L, S), rows sum to 1
    kept: np.ndarray | None  # dropout's factors, like weights
    scale: float

    @property
    def dropped(self) -> np.ndarray:
        """The weights after dropout."""
        return self.weights if self.kept is None else self.weights * self.kept


def attend(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | None, p: float, scale: float, empty_rows: float
) -> tuple[np.ndarray, Attention]:
    """softmax(scale q k^T + mask) v, and what backward needs. See ScaledDotProductAttention.

    A row whose mask is -inf throughout has no softmax: it becomes `empty_rows`, 0 or NaN.
    """
    weights = np.empty((*q.shape[:-1], k.shape[-2]), q.dtype)
    scaled, y = np.empty_like(q), np.empty((*q.shape[:-1], v.shape[-1]), q.dtype)
    kept = None
    if p > 0:
        kept = random.bernoulli_(np.empty_like(weights), 1 - p)
        if p < 1:
            kept /= kept.dtype.type(1 - p)

    def some(q: Array, k: Array, v: Array, scaled: Array, y: Array, weights: Array, mask: Any, kept: Any) -> None:
        np.multiply(q, q.dtype.type(scale), out=scaled)
        scores = matmul(scaled, k.swapaxes(-1, -2))
        if mask is not None:
            scores += mask
        masked_softmax(scores, empty_rows, out=weights)
        matmul(weights if kept is None else weights * kept, v, out=y)

    if mask is not None and mask.ndim < q.ndim:
        mask = mask.reshape(*(1,) * (q.ndim - mask.ndim), *mask.shape)
    share_rows(some, (q, k, v, scaled, y, weights, mask, kept), _block(weights))
    return y, Attention(scaled, k, v, weights, kept, scale)


def attend_backward(
    dy: np.ndarray, saved: Attention, dweights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of q, k and v. `dweights` is the cotangent of the weights after dropout, if they were an output too."""
    q, k, v, weights, kept, scale = saved
    dq, dk, dv = (np.empty(part.shape, part.dtype) for part in (q, k, v))

    def some(dy: Array, q: Array, k: Array, v: Array, w: Array, kept: Any, dweights: Any, *out: Array) -> None:
        dq, dk, dv = out
        dropped = w if kept is None else w * kept
        matmul(dropped.swapaxes(-1, -2), dy, out=dv)
        dw = matmul(dy, v.swapaxes(-1, -2))
        if dweights is not None:
            dw += dweights
        if kept is not None:
            dw *= kept
        dw -= np.sum(dw * w, axis=-1, keepdims=True)
        dw *= w
        matmul(dw, k, out=dq)
        dq *= q.dtype.type(scale)
        matmul(dw.swapaxes(-1, -2), q, out=dk)

    share_rows(some, (dy, q, k, v, weights, kept, dweights, dq, dk, dv), _block(weights))
    return dq, dk, dv


def _block(weights: np.ndarray) -> int:
    """So many of the first dimension of (..., L, S) that their weights stay in the cache; all of them if it is L."""
    return len(weights) if weights.ndim < 3 else max(BLOCK * len(weights) // max(weights.size, 1), 1)


def masked_softmax(scores: np.ndarray, empty_rows: float, out: np.ndarray) -> None:
    """Softmax over the last axis, written to `out`; rows of -inf alone become `empty_rows`. Scores are written over."""
    if scores.shape[-1] == 0:
        return
    largest = scores.max(axis=-1, keepdims=True)
    empty = largest == -np.inf
    scores -= np.where(empty, 0, largest)
    np.exp(scores, out=out)
    total = out.sum(axis=-1, keepdims=True)
    out /= np.where(empty, 1, total)
    if empty_rows != 0 and empty.any():
        out[empty[..., 0]] = empty_rows


class ScaledDotProductAttention(Module):
    """Each query takes a mean of the values, weighted by the softmax of its products with the keys.

        y = softmax(s q k^T + mask) v        s = 1 / sqrt(E) unless given

    Shapes    q (..., L, E), k (..., S, E), v (..., S, V), y (..., L, V). The mask broadcasts to (..., L, S): booleans
              say where attention may go (True = attend), floats are added.
    Backward  with w the weights, d the factors of dropout (1 without it) and <.> the sum over S:
                  dv = (w d)^T dy        dw = (dy v^T) d        dscores = w (dw - <dw w>)
                  dq = s dscores k       dk = s dscores^T q
    Why       y is linear in v, and in w. The softmax of a row is unmoved by a constant added to the row, so its scores'
              gradient sums to zero, hence the subtraction of <dw w>.
    Options   dropout_p zeroes weights with torch's mask (not in eval mode, where torch's function leaves that to the
              caller); is_causal masks later positions; enable_gqa repeats each head of k and v for a group of queries.
              scale: s.
    Returns   dq, dk, dv.
    Saves     s q, k, v, w, d.
    Numerics  the largest score is subtracted first. A row that may attend to nothing gives zeros, as torch on the CPU.
    Torch     torch.nn.functional.scaled_dot_product_attention, here a module because it has a backward.
    Raises    RuntimeError for shapes that do not fit, and for a mask together with is_causal.
    Source    Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1.
    """

    def __init__(
        self, dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False
    ) -> None:
        if not 0 <= dropout_p <= 1:
            raise RuntimeError(f"ScaledDotProductAttention: dropout_p must be in [0, 1], got {dropout_p}.")
        self.dropout_p = dropout_p
        self.is_causal = is_causal
        self.scale = scale
        self.enable_gqa = enable_gqa

    def forward(
        self, query: np.ndarray, key: np.ndarray, value: np.ndarray, attn_mask: np.ndarray | None = None
    ) -> np.ndarray:
        self._check(query, key, value, attn_mask)
        L, S, E = query.shape[-2], key.shape[-2], query.shape[-1]
        if self.is_causal and attn_mask is not None:
            raise RuntimeError(f"{self}: is_causal brings its own mask; attn_mask must be None.")
        mask = causal_mask(L, S, query.dtype) if self.is_causal else additive(attn_mask, query.dtype)
        groups = 1
        if self.enable_gqa:
            groups = query.shape[-3] // key.shape[-3]
            key, value = np.repeat(key, groups, axis=-3), np.repeat(value, groups, axis=-3)
        scale = 1 / math.sqrt(E) if self.scale is None else self.scale
        y, saved = attend(query, key, value, mask, self.dropout_p if self.training else 0.0, scale, 0.0)
        return self.save(y, saved, groups)

    def backward(self, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        saved, groups = self.take(dy)
        dq, dk, dv = attend_backward(dy, saved)
        if groups > 1:
            dk, dv = (_sum_groups(g, groups) for g in (dk, dv))
        return dq, dk, dv

    def _check(self, q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | None) -> None:
        if min(q.ndim, k.ndim, v.ndim) < 2:
            raise RuntimeError(f"{self}: inputs need at least 2 dimensions, got {q.shape}, {k.shape}, {v.shape}.")
        if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
            raise RuntimeError(
                f"{self}: queries (..., L, E), keys (..., S, E) and values (..., S, V) do not fit: {q.shape}, "
                f"{k.shape}, {v.shape}."
            )
        if not q.dtype == k.dtype == v.dtype:
            raise RuntimeError(f"{self}: all inputs must have the same dtype, got {q.dtype}, {k.dtype}, {v.dtype}.")
        shared = -3 if self.enable_gqa else -2
        if k.shape[:-2] != v.shape[:-2] or q.shape[:shared] != k.shape[:shared]:
            raise RuntimeError(f"{self}: leading dimensions differ: {q.shape}, {k.shape}, {v.shape}.")
        if self.enable_gqa and (k.shape[-3] == 0 or q.shape[-3] % k.shape[-3]):
            raise RuntimeError(f"{self}: {q.shape[-3]} query heads are not a multiple of {k.shape[-3]} key heads.")
        scores = (*q.shape[:-1], k.shape[-2])
        if mask is not None and not _broadcasts(mask.shape, scores):
            raise RuntimeError(f"{self}: the mask must broadcast to the scores' shape {scores}, got {mask.shape}.")

    def extra_repr(self) -> str:
        return f"dropout_p={self.dropout_p}, is_causal={self.is_causal}"


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of this shape is repeated to the other one, and does not enlarge it."""
    own = (1,) * (len(to) - len(shape)) + shape
    return len(own) == len(to) and all(n in (1, size) for n, size in zip(own, to, strict=True))


def _sum_groups(gradient: np.ndarray, groups: int) -> np.ndarray:
    """(..., H, S, E) to (..., H / groups, S, E)."""
    *leading, H, S, E = gradient.shape
    return gradient.reshape(*leading, H // groups, groups, S, E).sum(axis=-3)

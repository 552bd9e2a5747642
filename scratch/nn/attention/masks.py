"""Masks: made, recognized, checked, and brought to one array that is added to the scores."""

from __future__ import annotations

from typing import Any

import numpy as np


def causal_mask(L: int, S: int, dtype: np.dtype) -> np.ndarray:
    """(L, S): -inf where a position would look at a later one, 0 elsewhere."""
    mask = np.zeros((L, S), dtype)
    mask[np.triu_indices(L, 1, S)] = -np.inf
    return mask


def is_causal_mask(mask: np.ndarray | None, x: np.ndarray, batch_first: bool) -> bool:
    """Whether the mask is exactly the causal one, in floats or booleans, for the length of x."""
    length = x.shape[1 if batch_first and x.ndim == 3 else 0]
    if mask is None or mask.shape != (length, length):
        return False
    causal = causal_mask(length, length, np.dtype(np.float32))
    return bool(np.array_equal(mask, causal != 0 if mask.dtype == bool else causal))


def additive(attend: np.ndarray | None, dtype: np.dtype) -> np.ndarray | None:
    """A mask to add: booleans become 0 where True (attend) and -inf where False."""
    if attend is None or attend.dtype != bool:
        return attend
    return np.where(attend, np.zeros((), dtype), np.full((), -np.inf, dtype))


def blocking(mask: np.ndarray | None, dtype: np.dtype) -> np.ndarray | None:
    """A mask to add: booleans become -inf where True (blocked) and 0 where False."""
    return mask if mask is None or mask.dtype != bool else additive(~mask, dtype)


def combined(
    layer: Any,
    key_padding_mask: np.ndarray | None,
    attn_mask: np.ndarray | None,
    sizes: tuple[int, int, int],
    batched: bool,
    causal: bool,
    need_weights: bool,
) -> np.ndarray | None:
    """The masks of a MultiheadAttention, checked, as one to add to the scores, (N or 1, H or 1, L or 1, S); or None.

    `sizes` are (N, L, S). Every query may attend to the keys that the layer's options add at the end, of which the mask
    returned has columns too. `causal` is a hint that attn_mask is causal; without need_weights and key_padding_mask,
    torch takes the causal mask without looking at attn_mask.
    """
    N, L, S = sizes
    H, dtype = layer.num_heads, layer.out_proj.weight.dtype
    if causal and attn_mask is None:
        raise RuntimeError(
            f"{layer}: is_causal is a hint that needs attn_mask; "
            f"use nn.Transformer.generate_square_subsequent_mask({L})."
        )
    hint_alone = causal and not need_weights and key_padding_mask is None
    _check(layer, key_padding_mask, attn_mask, (N, H, L, S), batched, hint_alone)
    columns = S + (layer.bias_k is not None) + layer.add_zero_attn
    if hint_alone:
        return causal_mask(L, columns, dtype)
    masks = []
    if attn_mask is not None:
        masks.append(attn_mask.reshape(*((1, 1) if attn_mask.ndim == 2 else (N, H)), *attn_mask.shape[-2:]))
    if key_padding_mask is not None:
        masks.append(key_padding_mask.reshape(N, 1, 1, S))
    added = [blocking(mask, dtype) for mask in masks]
    padded = [np.pad(m, ((0, 0), (0, 0), (0, 0), (0, columns - S))) for m in added if m is not None]
    return sum(padded[1:], padded[0]) if padded else None


def _check(
    layer: object,
    key_padding_mask: np.ndarray | None,
    attn_mask: np.ndarray | None,
    sizes: tuple[int, int, int, int],
    batched: bool,
    any_attn_shape: bool,
) -> None:
    """Refuse masks whose dtype or shape does not fit the sizes (N, H, L, S), with torch's class of error.

    With `any_attn_shape` only the presence of attn_mask matters; its shape is not checked.
    """
    N, H, L, S = sizes
    for name, mask in (("key_padding_mask", key_padding_mask), ("attn_mask", attn_mask)):
        if mask is not None and mask.dtype.kind not in "bf":
            raise AssertionError(f"{layer}: {name} must be boolean or floating point, got {mask.dtype}.")
    expected = (N, S) if batched else (S,)
    if key_padding_mask is not None and key_padding_mask.ndim != len(expected):
        raise AssertionError(f"{layer}: key_padding_mask must be {expected}, got {key_padding_mask.shape}.")
    if attn_mask is not None and attn_mask.ndim not in (2, 3):
        raise AssertionError(f"{layer}: attn_mask must have 2 or 3 dimensions, got shape {attn_mask.shape}.")
    if attn_mask is not None and not any_attn_shape:
        fitting = (L, S) if attn_mask.ndim == 2 else (N * H, L, S)
        if attn_mask.shape != fitting:
            error = RuntimeError if batched or attn_mask.ndim == 2 else AssertionError
            raise error(f"{layer}: attn_mask must be {fitting}, got {attn_mask.shape}.")
    if key_padding_mask is not None and key_padding_mask.shape != expected:
        raise AssertionError(f"{layer}: key_padding_mask must be {expected}, got {key_padding_mask.shape}.")

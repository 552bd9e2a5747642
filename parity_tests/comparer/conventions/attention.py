"""Conventions of attention: what True in a mask means, the scale of the scores, the axis of the softmax."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch

from parity_tests.comparer.conventions.variant import Variant, attribute, convention


def _inverted(mask: Any) -> Any:
    return ~mask if isinstance(mask, torch.Tensor) and mask.dtype == torch.bool else mask


@convention("MultiheadAttention")
def multihead(layer: Any) -> Iterator[Variant]:
    def polarity(*args: Any, **kwargs: Any) -> Any:
        args = tuple(_inverted(a) for a in args)
        return layer(*args, **{name: _inverted(value) for name, value in kwargs.items()})

    def unmasked(*args: Any, **kwargs: Any) -> Any:
        return layer(*args[:3], **{k: v for k, v in kwargs.items() if "mask" not in k and k != "is_causal"})

    yield Variant(
        "mask-polarity", "with the mask inverted: True read as 'attend', where it means 'blocked'", polarity, layer
    )
    yield Variant("mask-missing", "without the mask", unmasked, layer)
    E, d = layer.embed_dim, layer.head_dim
    if layer.in_proj_weight is not None:
        scales = {
            "without the scale 1 / sqrt(d)": math.sqrt(d),
            "with the scale 1 / d": 1 / math.sqrt(d),
            "with the scale 1 / sqrt(E) of the whole width, not of a head": math.sqrt(d / E),
        }
        for text, factor in scales.items():
            yield _projected(layer, "attention-scale", text, lambda p, f=factor: torch.cat([p[:E] * f, p[E:]]))
        for order in ((1, 0, 2), (2, 1, 0), (0, 2, 1)):
            text = f"with the projections in the order {', '.join('qkv'[i] for i in order)}"
            yield _projected(layer, "projection-order", text, lambda p, o=order: torch.cat([p.chunk(3)[i] for i in o]))
        yield _projected(
            layer, "missing-bias", "without the bias of the projections", lambda p: p if p.ndim == 2 else p * 0
        )
    for heads in (1, 2, 3, 4, 8):
        if E % heads == 0 and heads != layer.num_heads:
            yield attribute(layer, "heads", f"with {heads} heads", num_heads=heads, head_dim=E // heads)


def _projected(layer: Any, name: str, text: str, change: Any) -> Variant:
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.in_proj_weight.copy_(change(layer.in_proj_weight))
        if twin.in_proj_bias is not None:
            twin.in_proj_bias.copy_(change(layer.in_proj_bias))
    return Variant(name, text, twin, twin, parameters=False)


@convention("ScaledDotProductAttention")
def dot_product(layer: Any) -> Iterator[Variant]:
    def polarity(q: Any, k: Any, v: Any, attn_mask: Any = None) -> Any:
        return layer(q, k, v, _inverted(attn_mask))

    yield Variant(
        "mask-polarity", "with the mask inverted: True read as 'blocked', where it means 'attend'", polarity, layer
    )
    for name, text, options in FORMS:

        def other(q: Any, k: Any, v: Any, attn_mask: Any = None, options: dict[str, Any] = options) -> Any:
            rest = dict(options)
            return attend(q, k, v, layer.is_causal ^ rest.pop("causal", False), attn_mask, **rest)

        yield Variant(name, text, other, layer)


FORMS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("attention-scale", "without the scale 1 / sqrt(d)", {"power": 0.0}),
    ("attention-scale", "with the scale 1 / d", {"power": 1.0}),
    (
        "causal-mask",
        "with the causal mask the other way: present where it is missing, or missing where it is present",
        {"causal": True},
    ),
    ("softmax-axis", "with the softmax over the queries, not the keys", {"axis": -2}),
    ("mask-polarity", "with the causal mask inverted: only later positions are seen", {"flipped": True}),
)


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    mask: Any = None,
    power: float = 0.5,
    axis: int = -1,
    flipped: bool = False,
) -> torch.Tensor:
    """softmax(q k^T / d^power) v."""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** power
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    if causal or flipped:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        scores = scores.masked_fill(seen.T.tril(-1).T if flipped and causal else ~seen, -math.inf)
    return torch.nan_to_num(torch.softmax(scores, axis)) @ v


def fused(projected: torch.Tensor, heads: int, causal: bool, **options: Any) -> torch.Tensor:
    """Attention from one projection (..., L, 3 C) to (..., L, C), as GPT's blocks have it."""
    *lead, L, width = projected.shape
    q, k, v = (part.reshape(*lead, L, heads, -1).transpose(-2, -3) for part in projected.chunk(3, -1))
    return attend(q, k, v, causal, **options).transpose(-2, -3).reshape(*lead, L, width // 3)

"""Conventions of attention: the scale of the scores, what a mask means and hides, the softmax's axis, heads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from parity_tests.comparer.conventions.convention import ADDED, By, Deviation, Options, convention, function

HIDDEN = -9000.0  # a score below is hidden by a mask: -1e4, -1e9, the lowest number and -inf are in use


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Any, scale: float, *, axis: int = -1, rows: str = "zero",
    hides: str = "before",
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """softmax(q kᵀ scale + mask) v and the weights.

    `rows` says what a query that may see nothing gets: "zero", "mean" of the values or "nan". `hides` says what the
    mask does: -inf "before" the softmax, "zero" in place of a score, zeros "after" the softmax without a new sum.
    """
    scores = raw = q @ k.transpose(-1, -2) * scale
    seen = torch.ones_like(scores, dtype=torch.bool)
    if mask is not None:
        if mask.dtype == torch.bool:
            seen = mask.expand_as(scores)
        else:
            seen = (mask > -1e30).expand_as(scores)
            scores = scores + mask.clamp(min=-1e30)
    if hides == "zero":
        weights = torch.softmax(scores.masked_fill(~seen, 0.0), axis)
    elif hides == "after":
        weights = torch.softmax(raw, axis) * seen
    else:
        weights = torch.softmax(scores.masked_fill(~seen, -math.inf), axis)
        dead = ~seen.any(axis, keepdim=True)
        if rows == "zero":
            weights = torch.where(dead, 0.0, weights)
        elif rows == "mean":
            weights = torch.where(dead, 1 / scores.shape[axis], weights)
    return weights @ v, weights


def lower(q: Tensor, k: Tensor, diagonal: int = 0) -> Tensor:
    """What a causal mask lets through."""
    return torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril(diagonal)


@function("scaled_dot_product_attention")
def dot_product(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: Any = None, enable_gqa: bool = False, *, axis: int = -1, rows: str = "zero", hides: str = "before",
    diagonal: int = 0, flipped: bool = False, tiled: bool = False,
) -> Tensor:  # fmt: skip
    repeats = query.shape[-3] // key.shape[-3] if query.ndim > 2 else 1
    if repeats > 1:
        key, value = (_repeated(x, repeats, tiled) for x in (key, value))
    mask = attn_mask
    if is_causal:
        mask = lower(query, key, diagonal)
        mask = lower(query, key, -1).logical_not() if flipped else mask
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return attend(query, key, value, mask, scale, axis=axis, rows=rows, hides=hides)[0]


def _repeated(x: Tensor, times: int, tiled: bool) -> Tensor:
    return torch.cat([x] * times, -3) if tiled else x.repeat_interleave(times, -3)


def inverted(mask: Any) -> Any:
    """True for False; -inf for what was seen."""
    if mask.dtype == torch.bool:
        return ~mask
    return torch.where(mask < -1e30, 0.0, -math.inf).to(mask.dtype)


def finite_rows(mask: Any, causal: bool) -> bool:
    """Whether some query may see nothing."""
    if mask is None or causal:
        return False
    hidden = ~mask if mask.dtype == torch.bool else mask < HIDDEN
    return bool(hidden.all(-1).any())


@convention("scaled_dot_product_attention")
def attentions(o: Options) -> Iterator[Deviation]:
    d = o.query.shape[-1]
    own = d**-0.5 if o.scale is None else o.scale
    width = d * o.query.shape[-3] if o.query.ndim > 3 else d
    yield from _scales(own, d, width, "scale")
    if o.query.ndim > 2 and o.query.shape[-3] > o.key.shape[-3]:
        yield Deviation("head-repeat", "with keys and values tiled, not each repeated (GQA)", {"tiled": True})
    yield from _forms(o, o.attn_mask, o.is_causal)
    if o.is_causal:
        for shift in (1, -1):
            text = f"with the causal mask's diagonal off by {shift:+d}"
            yield Deviation("causal-diagonal", text, {"diagonal": shift})
        if o.query.shape[-2] != o.key.shape[-2]:
            shift = o.key.shape[-2] - o.query.shape[-2]
            text = "with the causal mask aligned to the last key, not to the first"
            yield Deviation("causal-diagonal", text, {"diagonal": shift})
        text = "with the causal mask inverted: only later positions are seen"
        yield Deviation("mask-polarity", text, {"flipped": True})
        yield Deviation("causal-mask", "without the causal mask", {"is_causal": False})
    elif o.attn_mask is None:
        yield Deviation("causal-mask", "with a causal mask", {"is_causal": True})
    if o.key.shape == o.value.shape:
        exchanged = lambda o: dot_product(**{**_plain(o), "key": o.value, "value": o.key})  # noqa: E731
        yield Deviation("projection-order", "with keys and values exchanged", {"instead": exchanged})
    exchanged = lambda o: dot_product(**{**_plain(o), "query": o.key, "key": o.query})  # noqa: E731
    if o.key.shape == o.query.shape:
        yield Deviation("projection-order", "with queries and keys exchanged", {"instead": exchanged})
    if o.query.ndim > 3:
        text = "with heads and positions exchanged: attention among the heads"
        yield Deviation("heads-not-transposed", text, {"instead": _among_heads})


def _among_heads(o: Options) -> Tensor:
    moved = {name: o[name].transpose(-2, -3) for name in ("query", "key", "value")}
    return dot_product(**{**_plain(o), **moved}).transpose(-2, -3)


def _plain(o: Options) -> dict[str, Any]:
    return {key: value for key, value in o.items() if key not in ADDED}


def _scales(own: float, d: int, width: int, key: str) -> Iterator[Deviation]:
    trials = {
        "without the scale 1 / sqrt(d)": 1.0,
        "with the scale 1 / d": 1 / d,
        "with the scale sqrt(d), multiplied": math.sqrt(d),
        "with the scale 1 / sqrt(E) of the whole width, not of a head": width**-0.5,
        "with the scale 1 / sqrt(d)": d**-0.5,
        "with the scale d^(-1/4)": d**-0.25,
    }
    for text, scale in trials.items():
        if not math.isclose(scale, own):
            yield Deviation("attention-scale", text, {key: scale})


def _forms(o: Options, mask: Any, causal: bool) -> Iterator[Deviation]:
    """What masks do, for both kinds of attention."""
    yield Deviation("softmax-axis", "with the softmax over the queries, not the keys", {"axis": -2})
    if mask is not None or causal:
        yield Deviation("mask-value", "with 0, not -inf, for the scores that the mask hides", {"hides": "zero"})
        text = "with the mask after the softmax, without a new sum"
        yield Deviation("mask-value", text, {"hides": "after"})
    if mask is not None:
        polarity = "True read as 'blocked', where it means 'attend'"
        if o.function != "scaled_dot_product_attention":
            polarity = "True read as 'attend', where it means 'blocked'"
        yield Deviation("mask-polarity", f"with the mask inverted: {polarity}", {"attn_mask": By(inverted)})
        yield Deviation("mask-missing", "without the mask", {"attn_mask": None})
        if mask.dtype != torch.bool and not bool((mask < -1e30).any()):
            yield Deviation("mask-sign", "with the mask subtracted, not added", {"attn_mask": By(lambda m: -m)})
        if finite_rows(mask, causal):
            hard = {} if mask.dtype == torch.bool else {"attn_mask": By(lambda m: m.masked_fill(m < HIDDEN, -math.inf))}
            for rows, text in (
                ("mean", "a query that may see nothing gets the mean of the values (a large finite number for -inf)"),
                ("nan", "a query that may see nothing gets NaN"),
                ("zero", "a query that may see nothing gets zeros"),
            ):
                yield Deviation("masked-rows", f"with masked rows of its own: {text}", {**hard, "rows": rows})


# --- with its projections ---------------------------------------------------------------------------------------------


@function("multi_head_attention_forward")
def multihead(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int, in_proj_weight: Any,
    in_proj_bias: Any, bias_k: Any, bias_v: Any, add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor,
    out_proj_bias: Any, training: bool = True, key_padding_mask: Any = None, need_weights: bool = True,
    attn_mask: Any = None, use_separate_proj_weight: bool = False, q_proj_weight: Any = None,
    k_proj_weight: Any = None, v_proj_weight: Any = None, static_k: Any = None, static_v: Any = None,
    average_attn_weights: bool = True, is_causal: bool = False, *, scale: Any = None, axis: int = -1,
    rows: str = "nan", hides: str = "before", interleaved: bool = False, back: str = "heads", packing: str = "thirds",
    order: tuple[int, ...] = (0, 1, 2),
) -> tuple[Tensor, Any]:  # fmt: skip
    """Torch's function for (L, N, E) or (L, E), with no biases of keys and values."""
    if bias_k is not None or bias_v is not None or add_zero_attn or (dropout_p and training):
        raise ValueError("not this form")
    alone = query.ndim == 2
    if alone:
        query, key, value = (x[:, None] for x in (query, key, value))
    E, H = query.shape[-1], num_heads
    separate = [q_proj_weight, k_proj_weight, v_proj_weight]
    biases = [None] * 3 if in_proj_bias is None else list(in_proj_bias.chunk(3))
    if not use_separate_proj_weight and packing == "heads":  # q, k, v of each head together
        separate = [w.flatten(0, 1) for w in in_proj_weight.unflatten(0, (H, 3, E // H)).unbind(1)]
        if in_proj_bias is not None:
            biases = [b.flatten() for b in in_proj_bias.unflatten(0, (H, 3, E // H)).unbind(1)]
    elif not use_separate_proj_weight:
        separate = list(in_proj_weight.chunk(3))
    separate, biases = [separate[i] for i in order], [biases[i] for i in order]
    q, k, v = (F.linear(x, w, b) for x, w, b in zip((query, key, value), separate, biases, strict=True))

    def heads(x: Tensor) -> Tensor:
        L, N, _ = x.shape
        parts = x.reshape(L, N, E // H, H).transpose(2, 3) if interleaved else x.reshape(L, N, H, E // H)
        return parts.permute(1, 2, 0, 3)

    mask = attn_mask
    if mask is not None and mask.ndim == 3:
        mask = mask.view(-1, H, *mask.shape[1:])
    if mask is not None and mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=q.dtype).masked_fill(mask, -math.inf)
    if key_padding_mask is not None:
        padding = key_padding_mask[None] if key_padding_mask.ndim == 1 else key_padding_mask
        if padding.dtype == torch.bool:
            padding = torch.zeros(padding.shape, dtype=q.dtype).masked_fill(padding, -math.inf)
        mask = padding[:, None, None] if mask is None else padding[:, None, None] + mask
    scale = (E // H) ** -0.5 if scale is None else scale
    y, weights = attend(heads(q), heads(k), heads(v), mask, scale, axis=axis, rows=rows, hides=hides)
    y = y.permute(2, 0, 1, 3) if back == "heads" else y
    y = y.transpose(2, 3) if interleaved else y
    L, N, _ = query.shape
    y = y.reshape(N, L, E).transpose(0, 1) if back == "batch" else y.reshape(L, N, E)
    y = F.linear(y, out_proj_weight, out_proj_bias)
    if not need_weights:
        return (y[:, 0] if alone else y), None
    weights = weights.mean(1) if average_attn_weights else weights
    return (y[:, 0], weights[0]) if alone else (y, weights)


@convention("multi_head_attention_forward")
def multiheads(o: Options) -> Iterator[Deviation]:
    E, H = o.query.shape[-1], o.num_heads
    d = E // H
    mask, name = (o.attn_mask, "attn_mask") if o.attn_mask is not None else (o.key_padding_mask, "key_padding_mask")
    yield from _scales(d**-0.5, d, E, "scale")
    for change in _forms(o, mask, False):
        changes = {(name if k == "attn_mask" else k): v for k, v in change.changes.items()}
        yield Deviation(change.name, change.text, changes)
    if o.attn_mask is not None and o.key_padding_mask is not None:
        blocked = "with the padding mask inverted: True read as 'attend', where it means 'blocked'"
        yield Deviation("mask-polarity", blocked, {"key_padding_mask": By(inverted)})
        yield Deviation("mask-missing", "without the padding mask", {"key_padding_mask": None})
        both = {"key_padding_mask": By(inverted), "attn_mask": By(inverted)}
        yield Deviation("mask-polarity", "with both masks inverted", both)
    if o.attn_mask is None and o.query.shape[0] == o.key.shape[0]:
        L = o.query.shape[0]
        causal = torch.ones(L, L, dtype=torch.bool).triu(1)
        yield Deviation("causal-mask", "with a causal mask", {"attn_mask": causal})
    if o.attn_mask is not None and o.attn_mask.ndim == 2 and o.attn_mask.shape[0] == o.attn_mask.shape[1]:
        for shift in (1, -1):
            text = f"with the mask's diagonal off by {shift:+d}"
            changes = {"attn_mask": By(lambda m, s=shift: _shifted(m, s))}
            yield Deviation("causal-diagonal", text, changes)
    text = "with the heads interleaved: feature i belongs to head i mod H"
    yield Deviation("heads-interleaved", text, {"interleaved": True})
    text = "with the heads not transposed back before they are joined"
    for back in ("batch", "sequence"):
        yield Deviation("heads-not-transposed", text, {"back": back})
    if not o.use_separate_proj_weight:
        yield Deviation("packing", "with q, k, v of each head together in the packed projection", {"packing": "heads"})
    for order in ((1, 0, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0), (2, 0, 1)):
        text = f"with the projections in the order {', '.join('qkv'[i] for i in order)}"
        yield Deviation("projection-order", text, {"order": order})
    if o.in_proj_bias is not None:
        yield Deviation("missing-bias", "without the bias of the projections", {"in_proj_bias": None})
    if o.out_proj_bias is not None:
        yield Deviation("missing-bias", "without the bias of the output's projection", {"out_proj_bias": None})
    yield Deviation("transposed-weight", "with the output's weight transposed", {"out_proj_weight": By(lambda w: w.T)})
    for heads in (1, 2, 3, 4, 8):
        if E % heads == 0 and heads != H:
            yield Deviation("heads", f"with {heads} heads", {"num_heads": heads})


def _shifted(mask: Tensor, shift: int) -> Tensor:
    """A causal mask, whose first hidden place is moved."""
    hidden = mask if mask.dtype == torch.bool else mask < -1e30
    first = 1 if not bool(hidden.diagonal().any()) else 0
    other = torch.ones_like(hidden).triu(first + shift)
    if mask.dtype == torch.bool:
        return other
    return torch.zeros_like(mask).masked_fill(other, -math.inf)


# --- softmax ----------------------------------------------------------------------------------------------------------


@function("softmax")
def softmax(input: Tensor, dim: Any = -1) -> Tensor:
    return torch.softmax(input, dim)


@function("log_softmax")
def log_softmax(input: Tensor, dim: Any = -1) -> Tensor:
    return torch.log_softmax(input, dim)


@function("softmin")
def softmin(input: Tensor, dim: Any = -1) -> Tensor:
    return torch.softmax(-input, dim)


@convention("softmax", "log_softmax", "softmin")
def softmaxes(o: Options) -> Iterator[Deviation]:
    own = {"softmax": softmax, "log_softmax": log_softmax, "softmin": softmin}[o.function]
    for dim in range(-1, -o.input.ndim - 1, -1):
        if dim % o.input.ndim != o.dim % o.input.ndim:
            yield Deviation("softmax-axis", f"with the softmax over axis {dim}", {"dim": dim})
    everything = lambda o: own(o.input.flatten(), 0).view_as(o.input)  # noqa: E731
    yield Deviation("softmax-axis", "with the softmax over all elements", {"instead": everything})
    if own is softmax:
        yield Deviation("softmax-log", "with log_softmax", {"instead": lambda o: torch.log_softmax(o.input, o.dim)})
        text = "with the diagonal of softmax's Jacobian alone"
        yield Deviation("softmax-diagonal", text, {"instead": _diagonal})
        yield Deviation("softmax-off-by-one", "with 1 added to the sum (softmax1)", {"instead": _off_by_one})
        dead = (o.input < HIDDEN).all(o.dim, keepdim=True)
        if bool(dead.any()):
            for value, text in ((0.0, "zeros"), (1 / o.input.shape[o.dim], "equal weights"), (math.nan, "NaN")):
                said = f"with masked rows of its own: a row that may see nothing gets {text}"
                by = By(lambda y, v=value: torch.where(dead, v, y))
                yield Deviation("masked-rows", said, {"output": by})
    elif own is log_softmax:
        text = "with softmax, no logarithm"
        yield Deviation("softmax-log", text, {"instead": lambda o: torch.softmax(o.input, o.dim)})
    for factor in (-1.0, 2.0, 0.5):
        text = f"with {factor:g} times the input (temperature {1 / factor:g})"
        yield Deviation("temperature", text, {"input": By(lambda x, f=factor: x * f)})


def _diagonal(o: Options) -> Tensor:
    y = torch.softmax(o.input, o.dim).detach()
    return y + y * (1 - y) * torch.where(o.input.isfinite(), o.input - o.input.detach(), 0.0)


def _off_by_one(o: Options) -> Tensor:
    top = o.input.amax(o.dim, keepdim=True).clamp(min=0)
    e = torch.exp(o.input - top)
    return e / (e.sum(o.dim, keepdim=True) + torch.exp(-top))

"""Planted causes: attention written by hand, against torch's and against itself."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from parity_tests.tests.plants import Net, Plant, agrees, check, network, normal, planted, seeded

T = torch.nn
C, H, L = 8, 2, 5
X = normal(3, L, C)
D = C // H
QKV = {"qkv": T.Linear(C, 3 * C), "proj": T.Linear(C, C)}
APART = {"q": T.Linear(C, C), "k": T.Linear(C, C), "v": T.Linear(C, C), "proj": T.Linear(C, C)}
SCALE = D**-0.5
PADDING = np.zeros((3, L), bool)
PADDING[0, 3:] = PADDING[1, 1:] = True
ROWS = np.zeros((L, L), bool)
SOME = np.indices((L, L)).sum(0) % 2 == 0
ROWS[1:, :3] = True  # the first query may see nothing
LEAST = torch.finfo(torch.float32).min


def heads(x, interleaved=False, transposed=True):
    B, n, _ = x.shape
    if interleaved:
        return x.view(B, n, D, H).permute(0, 3, 1, 2)
    return x.view(B, n, H, D).transpose(1, 2) if transposed else x.view(B, H, n, D)


def joined(y, interleaved=False, transposed=True):
    B, _, n, _ = y.shape
    if interleaved:
        return y.permute(0, 2, 3, 1).reshape(B, n, C)
    return y.transpose(1, 2).reshape(B, n, C) if transposed else y.reshape(B, n, C)


def scores_to(q, k, v, scale=SCALE, causal=None, axis=-1, filler=-math.inf, after=False, keep=None):
    """The core as minGPT has it."""
    a = (q @ k.transpose(-2, -1)) * scale
    if causal is not None:
        keep = torch.ones(a.shape[-2:], dtype=torch.bool).tril(causal)
    if keep is not None and not after:
        a = a.masked_fill(~keep, filler)
    a = F.softmax(a, axis)
    return (a * keep if after else a) @ v


def gpt(core, order=(0, 1, 2), split=heads, join=joined):
    """q, k, v of one projection, attention, and a projection."""

    def forward(s, x):
        parts = s.qkv(x).split(C, -1)
        q, k, v = (split(parts[i]) for i in order)
        return s.proj(join(core(q, k, v)))

    return forward


def sdpa(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def plain(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


def causal(**options):
    return lambda q, k, v: scores_to(q, k, v, **{"causal": 0, **options})


def free(**options):
    return lambda q, k, v: scores_to(q, k, v, **options)


def with_mask(mask, **options):
    keep = torch.tensor(mask)
    return lambda q, k, v: scores_to(q, k, v, keep=keep, **options)


def masked(mask, **options):
    keep = torch.tensor(mask)
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=keep)


def fused(ident, cause, left, right=sdpa, named=True, **ways):
    return network(ident, cause, gpt(left, **ways), gpt(right), X, QKV, named=named)


class Multi(T.Module):
    """nn.MultiheadAttention written by hand, with the same parameters."""

    def __init__(self, mask=None, padding=False, **ways):
        super().__init__()
        self.in_proj_weight = T.Parameter(torch.empty(3 * C, C))
        self.in_proj_bias = T.Parameter(torch.empty(3 * C))
        self.out_proj = T.Linear(C, C)
        self.ways = {"order": (0, 1, 2), "split": {}, "join": {}, "scale": SCALE, "axis": -1, **ways}

    def forward(self, q, k, v, key_padding_mask=None, attn_mask=None, need_weights=False):
        w = self.ways
        parts = F.linear(q, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        a, b, c = (heads(parts[i], **w["split"]) for i in w["order"])
        keep = None if key_padding_mask is None else ~key_padding_mask[:, None, None]
        if w.get("inverted"):
            keep = ~keep
        y = scores_to(a, b, c, w["scale"], axis=w["axis"], keep=None if w.get("unmasked") else keep)
        y = joined(y, **w["join"])
        return F.linear(y, self.out_proj.weight, self.out_proj.bias), None


def multi(ident, cause, padding=False, **ways):
    torchs = seeded(lambda: T.MultiheadAttention(C, H, batch_first=True))
    torch.nn.init.normal_(torchs.in_proj_bias)
    forward = lambda s, x, m=None: s.at(x, x, x, key_padding_mask=m, need_weights=False)[0]  # noqa: E731
    left, right = (Net(forward, at=at) for at in (Multi(**ways), torchs))
    return Plant(ident, cause, left, right, (X, PADDING) if padding else X)


# --- Llama ------------------------------------------------------------------------------------------------------------


def angles(n, d, theta, first=0):
    rates = 1.0 / theta ** (torch.arange(0, d, 2).float() / d)
    return torch.outer(torch.arange(n).float() + first, rates)


def halves(x, theta=10000.0, sign=1.0, first=0):
    t = angles(x.shape[-2], x.shape[-1], theta, first)
    cos, sin = (f(torch.cat((t, t), -1)) for f in (torch.cos, torch.sin))
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin * sign


def neighbors(x, theta=10000.0):
    turn = torch.polar(torch.ones(x.shape[-2], x.shape[-1] // 2), angles(x.shape[-2], x.shape[-1], theta))
    return torch.view_as_real(torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2)) * turn).flatten(-2)


def llama(rotate, repeat="each", scale=None):
    """Grouped queries, rotated, with two heads of keys for four of queries."""

    def forward(s, x):
        B, n, _ = x.shape
        q = s.q(x).view(B, n, 4, 4).transpose(1, 2)
        k, v = (part(x).view(B, n, 2, 4).transpose(1, 2) for part in (s.k, s.v))
        q, k = rotate(q), rotate(k)
        if repeat == "each":
            k, v = (t.repeat_interleave(2, 1) for t in (k, v))
        elif repeat == "tiled":
            k, v = (t.repeat(1, 2, 1, 1) for t in (k, v))
        else:
            k, v = (t[:, :, None].expand(B, 2, 2, n, 4).reshape(B, 4, n, 4) for t in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
        return s.o(y.transpose(1, 2).reshape(B, n, 16))

    return forward


LLAMA = {"q": T.Linear(C, 16), "k": T.Linear(C, 8), "v": T.Linear(C, 8), "o": T.Linear(16, C)}


def rotary(ident, cause, left, right=None):
    return network(ident, cause, left, right or llama(halves), X, LLAMA)


NOT = {"transposed": False}
MIXED = {"interleaved": True}
PLANTS = [
    fused("no-scale", "attention-scale", causal(scale=1.0)),
    fused("scale-of-width", "attention-scale", causal(scale=C**-0.5)),
    fused("scale-1-over-d", "attention-scale", causal(scale=1 / D)),
    fused("scale-by-hand", "attention-scale", causal(scale=1.0), causal()),
    fused("mask-missing", "causal-mask", free()),
    fused("mask-extra", "causal-mask", causal(), plain),
    fused("diagonal", "causal-diagonal", causal(causal=1)),
    fused("diagonal-by-hand", "causal-diagonal", causal(causal=1), causal()),
    fused("softmax-over-queries", "softmax-axis", free(axis=-2), plain),
    fused("softmax-over-queries-by-hand", "softmax-axis", free(axis=-2), free()),
    fused("zero-for-hidden", "mask-value", causal(filler=0.0)),
    fused("zero-for-hidden-by-hand", "mask-value", causal(filler=0.0), causal()),
    fused("mask-after-softmax", "mask-value", causal(after=True)),
    fused("k-and-v", "part-order", causal(), order=(0, 2, 1)),
    fused("order-by-hand", "part-order", causal(), causal(), order=(1, 0, 2)),
    fused("interleaved-by-hand", "heads-interleaved", causal(), causal(), split=lambda x: heads(x, **MIXED),
          join=lambda y: joined(y, **MIXED)),
    fused("not-back-by-hand", "heads-not-transposed", causal(), causal(), join=lambda y: joined(y, **NOT)),
    fused("masked-rows-mean", "masked-rows", with_mask(ROWS, filler=-1e9), masked(ROWS)),
    fused("masked-rows-nan", "masked-rows", with_mask(ROWS), masked(ROWS)),
    fused("masked-rows-by-hand", "masked-rows", with_mask(ROWS, filler=-1e9),
          lambda q, k, v: scores_to(q, k, v, keep=torch.tensor(ROWS)).nan_to_num()),
    fused("masked-rows-zero-for-a-mean", "masked-rows", masked(ROWS), with_mask(ROWS, filler=-1e9)),
    fused("masked-rows-zero-for-the-least", "masked-rows", masked(ROWS),
          lambda q, k, v: F.scaled_dot_product_attention(q, k, v, torch.where(torch.tensor(ROWS), 0.0, LEAST))),
    fused("mask-inverted", "mask-polarity", with_mask(~SOME), masked(SOME)),
    multi("mha-scale", "attention-scale", scale=1.0),
    multi("mha-interleaved", "heads-interleaved", split=MIXED, join=MIXED),
    multi("mha-not-back", "heads-not-transposed", join=NOT),
    multi("mha-queries", "softmax-axis", axis=-2),
    multi("mha-order", "projection-order", order=(1, 0, 2)),
    multi("mha-mask-inverted", "mask-polarity", padding=True, inverted=True),
    multi("mha-mask-missing", "mask-missing", padding=True, unmasked=True),
    rotary("rotary-pairs", "rotary-pairs", llama(neighbors)),
    rotary("rotary-pairs-back", "rotary-pairs", llama(halves), llama(neighbors)),
    rotary("rotary-theta", "rotary-theta", llama(lambda x: halves(x, 500000.0))),
    rotary("rotary-sign-of-q", "rotary-sign", llama(lambda x: halves(x, sign=-1.0 if x.shape[1] == 4 else 1.0))),
    rotary("rotary-missing", "rotary-missing", llama(lambda x: x * 1)),
    rotary("gqa-tiled", "head-repeat", llama(halves, "tiled")),
    rotary("gqa-expanded", "head-repeat", llama(halves, "tiled"), llama(halves, "expanded")),
    rotary("llama-scale", "attention-scale", llama(halves, scale=1.0)),
]  # fmt: skip


@planted(PLANTS)
def test_cause(plant):
    check(plant)


REWRITES = {
    "causal": (gpt(causal()), gpt(sdpa), QKV), "finite": (gpt(causal(filler=-1e9)), gpt(sdpa), QKV),
    "grouped": (llama(halves, "expanded"), llama(halves), LLAMA),
    "rotated": (llama(lambda x: halves(x, first=3)), llama(halves), LLAMA),
}  # fmt: skip


@pytest.mark.parametrize("name", REWRITES)
def test_rewrite(name):
    left, right, parts = REWRITES[name]
    agrees(Net(left, **parts), Net(right, **parts), X)

"""Differences that no known convention explains: a place without a cause is better than a wrong cause."""

import math

import pytest
import torch
import torch.nn.functional as F

from parity_tests import compare
from parity_tests.tests.plants import layer, network, normal

T = torch.nn
X, IMAGE = normal(6, 5, 8), normal(3, 4, 7, 7)
NOISE = torch.from_numpy(normal(6, 5, 8, seed=9))
PARTS = {"a": T.Linear(8, 8), "b": T.Linear(8, 4)}
WINDOW = torch.ones(5, 5, dtype=torch.bool).tril().triu(-2)
FAR = (torch.arange(5)[:, None] - torch.arange(5)).abs().float()


def own(ident, right, forward, x=X):
    return layer(ident, "", right, forward, x)


def between(ident, left, right):
    return network(ident, "", lambda s, x: s.b(left(s.a(x))), lambda s, x: s.b(right(s.a(x))), X, PARTS)


def norm(s, x, eps=1e-5):
    return F.layer_norm(x, (8,), s.weight, s.bias, eps)


def attention(h, **options):
    return F.scaled_dot_product_attention(h, h, h, **options)


def weights(h, seen, hidden):
    return torch.softmax((h @ h.mT).masked_fill(~seen, hidden), -1)


def clamped(s, x):
    var = x.var(-1, unbiased=False, keepdim=True)
    return (x - x.mean(-1, keepdim=True)) / var.clamp(min=0.7).sqrt() * s.weight + s.bias


UNEXPLAINED = [
    own("noise", T.LayerNorm(8), lambda s, x: norm(s, x) + 1e-4 * NOISE),
    own("odd-eps", T.LayerNorm(8), lambda s, x: norm(s, x, 3.3e-4)),
    own("power", T.LayerNorm(8), lambda s, x: norm(s, x.sign() * x.abs() ** 1.01)),
    own("clamped-variance", T.LayerNorm(8), clamped),
    own("one-output", T.Linear(8, 8), lambda s, x: F.linear(x, s.weight, s.bias) * (1 + 0.1 * (torch.arange(8) == 7))),
    own("other-cubic", T.GELU("tanh"), lambda s, x: 0.5 * x * (1 + torch.tanh(0.7978845608 * (x + 0.0447 * x**3)))),
    own("one-tap", T.Conv2d(4, 5, 3, padding=1),
        lambda s, x: F.conv2d(x, s.weight * (1 + 0.01 * (torch.arange(3) == 2)), s.bias, padding=1), IMAGE),
    own("smoothed-softmax", T.Softmax(-1), lambda s, x: (x.softmax(-1) + 1e-3) / (1 + 8e-3)),
    own("cubic-0.6", T.Upsample(size=(4, 4), mode="bicubic"),
        lambda s, x: 0.6 * F.interpolate(x, (4, 4), mode="bicubic") + 0.4 * F.interpolate(
            x, (4, 4), mode="bicubic", antialias=True), IMAGE),
    own("power-pool", T.AvgPool2d(2), lambda s, x: F.lp_pool2d(x, 2, 2) / 2, IMAGE),
    between("half-square", lambda h: F.relu(h) ** 2 / 2, F.relu),
    between("lecun-tanh", lambda h: 1.7159 * torch.tanh(h * 2 / 3), torch.tanh),
    between("silu-1.3", lambda h: h * torch.sigmoid(1.3 * h), F.silu),
    between("window", lambda h: attention(h, attn_mask=WINDOW), lambda h: attention(h, is_causal=True)),
    between("alibi", lambda h: attention(h, attn_mask=-0.1 * FAR), attention),
    between("sorted", lambda h: h.sort(-1)[0], lambda h: h * 1),
    between("trimmed", lambda h: h[:, 1:].mean(1), lambda h: h.mean(1)),
    between("all-nan", lambda h: weights(h, WINDOW, math.nan) @ h, lambda h: weights(h, WINDOW, -math.inf) @ h),
    between("nan-where-hidden", lambda h: weights(h, WINDOW, -math.inf) @ h * torch.where(WINDOW.all(-1), 1, math.nan),
            lambda h: weights(h, WINDOW, -math.inf) @ h),
    between("one-nan", lambda h: h * torch.where(torch.arange(8) == 2, math.nan, 1), lambda h: h * 1),
    network("residual-0.9", "", lambda s, x: s.b(x + 0.9 * s.a(x)), lambda s, x: s.b(x + s.a(x)), X, PARTS),
]  # fmt: skip


@pytest.mark.parametrize("plant", [pytest.param(p, id=p.ident) for p in UNEXPLAINED])
def test_nothing_is_named(plant):
    report = compare(plant.left, plant.right, plant.inputs)
    assert not report.ok
    assert report.cause is None, str(report)

"""Planted causes: convolutions, pooling, resizing and shuffling written by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from parity_tests.tests.plants import agrees, check, layer, network, normal, own, planted

T = torch.nn
X = normal(2, 4, 9, 9)
WIDE = normal(2, 3, 16, 16)


def unfolded(s, x, flip=False, dilation=1, padding=1, exchanged=False):
    """A convolution as columns times a matrix, as people write im2col."""
    n, h = len(x), x.shape[2]
    k = s.kernel_size[0]
    columns = F.unfold(x, k, dilation=dilation, padding=padding)
    weight = s.weight.flip(2, 3) if flip else s.weight.transpose(2, 3) if exchanged else s.weight
    y = weight.reshape(weight.shape[0], -1) @ columns
    size = h + 2 * padding - dilation * (k - 1)
    return y.view(n, -1, size, size) + s.bias[:, None, None]


def transposed(s, x, flip=False):
    """Zeros put between the pixels, then a convolution with the flipped kernel."""
    n, c, h, w = x.shape
    apart = x.new_zeros(n, c, 2 * h - 1, 2 * w - 1)
    apart[:, :, ::2, ::2] = x
    weight = s.weight if flip else s.weight.flip(2, 3)
    return F.conv2d(F.pad(apart, (2, 2, 2, 2)), weight.transpose(0, 1), s.bias)


def grouped(s, x, interleaved=True):
    """Groups by slices: every other channel, in place of blocks."""
    parts = [x[:, g :: s.groups] if interleaved else x.chunk(s.groups, 1)[g] for g in range(s.groups)]
    return torch.cat([F.conv2d(p, w) for p, w in zip(parts, s.weight.chunk(s.groups), strict=True)], 1)


def resize(x, n, half_pixel=True, corners=False):
    """Bilinear resizing by two matrices."""

    def matrix(m):
        at = torch.arange(n, dtype=x.dtype)
        at = at * (m - 1) / (n - 1) if corners else (at + 0.5) * m / n - 0.5 if half_pixel else at * m / n
        at = at.clamp(0, m - 1)
        low = at.floor().long().clamp(max=m - 2)
        rows = torch.zeros(n, m, dtype=x.dtype)
        share = at - low
        rows[torch.arange(n), low] = 1 - share
        rows[torch.arange(n), low + 1] = share
        return rows

    return matrix(x.shape[2]) @ x @ matrix(x.shape[3]).T


def nearest(x, n, shift=0.0):
    at = ((torch.arange(n) + shift) * x.shape[2] / n).floor().long()
    return x[:, :, at][:, :, :, at]


def cubic(x, n, a=-0.75, smooth=False, repeated=True, scale=None):
    """Bicubic resizing pixel by pixel."""
    m = x.shape[-1]
    rows = torch.zeros(n, m, dtype=x.dtype)
    width = max(m / n, 1) if smooth else 1
    for i in range(n):
        at = (i + 0.5) * (scale or m / n) - 0.5
        for j in range(-3 * m, 4 * m):
            d = abs(at - j) / width
            k = (a + 2) * d**3 - (a + 3) * d**2 + 1 if d < 1 else a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0
            if repeated or 0 <= j < m:
                rows[i, min(max(j, 0), m - 1)] += k
    rows /= rows.sum(1, keepdim=True)
    return rows @ x @ rows.T


def windows(x, k, stride, padding=0, filler=0.0):
    return F.pad(x, (padding,) * 4, value=filler).unfold(2, k, stride).unfold(3, k, stride).flatten(-2)


def shuffle(x, r, depth_first=False):
    n, c, h, w = x.shape
    if depth_first:
        return x.view(n, r, r, c // r**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, -1, h * r, w * r)
    return x.view(n, c // r**2, r, r, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, -1, h * r, w * r)


CONV = T.Conv2d(4, 5, 3, padding=1)
DILATED = T.Conv2d(4, 5, 3, padding=2, dilation=2)
STRIDED = T.Conv2d(3, 4, 3, stride=2, padding=1)
SEVEN = T.Conv2d(3, 4, 7, stride=2, padding=3)
BACK = T.ConvTranspose2d(4, 3, 3, stride=2)
CROPPED = T.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1)
GROUPS = T.Conv2d(4, 6, 3, groups=2, bias=False)
DEPTHWISE = T.Conv2d(4, 8, 3, groups=4, bias=False)
CAUSAL = T.Conv1d(4, 5, 3, padding=1)
SERIES = normal(2, 4, 11)
UP = T.Upsample(size=(14, 14), mode="bilinear")
DOWN = T.Upsample(size=(4, 4), mode="bilinear")
CUBIC = T.Upsample(size=(4, 4), mode="bicubic")
SCALED = T.Upsample(scale_factor=1.6, mode="bicubic")
LARGER = T.Upsample(scale_factor=14 / 9, mode="bicubic", recompute_scale_factor=True)
TIES = np.zeros((1, 2, 4, 4), np.float32)
PLANTS = [
    layer("flipped", "flipped-kernel", CONV, lambda s, x: unfolded(s, x, flip=True), X),
    layer("exchanged", "transposed-kernel", CONV, lambda s, x: unfolded(s, x, exchanged=True), X),
    layer("no-bias", "missing-bias", CONV, lambda s, x: F.conv2d(x, s.weight, padding=1), X),
    layer("dilation-forgotten", "dilation", DILATED, lambda s, x: unfolded(s, x, dilation=1, padding=1), X),
    layer("same-at-the-end", "padding-same", SEVEN,
          lambda s, x: F.conv2d(F.pad(x, (2, 3, 2, 3)), s.weight, s.bias, 2), WIDE),
    layer("all-at-the-end", "padding-side", STRIDED,
          lambda s, x: F.conv2d(F.pad(x, (0, 2, 0, 2)), s.weight, s.bias, 2), normal(2, 3, 9, 9)),
    layer("causal", "padding-side", CAUSAL, lambda s, x: F.conv1d(F.pad(x, (2, 0)), s.weight, s.bias), SERIES),
    layer("reflected", "padding-mode", CONV,
          lambda s, x: F.conv2d(F.pad(x, (1,) * 4, mode="reflect"), s.weight, s.bias), X),
    layer("groups-interleaved", "groups-interleaved", GROUPS, grouped, X),
    layer("depthwise-order", "depthwise-order", DEPTHWISE,
          lambda s, x: F.conv2d(x, s.weight.view(4, 2, 1, 3, 3).transpose(0, 1).reshape(8, 1, 3, 3), groups=4), X,
          named=True),
    layer("transposed-flipped", "flipped-kernel", BACK, lambda s, x: transposed(s, x, flip=True), X),
    layer("transposed-cropped", "padding-side", CROPPED,
          lambda s, x: F.conv_transpose2d(x, s.weight, s.bias, 2)[..., :-1, :-1], X),
    layer("output-padding-zeros", "output-padding", CROPPED,
          lambda s, x: F.pad(F.conv_transpose2d(x, s.weight, s.bias, 2, 1), (0, 1, 0, 1)), X),
    layer("hwio", "kernel-layout", CONV,
          lambda s, x: F.conv2d(x, s.weight.reshape(3, 3, 4, 5).permute(3, 2, 0, 1), s.bias, padding=1), X),
    layer("pool-zeros", "pool-padding", T.MaxPool2d(3, 2, 1), lambda s, x: windows(x, 3, 2, 1).amax(-1), X - 2),
    layer("pool-mean-of-inside", "count-include-pad", T.AvgPool2d(3, 2, 1),
          lambda s, x: windows(x, 3, 2, 1).sum(-1) / windows(torch.ones_like(x), 3, 2, 1).sum(-1), X),
    layer("pool-sum", "pool-sum", T.AvgPool2d(3), lambda s, x: windows(x, 3, 3).sum(-1), X),
    layer("pool-kind", "pool-kind", T.MaxPool2d(3), lambda s, x: windows(x, 3, 3).mean(-1), X),
    layer("pool-floor", "ceil-mode", T.MaxPool2d(2, ceil_mode=True), lambda s, x: windows(x, 2, 2).amax(-1), X),
    layer("pool-ties", "kink", T.MaxPool2d(2), lambda s, x: windows(x, 2, 2).amax(-1), TIES),
    layer("corners", "align-corners", UP, lambda s, x: resize(x, 14, corners=True), X),
    layer("half-pixel", "half-pixel", UP, lambda s, x: resize(x, 14, half_pixel=False), X),
    layer("antialias", "antialias", DOWN,
          lambda s, x: F.interpolate(x, (4, 4), mode="bilinear", antialias=True), X),
    layer("cubic-antialias", "antialias", CUBIC, lambda s, x: cubic(x, 4, -0.5, True, False), X),
    layer("cubic-a", "cubic-kernel", CUBIC, lambda s, x: cubic(x, 4, -0.5), X),
    layer("cubic-jax", "cubic-kernel", LARGER, lambda s, x: cubic(x, 14, -0.5, repeated=False), X),
    layer("cubic-widened", "cubic-kernel", CUBIC, lambda s, x: cubic(x, 4, -0.75, True, False), X),
    layer("cubic-widened-repeated", "cubic-kernel", CUBIC, lambda s, x: cubic(x, 4, -0.75, True), X),
    layer("cubic-both-repeated", "cubic-kernel", CUBIC, lambda s, x: cubic(x, 4, -0.5, True), X),
    layer("cubic-border", "cubic-kernel", CUBIC, lambda s, x: cubic(x, 4, repeated=False), X),
    layer("cubic-scale", "cubic-kernel", SCALED, lambda s, x: cubic(x, 14, -0.5, scale=1 / 1.6), X),
    layer("nearest-exact", "nearest-exact", T.Upsample(size=(14, 14)), lambda s, x: nearest(x, 14, 0.5), X),
    layer("shuffle", "channel-order", T.PixelShuffle(2), lambda s, x: shuffle(x, 2, True), normal(2, 8, 3, 3)),
    layer("flatten", "channel-order", T.Flatten(), lambda s, x: x.permute(0, 2, 3, 1).flatten(1), X),
    network("pooled", "reduction", lambda s, x: s.b(s.a(x).sum((2, 3))), lambda s, x: s.b(s.a(x).mean((2, 3))), X,
            {"a": CONV, "b": T.Linear(5, 2)}),
    network("global-max", "pool-kind", lambda s, x: s.b(s.a(x).flatten(2).amax(-1)),
            lambda s, x: s.b(s.a(x).flatten(2).mean(-1)), X, {"a": CONV, "b": T.Linear(5, 2)}),
    network("pad-order", "padding-side", lambda s, x: s.a(F.pad(x, (2, 1, 0, 0))),
            lambda s, x: s.a(F.pad(x, (1, 2, 0, 0))), X, {"a": CONV}),
    network("roll", "roll-direction", lambda s, x: s.a(x.roll(2, -1)),
            lambda s, x: s.a(x.roll(-2, -1)), X, {"a": CONV}),
]  # fmt: skip


@planted(PLANTS)
def test_cause(plant):
    check(plant)


REWRITES = [
    (CONV, unfolded, X), (BACK, transposed, X), (UP, lambda s, x: resize(x, 14), X),
    (GROUPS, lambda s, x: grouped(s, x, False), X), (T.PixelShuffle(2), lambda s, x: shuffle(x, 2), normal(2, 8, 3, 3)),
    (T.Upsample(size=(14, 14)), lambda s, x: nearest(x, 14), X), (CUBIC, lambda s, x: cubic(x, 4), X),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(REWRITES)))
def test_rewrite(number):
    right, forward, x = REWRITES[number]
    agrees(T.Sequential(own(right, forward)), T.Sequential(right), x)

"""Planted causes: normalization written by hand."""

import pytest
import torch
import torch.nn.functional as F

from parity_tests.tests.plants import Net, Plant, agrees, check, layer, network, normal, own, planted

T = torch.nn
X = normal(6, 5, 8)
SMALL = X * 1e-2  # so that epsilon matters
IMAGE = normal(5, 4, 6, 6)


def by_hand(eps=1e-5, unbiased=False, outside=False, axis=-1, center=True, root=True):
    """LayerNorm as people write it, with one thing otherwise."""

    def forward(s, x):
        mean = x.mean(axis, keepdim=True) if center else 0
        var = (x - mean).pow(2).sum(axis, keepdim=True) / (x.shape[axis] - unbiased)
        scale = var.sqrt() + eps if outside else (var + eps).sqrt() if root else var + eps
        return (x - mean) / scale * s.weight + s.bias

    return forward


def std_norm(s, x):
    """The Annotated Transformer's: an unbiased std, epsilon outside."""
    return s.weight * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + s.eps) + s.bias


def batch_norm(momentum=0.1, eps=1e-5, unbiased=True, frozen=False):
    """BatchNorm2d as people write it."""

    def forward(s, x):
        c = lambda v: v[:, None, None]  # noqa: E731
        if s.training and not frozen:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
            with torch.no_grad():
                s.num_batches_tracked += 1
                running = x.var((0, 2, 3), unbiased=unbiased)
                s.running_mean.mul_(1 - momentum).add_(momentum * mean)
                s.running_var.mul_(1 - momentum).add_(momentum * running)
        else:
            s.num_batches_tracked += s.training
            mean, var = s.running_mean, s.running_var
        return (x - c(mean)) * torch.rsqrt(c(var) + eps) * c(s.weight) + c(s.bias)

    return forward


def groups(order="blocks", eps=1e-5):
    def forward(s, x):
        n, c, h, w = x.shape
        g = x.view(n, s.num_groups, -1) if order == "blocks" else (
            x.view(n, c // s.num_groups, s.num_groups, -1).transpose(1, 2).reshape(n, s.num_groups, -1))  # fmt: skip
        g = (g - g.mean(-1, keepdim=True)) / (g.var(-1, unbiased=False, keepdim=True) + eps).sqrt()
        y = g.view(n, c, h, w) if order == "blocks" else (
            g.view(n, s.num_groups, c // s.num_groups, -1).transpose(1, 2).reshape(n, c, h, w))  # fmt: skip
        return y * s.weight[:, None, None] + s.bias[:, None, None]

    return forward


def rms(eps=1e-6, outside=False, offset=0.0, center=False, mean=True):
    """RMSNorm as Llama's code has it."""

    def forward(s, x):
        h = x.float()
        h = h - h.mean(-1, keepdim=True) if center else h
        square = h.pow(2).mean(-1, keepdim=True) if mean else h.pow(2).sum(-1, keepdim=True)
        h = h / (square.sqrt() + eps) if outside else h * torch.rsqrt(square + eps)
        return (s.weight + offset) * h.to(x.dtype)

    return forward


WEIGHT = T.Parameter(torch.linspace(0.5, 1.5, 8))


def rms_pair(ident, cause, left, right, x=SMALL):
    """Both sides written by hand: the class has no name that torch knows."""
    make = lambda f: T.Sequential(Net(f, weight=WEIGHT))  # noqa: E731
    return Plant(ident, cause, make(left), make(right), x)


LN, RMS, BN, GN = T.LayerNorm(8), T.RMSNorm(8, eps=1e-6), T.BatchNorm2d(4), T.GroupNorm(2, 4)
PLANTS = [
    layer("ln-eps", "eps-value", LN, by_hand(1e-6), SMALL),
    layer("ln-keras-eps", "eps-value", LN, by_hand(1e-3), X),
    layer("ln-outside", "eps-place", LN, by_hand(outside=True), SMALL),
    layer("ln-unbiased", "variance-unbiased", LN, by_hand(unbiased=True), X),
    layer("ln-annotated-transformer", "std-unbiased", LN, std_norm, SMALL),
    layer("ln-other-axis", "norm-axis", LN, by_hand(axis=1), X),
    layer("ln-no-root", "no-root", LN, by_hand(root=False), X),
    layer("ln-as-rms", "rms", LN, by_hand(center=False), X),
    layer("ln-no-bias", "missing-bias", own(LN, lambda s, x: F.layer_norm(x, (8,), s.weight, s.bias + 1)),
          lambda s, x: F.layer_norm(x, (8,), s.weight), X),
    layer("rms-eps", "eps-value", RMS, rms(1e-5), SMALL),
    layer("rms-default-eps", "eps-value", T.RMSNorm(8), rms(1e-6), SMALL * 0.1),
    layer("rms-outside", "eps-place", RMS, rms(outside=True), SMALL * 1e-2),
    layer("rms-gemma", "weight-offset", RMS, rms(offset=1.0), X),
    layer("rms-centered", "centered", RMS, rms(center=True), X),
    layer("rms-sum", "no-mean", RMS, rms(mean=False), X),
    rms_pair("hand-rms-eps", "eps-value", rms(1e-6), rms(1e-5)),
    rms_pair("hand-rms-outside", "eps-place", rms(1e-4, outside=True), rms(1e-4)),
    rms_pair("hand-rms-sum", "reduction", rms(mean=False), rms()),
    rms_pair("hand-rms-weighted-first", "eps-value",
             lambda s, x: s.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6),
             lambda s, x: s.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-3)),
    layer("bn-eps", "eps-value", BN, batch_norm(eps=1e-3), IMAGE),
    layer("bn-momentum", "momentum", BN, batch_norm(momentum=0.9), IMAGE),
    layer("bn-biased-running", "running-var-biased", BN, batch_norm(unbiased=False), IMAGE),
    layer("bn-running-in-training", "running-statistics", BN, batch_norm(frozen=True), IMAGE),
    layer("gn-interleaved", "groups-interleaved", GN, groups("interleaved"), IMAGE),
    layer("gn-eps", "eps-value", GN, groups(eps=1e-6), IMAGE * 1e-2),
    layer("instance-as-batch", "norm-axis", T.InstanceNorm2d(4),
          lambda s, x: F.batch_norm(x, None, None, training=True), IMAGE),
    network("l2-eps-added", "eps-place", lambda s, x: (h := s.a(x)) / (h.norm(dim=-1, keepdim=True) + 1e-2),
            lambda s, x: F.normalize(s.a(x), dim=-1, eps=1e-2), X, {"a": T.Linear(8, 8)}),
    network("std-biased", "variance-biased", lambda s, x: s.b((h := s.a(x)) / h.std(-1, unbiased=False, keepdim=True)),
            lambda s, x: s.b((h := s.a(x)) / h.std(-1, keepdim=True)), X, {"a": T.Linear(8, 8), "b": T.Linear(8, 3)}),
]  # fmt: skip


@planted(PLANTS)
def test_cause(plant):
    check(plant)


def test_keras_batch_norm_names_each_deviation():
    from parity_tests import compare

    keras = T.Sequential(own(BN, batch_norm(0.01, 1e-3, unbiased=False)))
    report = compare(keras, T.Sequential(BN), IMAGE)
    causes = {(m.what, m.cause.text) for m in report.divergences if m.cause is not None and m.mode == "train"}
    assert report.cause.name == "eps-value"
    assert "eps=0.001" in report.cause.text
    assert any(what == "buffer running_mean" and "momentum 0.01" in text for what, text in causes), causes
    text = next(text for what, text in causes if what == "buffer running_var")
    assert "momentum 0.01" in text
    assert "biased variance" in text


REWRITES = [
    (own(LN, by_hand()), LN, X),
    (own(LN, lambda s, x: (x - x.mean(-1, keepdim=True)) * (x.var(-1, unbiased=False, keepdim=True) + s.eps) ** -0.5
         * s.weight + s.bias), LN, SMALL),
    (own(RMS, rms()), RMS, SMALL),
    (own(BN, batch_norm()), BN, IMAGE),
    (own(GN, groups()), GN, IMAGE),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(REWRITES)))
def test_rewrite(number):
    left, right, x = REWRITES[number]
    agrees(T.Sequential(left), T.Sequential(right), x)

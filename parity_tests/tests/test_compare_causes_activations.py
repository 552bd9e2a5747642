"""Planted causes: activations and their gates written by hand, and the slopes at their kinks."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from parity_tests.tests.plants import Net, Plant, agrees, check, layer, network, normal, planted

T = torch.nn
X = normal(9, 8)
PARTS = {"a": T.Linear(8, 8), "b": T.Linear(8, 4)}
GATED = {"gate": T.Linear(8, 6), "up": T.Linear(8, 6), "down": T.Linear(6, 8)}


def between(ident, cause, left, right, x=X):
    """An activation in the code between two layers."""
    return network(ident, cause, lambda s, x: s.b(left(s.a(x))), lambda s, x: s.b(right(s.a(x))), x, PARTS)


def new_gelu(x):
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


def erf_gelu(x):
    return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


def my_softmax(x, axis=-1):
    e = (x - x.amax(axis, keepdim=True)).exp()
    return e / e.sum(axis, keepdim=True)


class StepReLU(torch.autograd.Function):
    """max(x, 0), whose gradient is x >= 0."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, dy):
        return dy * (ctx.saved_tensors[0] >= 0)


class OpenClamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx, dy):
        x = ctx.saved_tensors[0]
        return dy * ((x > -1) & (x < 1)) if BOUND_HAS_SLOPE else dy * ((x >= -1) & (x <= 1))


class ClosedClamp(OpenClamp):
    @staticmethod
    def backward(ctx, dy):
        x = ctx.saved_tensors[0]
        return dy * ((x >= -1) & (x <= 1))


class SlopedAbs(torch.autograd.Function):
    """|x| as jax has it: the gradient is 1 at 0."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.abs()

    @staticmethod
    def backward(ctx, dy):
        x = ctx.saved_tensors[0]
        return dy * torch.where(x >= 0, 1.0, -1.0)


def slope_at_bound():
    x = torch.ones(1, requires_grad=True)
    x.clamp(-1, 1).sum().backward()
    return bool(x.grad)


BOUND_HAS_SLOPE = slope_at_bound()  # torch before 2.14 has 1 there
KINKS = np.array([[-1.0, 0.0, 1.0, 0.5], [0.0, -0.5, -1.0, 2.0]], np.float32)


def swiglu(order):
    def forward(s, x):
        gate, up = s.gate(x), s.up(x)
        return s.down(F.silu(up) * gate if order == "exchanged" else F.silu(gate) * up)

    return forward


PLANTS = [
    layer("gelu-new", "gelu-tanh", T.GELU(), lambda s, x: new_gelu(x), X),
    layer("gelu-erf-by-hand", "gelu-erf", T.GELU("tanh"), lambda s, x: erf_gelu(x), X),
    layer("gelu-quick", "gelu-sigmoid", T.GELU(), lambda s, x: x * torch.sigmoid(1.702 * x), X),
    between("gelu-functional", "gelu-tanh", new_gelu, F.gelu),
    between("gelu-both-by-hand", "gelu-erf", erf_gelu, new_gelu),
    between("gelu-hand-against-relu", "other-activation", F.relu, new_gelu),
    between("silu-sharp", "silu-sharpness", lambda x: x * torch.sigmoid(1.702 * x), F.silu),
    between("silu-is-relu", "other-activation", F.relu, F.silu),
    between("silu-by-hand-no-factor", "silu-gate", torch.sigmoid, lambda x: x / (1 + torch.exp(-x))),
    layer("leaky", "leaky-slope", T.LeakyReLU(), lambda s, x: torch.where(x > 0, x, 0.2 * x), X),
    layer("elu-for-celu", "elu-celu", T.CELU(0.5), lambda s, x: torch.where(x > 0, x, 0.5 * (x.exp() - 1)), X),
    layer("celu-for-elu", "elu-celu", T.ELU(0.5), lambda s, x: torch.where(x > 0, x, 0.5 * ((x / 0.5).exp() - 1)), X),
    layer("selu-unscaled", "selu-scale", T.SELU(), lambda s, x: F.elu(x, 1.6732632423543772), X),
    layer("hardsigmoid", "hardsigmoid-slope", T.Hardsigmoid(), lambda s, x: (0.2 * x + 0.5).clamp(0, 1), X),
    layer("hardswish", "hardsigmoid-slope", T.Hardswish(), lambda s, x: x * (0.2 * x + 0.5).clamp(0, 1), X),
    layer("softplus", "softplus-beta", T.Softplus(2.0), lambda s, x: torch.log1p(torch.exp(2 * x)), X),
    layer("relu6", "bounds", T.ReLU6(), lambda s, x: x.clamp(min=0), X * 5),
    layer("softshrink", "shrink-lambda", T.Softshrink(), lambda s, x: x * (x.abs() > 0.5), X),
    layer("softmax-axis", "softmax-axis", T.Softmax(-1), lambda s, x: my_softmax(x, 0), X),
    between("softmax-by-hand-axis", "softmax-axis", lambda x: my_softmax(x, 0), my_softmax),
    between("softmax-temperature", "temperature", lambda x: F.softmax(x / 2, -1), lambda x: F.softmax(x, -1)),
    layer("log-softmax", "softmax-log", T.LogSoftmax(-1), lambda s, x: my_softmax(x), X),
    layer("glu-first-half", "glu-halves", T.GLU(), lambda s, x: x.chunk(2, -1)[0].sigmoid() * x.chunk(2, -1)[1], X),
    layer("glu-silu", "other-activation", T.GLU(), lambda s, x: x.chunk(2, -1)[0] * F.silu(x.chunk(2, -1)[1]), X),
    network("swiglu", "gate-exchanged", swiglu("exchanged"), swiglu("right"), X, GATED),
    network("geglu-without-gate", "gate-missing", lambda s, x: s.down((s.gate(x) * 1, s.up(x))[1]),
            lambda s, x: s.down(F.gelu(s.gate(x)) * s.up(x)), X, GATED),
    layer("relu-at-0", "kink", T.ReLU(), lambda s, x: StepReLU.apply(x), KINKS),
    layer("hardtanh-at-bounds", "kink", T.Hardtanh(), lambda s, x: ClosedClamp.apply(x), KINKS),
    Plant("clamp-at-bounds", "kink", Net(lambda s, x: OpenClamp.apply(x)), Net(lambda s, x: x.clamp(-1, 1)), KINKS),
    Plant("abs-at-0", "kink", Net(lambda s, x: SlopedAbs.apply(x)), Net(lambda s, x: x.abs()), KINKS),
    layer("dropout-not-inverted", "dropout-scale", T.Dropout(0.3),
          lambda s, x: F.dropout(x, 0.3, s.training) * (0.7 if s.training else 1), X),
]  # fmt: skip


@planted(PLANTS)
def test_cause(plant):
    check(plant)


REWRITES = {
    "erf": (erf_gelu, F.gelu), "tanh": (new_gelu, lambda x: F.gelu(x, approximate="tanh")),
    "silu": (lambda x: x / (1 + torch.exp(-x)), F.silu), "relu": (lambda x: x * (x > 0), F.relu),
    "softmax": (my_softmax, lambda x: x.softmax(-1)),
}  # fmt: skip


@pytest.mark.parametrize("name", REWRITES)
def test_rewrite(name):
    left, right = REWRITES[name]
    nets = [Net(lambda s, x, f=f: s.b(f(s.a(x))), **PARTS) for f in (left, right)]
    agrees(*nets, X)

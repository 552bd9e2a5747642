"""Planted causes: the slope where a function has none, on inputs that lie there, at the end and before layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from parity_tests import compare
from parity_tests.tests.plants import Net, Plant, check, planted
from parity_tests.tests.test_compare_causes_activations import SlopedAbs

T = torch.nn
FLAT = np.array([[1.0, 2.0, -1.0], [2.0, 2.0, 2.0], [0.0, 0.5, 4.0], [-1.0, 0.0, 0.0]], np.float32)  # row 1 is constant
ZEROS = np.where(FLAT == 2, np.float32(0), FLAT)  # row 1 is 0
A, B = np.array([0.0, 1.0, 2.0, -3.0], np.float32), np.array([0.0, 1.0, 0.0, 2.0], np.float32)


class HalfHypot(torch.autograd.Function):
    """JAX's slope at (0, 0)."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return torch.hypot(a, b)

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        r = torch.hypot(a, b)
        return tuple(torch.where(r == 0, 0.5 * dy, dy * x / r) for x in (a, b))


class Angle(torch.autograd.Function):
    """JAX's slope at (0, 0): 0 / 0."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return torch.atan2(a, b)

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        square = a * a + b * b
        return dy * b / square, -dy * a / square


def rooted(x):
    return (x - x.mean(1, keepdim=True)).square().mean(1, keepdim=True).sqrt()


def length(x):
    return (x * x).sum(1).sqrt()


def kink(ident, left, right, *inputs):
    return Plant(ident, "kink", Net(lambda s, *x: left(*x)), Net(lambda s, *x: right(*x)), inputs)


def before_layers(ident, left, right, x):
    parts = {"a": T.Linear(3, 4), "b": T.Linear(4, 2)}
    nets = [Net(lambda s, x, f=f: s.b(torch.tanh(s.a(f(x)))), **parts) for f in (left, right)]
    return Plant(ident, "kink", *nets, x)


PLANTS = [
    kink("hypot", HalfHypot.apply, torch.hypot, A, B),
    kink("angle", Angle.apply, torch.atan2, A, B),
    kink("length", length, lambda x: torch.linalg.norm(x, dim=1), ZEROS),
    kink("length-of-a-vector", length, lambda x: torch.linalg.vector_norm(x, dim=1), ZEROS),
    kink("length-by-method", length, lambda x: x.norm(dim=1), ZEROS),
    kink("deviation", rooted, lambda x: x.std(1, unbiased=False, keepdim=True), FLAT),
    before_layers("abs-before-layers", SlopedAbs.apply, torch.abs, ZEROS),
    before_layers("deviation-before-layers", lambda x: x / (rooted(x) + 0.1),
                  lambda x: x / (x.std(1, unbiased=False, keepdim=True) + 0.1), FLAT),
]  # fmt: skip


@planted(PLANTS)
def test_cause(plant):
    check(plant)


class Opaque:
    """A program that shows its outputs and the gradients of its inputs, as a function under jit does."""

    def __init__(self, function):
        self.function = function

    def forward(self, *inputs):
        self.inputs = [torch.tensor(x, requires_grad=True) for x in inputs]
        self.y = self.function(*self.inputs)
        return self.y.detach().numpy()

    def backward(self, dy):
        found = torch.autograd.grad(self.y, self.inputs, torch.tensor(dy))
        return tuple(g.numpy() for g in found) if len(found) > 1 else found[0].numpy()


@pytest.mark.parametrize(
    ("left", "right", "text"),
    [(SlopedAbs.apply, torch.abs, "gradient 1 of |x| at 0"), (length, lambda x: x.norm(dim=1), "NaN of a norm at 0")],
)
def test_a_side_that_shows_only_its_ends(left, right, text):
    report = compare(Opaque(left), Net(lambda s, x: right(x)), ZEROS)
    assert not report.ok
    assert report.cause is not None, str(report)
    assert text in report.cause.text


def test_a_wrong_gradient_is_not_called_a_kink():
    """Half of the gradient everywhere: no slope at 0 explains it."""
    left = Net(lambda s, x: s.a(x.abs() / 2 + x.abs().detach() / 2), a=T.Linear(3, 4))
    report = compare(left, Net(lambda s, x: s.a(x.abs()), a=T.Linear(3, 4)), ZEROS)
    assert not report.ok
    assert report.cause is None or report.cause.name != "kink", str(report)

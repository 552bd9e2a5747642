"""Slopes and ties in the code between layers, in functions, objects and losses; and roundings before them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from parity_tests import compare
from parity_tests.comparer.jumps import on_grid
from parity_tests.tests.ports import X, seeded
from parity_tests.tests.test_compare_kinks import Slope

RNG = np.random.default_rng(11)


class Net(nn.Module):
    """Two layers with a function written between them; `residual` adds what it received."""

    def __init__(self, function, residual=False):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 4)
        self.function, self.residual = function, residual

    def forward(self, x):
        h = self.function(self.a(x) + x) if self.residual else self.function(self.a(x))
        return self.c(self.function(self.b(h) + h if self.residual else self.b(h)))


def slope(function, at, value):
    return lambda x: Slope.apply(x, function, at, value)


def mean_times_reciprocal(x):
    return torch.relu(x - x.sum(-1, keepdim=True) * (1 / 8))


def spread(x):
    return (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True, unbiased=False) + 1e-5)


CONVENTIONS = {  # left, right, the cause's words
    "x (x >= 0)": (lambda x: x * (x >= 0), F.relu, "where an output of b is 0 the slope is 1 on the left, 0"),
    "where(x >= 0)": (lambda x: torch.where(x >= 0, x, 0.0), F.relu, "the slope is 1 on the left, 0 on the right"),
    "relu with slope 1/2": (slope(F.relu, 0.0, 0.5), F.relu, "the slope is 0.5 on the left, 0 on the right"),
    "clip": (slope(lambda x: x.clamp(-1, 1), 1.0, 0.5), lambda x: x.clamp(-1, 1), "1 the slope is 0.5 on the left"),
    "abs": (slope(torch.abs, 0.0, 1.0), torch.abs, "the slope is 1 on the left, 0 on the right (-1 below, 1 above)"),
    "leak": (lambda x: torch.where(x >= 0, x, 0.1 * x), lambda x: F.leaky_relu(x, 0.1), "is 1 on the left, 0.1"),
    "step": (lambda x: x + (x >= 0), lambda x: x + (x > 0), "1 on the left, 0 on the right"),
    "ties split": (lambda x: x - x.amax(-1, True), lambda x: x - x.max(-1, True).values, "for equal values"),
}  # fmt: skip
SAME = {
    "x (x > 0)": (lambda x: x * (x > 0), F.relu),
    "clip": (lambda x: -(-x).clamp(-1, 1), lambda x: x.clamp(-1, 1)),
    "sign": (lambda x: x * torch.sign(x), torch.abs),
    "the same maximum": (lambda x: x - x.max(-1, keepdim=True).values,) * 2,
    "softmax by hand": (lambda x: (e := torch.exp(x - x.amax(-1, keepdim=True))) / e.sum(-1, keepdim=True),
                        lambda x: torch.softmax(x, -1)),
    "a mean before it": (mean_times_reciprocal, lambda x: torch.relu(x - x.mean(-1, keepdim=True))),
    "a norm before it": (lambda x: torch.relu(spread(x)), lambda x: F.relu(F.layer_norm(x, (8,)))),
    "scores scaled before": (lambda x: ((x * 8**-0.5) @ x.mT).amax(-1, keepdim=True) + x,
                             lambda x: ((x @ x.mT) * 8**-0.5).amax(-1, keepdim=True) + x),
    "a third": (lambda x: F.relu(x * (1 / 3) + x * (1 / 3) - x * (2 / 3)), lambda x: F.relu((x + x - 2 * x) / 3)),
}  # fmt: skip


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("name", CONVENTIONS)
def test_another_convention_between_layers(name, residual):
    left, right, says = CONVENTIONS[name]
    report = compare(seeded(Net, left, residual), seeded(Net, right, residual), X)
    first = report.first_divergence
    assert first is not None
    assert "at kinks and ties" in first.what
    assert (first.where, first.phase) == ("", "kink")
    assert "between its layers" in first.place
    if not residual:
        assert says in str(first.cause)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("name", SAME)
def test_the_same_convention_after_other_roundings(name, residual):
    left, right = SAME[name]
    report = compare(seeded(Net, left, residual), seeded(Net, right, residual), X)
    assert report.ok, str(report)


@pytest.mark.parametrize("residual", [False, True])
def test_a_rounding_before_a_kink_is_no_convention(residual):
    """(0.7 x + 0.9 x) / 1.6 is x but for a rounding: either side of the kink is right."""
    left = seeded(Net, lambda x: F.relu(x - (0.7 * x.roll(1, -1) + 0.9 * x.roll(1, -1)) / 1.6), residual)
    report = compare(left, seeded(Net, lambda x: F.relu(x - x.roll(1, -1)), residual), X)
    assert report.ok, str(report)


def test_the_layer_that_holds_the_code_is_named():
    class Outer(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.first, self.inner = nn.Linear(8, 8), Net(function)

        def forward(self, x):
            return F.relu(self.inner(self.first(x)))

    first = compare(seeded(Outer, lambda x: x * (x >= 0)), seeded(Outer, F.relu), X).first_divergence
    assert first.where == "inner"


class Functional(nn.Module):
    """The function acts on what the module's own parameters give: only those make it zero."""

    def __init__(self, function):
        super().__init__()
        self.w, self.b = nn.Parameter(0.3 * torch.randn(8, 8)), nn.Parameter(torch.randn(8))
        self.last, self.function = nn.Linear(8, 4), function

    def forward(self, x):
        return self.last(self.function(F.linear(x, self.w, self.b)))


class Arrays:
    """The same in NumPy, with everything in one object."""

    def __init__(self, mask):
        self.w, self.b = np.zeros((8, 8), np.float32), np.zeros(8, np.float32)
        self.v, self.c, self.mask = np.zeros((4, 8), np.float32), np.zeros(4, np.float32), mask

    def forward(self, x):
        self._x, self._h = x, x @ self.w.T + self.b
        self._a = np.maximum(self._h, 0)
        return self._a @ self.v.T + self.c

    def backward(self, dy):
        self.dv, self.dc = dy.T @ self._a, dy.sum(0)
        dh = (dy @ self.v) * self.mask(self._h)
        self.dw, self.db = dh.T @ self._x, dh.sum(0)
        return dh @ self.w


def test_a_kink_behind_parameters():
    right = seeded(Functional, F.relu)
    before = {name: value.clone() for name, value in right.state_dict().items()}
    assert compare(seeded(Functional, lambda x: x * (x > 0)), right, X).ok
    assert not compare(seeded(Functional, lambda x: x * (x >= 0)), right, X).ok
    names = {"w": "w", "b": "b", "v": "last.weight", "c": "last.bias"}
    left = Arrays(lambda h: h > 0)
    assert compare(left, right, X, parameters=names).ok
    report = compare(Arrays(lambda h: h >= 0), right, X, parameters=names)
    assert report.first_divergence.what == "grad input at kinks and ties"
    assert all(torch.equal(value, before[name]) for name, value in right.state_dict().items())
    assert np.array_equal(left.w, before["w"].numpy())


def test_a_loss_where_the_prediction_is_the_target():
    class Mean(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def forward(self, prediction, target):
            return self.function(prediction - target).mean()

    def report(function):
        target = RNG.normal(size=(5, 4)).astype(np.float32)
        return compare(nn.Linear(8, 4), nn.Linear(8, 4), X, target, (Mean(function), nn.L1Loss()))

    assert report(torch.abs).ok
    first = report(lambda d: torch.where(d > 0, d, -d)).first_divergence
    assert (first.where, first.what) == ("loss", "grad input at kinks and ties")


def test_the_grid_keeps_shapes_dtypes_and_signs():
    for x in (X, np.abs(X), X.astype(np.float64), np.float32(2.0)[None], X[:0]):
        y = on_grid(x, np.random.default_rng(0), [0])
        assert (y.shape, y.dtype) == (x.shape, x.dtype)
        assert x.size == 0 or (y.min() >= 0) == (x.min() >= 0)
    assert not np.any(
        np.signbit(on_grid(X, np.random.default_rng(0), [0])[on_grid(X, np.random.default_rng(0), [0]) == 0])
    )

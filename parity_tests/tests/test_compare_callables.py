"""Functions, plain objects and factories as sides, dropout with random numbers of its own, and a user's own errors."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from parity_tests import compare
from parity_tests.comparer.findings import CompareError
from parity_tests.tests.ports import Named, Plain, X, agree

RNG = np.random.default_rng(3)


# --- dropout with random numbers of its own ---------------------------------------------------------------------------


class OwnDropout:
    """NumPy's random numbers."""

    def __init__(self, p=0.3, scale=None):
        self.p, self.scale, self.training = p, np.float32(1 / (1 - p) if scale is None else scale), True

    def forward(self, x):
        self._mask = (np.random.random(x.shape) >= self.p).astype(np.float32) * self.scale if self.training else 1
        return x * self._mask

    def backward(self, dy):
        return dy * self._mask


WIDE = RNG.normal(size=(64, 8)).astype(np.float32)


class Chain:
    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy):
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy


def test_a_dropout_of_other_random_numbers_is_judged_by_share_and_scale():
    report = agree(OwnDropout(), nn.Dropout(0.3), WIDE)
    assert any("share" in note for note in report.notes)
    assert not compare(OwnDropout(0.5), nn.Dropout(0.3), WIDE).ok
    assert not compare(OwnDropout(0.3, 1.0), nn.Dropout(0.3), WIDE).ok
    names = {"layers.0.W": ("0.weight", "transpose"), "layers.0.b": ("0.bias", "reshape")}
    right = nn.Sequential(nn.Linear(8, 4), nn.Dropout(0.3), nn.Tanh())
    names |= {"layers.1": "1", "layers.2": "2"}
    agree(Chain(Plain(), OwnDropout(), Tanh()), right, WIDE, parameters=names)
    assert not compare(Chain(Plain(), OwnDropout(), Tanh(2)), right, WIDE, parameters=names).ok


class Tanh:
    def __init__(self, factor=1):
        self.factor = np.float32(factor)

    def forward(self, x):
        self._y = np.tanh(x)
        return self._y * self.factor

    def backward(self, dy):
        return dy * self.factor * (1 - self._y**2)


# --- functions and other callables ------------------------------------------------------------------------------------


class Called:
    """A NumPy model that is called, without a forward."""

    def __init__(self):
        self.weight, self.bias = np.zeros((4, 8), np.float32), np.zeros(4, np.float32)

    def __call__(self, x):
        self._x = x
        return x @ self.weight.T + self.bias

    def backward(self, dy):
        self.dweight, self.dbias = dy.T @ self._x, dy.sum(0)
        return dy @ self.weight


def test_an_object_that_is_called():
    report = agree(Called(), nn.Linear(8, 4))
    assert any(m.what == "grad weight" for m in report.measurements)

    class Half(Called):
        def __call__(self, x):
            return super().__call__(x) * np.float32(0.5)

    assert not compare(Half(), nn.Linear(8, 4), X).ok


def test_functions_of_the_inputs():
    agree(lambda x: torch.tanh(x), nn.Tanh())
    agree(lambda x: np.tanh(x), nn.Tanh())
    agree(torch.tanh, lambda x: torch.tanh(x))
    assert not compare(lambda x: torch.sinh(x), nn.Tanh(), X).ok
    assert not compare(lambda x: np.sinh(x), nn.Tanh(), X).ok


def test_an_object_of_tensors():
    class Net:
        def __init__(self):
            self.weight, self.bias = torch.zeros(4, 8, requires_grad=True), torch.zeros(4, requires_grad=True)

        def __call__(self, x):
            return x @ self.weight.T + self.bias

    report = agree(Net(), nn.Linear(8, 4))
    assert any(m.what == "grad weight" for m in report.measurements)


def test_factories_of_either_kind():
    agree(lambda: nn.Tanh(), nn.Tanh)
    with pytest.raises(CompareError, match="in_features"):
        compare(nn.Linear, nn.Linear(8, 4), X)
    with pytest.raises(CompareError, match="__call__"):
        compare(3, nn.Linear(8, 4), X)


def test_lists_of_arrays_and_lists_that_grow():
    class Net:
        def __init__(self):
            self.weights = [np.zeros((6, 8), np.float32), np.zeros((4, 6), np.float32)]
            self.seen = []

        def forward(self, x):
            self.seen.append(x)
            self._h = [x]
            for w in self.weights:
                self._h.append(self._h[-1] @ w.T)
            return self._h[-1]

        def backward(self, dy):
            self.dweights = [None, None]
            for i in (1, 0):
                self.dweights[i] = dy.T @ self._h[i]
                dy = dy @ self.weights[i]
            return dy

    right = nn.Sequential(nn.Linear(8, 6, bias=False), nn.Linear(6, 4, bias=False))
    left = Net()
    report = agree(left, right, parameters={"weights.0": "0.weight", "weights.1": "1.weight"})
    assert left.seen == []
    assert any(m.what == "grad 0.weight" for m in report.measurements)


# --- a user's own errors ----------------------------------------------------------------------------------------------


def test_an_error_of_the_user_comes_with_file_and_line():
    class Raises(nn.Module):
        def forward(self, x):
            raise KeyError("mine")

    with pytest.raises(CompareError, match=r"KeyError.*test_compare_callables\.py, line \d+"):
        compare(nn.Tanh(), Raises(), X)
    report = compare(Raises(), nn.Tanh(), X)
    assert any("test_compare_callables.py, line" in m.note for m in report.divergences)


def test_an_optimizer_that_cannot_be_made_says_why():
    def broken(parameters):
        return torch.optim.SGD(parameters, lr=len(None))

    with pytest.raises(CompareError, match=r"TypeError.*test_compare_callables\.py, line \d+"):
        compare(Named(), Named(), X, optimizer=broken, steps=2)


def test_json_of_what_could_not_be_compared():
    report = compare(Named("fc"), Named("linear"), X)
    data = json.loads(report.to_json())
    assert data["proposed_map"] == {"fc.weight": "linear.weight", "fc.bias": "linear.bias"}
    assert data["ok"] is False
    assert "COULD NOT COMPARE" in report.to_html()

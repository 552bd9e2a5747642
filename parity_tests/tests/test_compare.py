"""compare: correct code passes without a cause, the first place is named, the reports say it."""

import json
import random
import re

import numpy as np
import pytest
import torch

import scratch
from parity_tests import compare
from parity_tests.comparer import example
from parity_tests.comparer.report import CompareError
from scratch import nn

T = torch.nn
RNG = np.random.default_rng(5)
X = RNG.normal(size=(13, 7)).astype(np.float32)
CLASSES = RNG.integers(0, 5, 13)
EXAMPLE = example.__file__


def network(package, middle=None):
    layers = package.Linear(7, 11), package.LayerNorm(11), middle or package.GELU(), package.Dropout(0.3)
    return package.Sequential(*layers, package.Linear(11, 5), package.BatchNorm1d(5), package.LogSoftmax(-1))


# --- correct code passes ----------------------------------------------------------------------------------------------


class OtherOrder(nn.Linear):
    """Sums the products one column after another, from the last."""

    def forward(self, x):
        y = np.zeros((*x.shape[:-1], self.out_features), x.dtype)
        for i in reversed(range(self.in_features)):
            y += x[..., i, None] * self.weight.data[:, i]
        return self.save(y + self.bias.data, x)


class OtherNorm(nn.LayerNorm):
    """The variance as a dot product, the root as a power."""

    def forward(self, x):
        super().forward(x)
        d = x - (x @ np.full((x.shape[-1], 1), 1 / x.shape[-1], x.dtype))
        var = np.einsum("...i,...i->...", d, d)[..., None] / np.float32(x.shape[-1])
        return d * (var + np.float32(self.eps)) ** np.float32(-0.5) * self.weight.data + self.bias.data


class OtherOrderNet(T.Module):
    """torch, the matrix product split in two."""

    def __init__(self):
        super().__init__()
        self.fc = T.Linear(64, 9)

    def forward(self, x):
        a, b = self.fc.weight.split(32, 1)
        return torch.tanh(x[:, 32:] @ b.T + x[:, :32] @ a.T + self.fc.bias)


class PlainNet(T.Module):
    def __init__(self):
        super().__init__()
        self.fc = T.Linear(64, 9)

    def forward(self, x):
        return torch.tanh(self.fc(x))


def encoder(package, dropout=0.2):
    return package.TransformerEncoderLayer(12, 3, 17, dropout, batch_first=True)


WIDE = RNG.normal(size=(13, 64)).astype(np.float32)
CORRECT = {
    "network": (network(nn), network(T), X),
    "torch-left": (network(T), network(nn), X),
    "order": (nn.Sequential(OtherOrder(64, 33), nn.Tanh()), T.Sequential(T.Linear(64, 33), T.Tanh()), WIDE),
    "norm": (nn.Sequential(OtherNorm(64)), T.Sequential(T.LayerNorm(64)), WIDE + 10),
    "functional": (OtherOrderNet(), PlainNet(), WIDE),
    "encoder": (encoder(nn), encoder(T), RNG.normal(size=(3, 5, 12)).astype(np.float32)),
    "gpt": (example.repaired, example.right, RNG.normal(size=(2, 8, 16)).astype(np.float32)),
    "lstm": (nn.LSTM(5, 4, 2, bidirectional=True), T.LSTM(5, 4, 2, bidirectional=True), WIDE[:, :60].reshape(4, 39, 5)),
    "double": (nn.Linear(7, 5, dtype=np.float64), T.Linear(7, 5, dtype=torch.float64), X.astype(np.float64)),
}


@pytest.mark.parametrize("case", CORRECT)
def test_correct_code_passes(case):
    report = compare(*CORRECT[case])
    assert report.ok, str(report)
    assert report.cause is None
    assert report.first_divergence is None
    assert all(m.cause is None for m in report.measurements)
    assert "PARITY" in str(report)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam"])
def test_correct_optimizers_pass(name):
    report = compare(network(nn), network(T), X, CLASSES, "NLLLoss", name, steps=4)
    assert report.ok, str(report)
    assert len(report.steps) == 4
    assert report.steps[-1].loss_left == pytest.approx(report.steps[-1].loss_right, rel=1e-3)


def test_both_sides_are_as_they_were():
    left, right = network(nn), network(T)
    before = {name: value.clone() for name, value in right.state_dict().items()}
    forwards = {name: vars(module).get("forward") for name, module in right.named_modules()}
    compare(left, right, X, CLASSES, "NLLLoss", "Adam", steps=2)
    assert all(torch.equal(value, before[name]) for name, value in right.state_dict().items())
    assert all(np.array_equal(value, before[name].numpy()) for name, value in left.state_dict().items())
    assert {name: vars(module).get("forward") for name, module in right.named_modules()} == forwards


def test_models_and_generators_are_left_as_found():
    left, right = T.Sequential(T.Linear(8, 8), T.BatchNorm1d(8), T.Dropout(0.5)), None
    right = T.Sequential(T.Linear(8, 8), T.BatchNorm1d(8), T.Dropout(0.5))
    calls = []
    right[0].register_forward_hook(lambda *_: calls.append(1))
    right[1].eval()
    right[0].weight.grad = torch.ones(8, 8)
    left.load_state_dict(right.state_dict())
    state = [{n: v.clone() for n, v in m.state_dict().items()} for m in (left, right)]
    torch.manual_seed(5), scratch.manual_seed(5), np.random.seed(5), random.seed(5)
    expected = torch.rand(2), scratch.rand(2), np.random.random(2), random.random()
    torch.manual_seed(5), scratch.manual_seed(5), np.random.seed(5), random.seed(5)
    assert compare(left, right, RNG.normal(size=(5, 8)).astype(np.float32)).ok
    found = torch.rand(2), scratch.rand(2), np.random.random(2), random.random()
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))
    for model, before in zip((left, right), state, strict=True):
        assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())
    assert [m.training for m in right] == [True, False, True]
    assert left.training
    assert torch.equal(right[0].weight.grad, torch.ones(8, 8))
    assert left[0].weight.grad is None
    assert calls
    assert len(right[0]._forward_hooks) == 1


# --- where ------------------------------------------------------------------------------------------------------------


def test_the_first_layer_and_element_are_named():
    class OneOff(nn.Tanh):
        def forward(self, x):
            y = super().forward(x).copy()
            y[3, 3] += np.float32(1e-4)  # which dropout keeps
            return y

    report = compare(network(nn, OneOff()), network(T, T.Tanh()), X)
    first = report.first_divergence
    assert (first.where, first.phase, first.what, first.mode) == ("2", "output", "output", "train")
    assert first.first.index == (3, 3)
    assert first.first.apart == 1
    assert first.first.left - first.first.right == pytest.approx(1e-4, rel=1e-2)
    assert all(line.ok for line in report.layers if line.name != "2")  # later layers have nothing of their own
    assert next(line for line in report.layers if line.name == "4" and line.mode == "eval").accumulated > 100


def test_a_wrong_backward_alone_is_found_at_its_layer():
    class Zero(nn.Tanh):
        def backward(self, dy):
            return super().backward(dy) * np.float32(0)

    first = (report := compare(network(nn, Zero()), network(T, T.Tanh()), X)).first_divergence
    assert (first.where, first.phase, first.what) == ("2", "backward", "grad input")
    assert report.cause.name == "zeros"


def test_code_between_layers_is_told_from_layers():
    class Net(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(7, 7), nn.Linear(7, 7)

        def forward(self, x):
            return self.b(x + self.a(x) * np.float32(2))

        def backward(self, dy):
            dy = self.b.backward(dy)
            return dy + self.a.backward(dy * np.float32(2))

    class Right(T.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = T.Linear(7, 7), T.Linear(7, 7)

        def forward(self, x):
            return self.b(x + self.a(x))

    report = compare(Net(), Right(), X)
    first = report.first_divergence
    assert (first.where, first.phase, first.what) == ("", "between", "input of b")
    assert "between a and b" in first.note


def test_tiny_gradients_that_are_zero_do_not_hide():
    class Tiny(nn.Linear):
        def backward(self, dy):
            super().backward(dy)
            self.weight.grad[np.abs(self.weight.grad) < 1e-4] = 0
            return dy @ self.weight.data

    def scaled(package, kind):
        return package.Sequential(kind(7, 5), package.Linear(5, 5))

    target = np.zeros((13, 5), np.float32)
    report = compare(scaled(nn, Tiny), scaled(T, T.Linear), X * 1e-6, target, "MSELoss")
    assert report.first_divergence.what == "grad weight"


def test_dropout_has_the_same_mask_on_both_sides():
    drop = [package.Sequential(package.Linear(7, 50), package.Dropout(0.5)) for package in (nn, T)]
    assert compare(drop[0], drop[1], X).ok
    assert not compare(nn.Sequential(nn.Linear(7, 50), nn.Dropout(0.4)), drop[1], X).ok


def test_nan_dtype_and_shape_are_findings():
    class Broken(nn.Tanh):
        def forward(self, x):
            y = super().forward(x).copy()
            y[0, 0] = np.nan
            return y

    first = compare(network(nn, Broken()), network(T, T.Tanh()), X).first_divergence
    assert first.error == np.inf
    assert "NaN" in first.note

    class Double(nn.Tanh):
        def forward(self, x):
            return super().forward(x).astype(np.float64)

    report = compare(network(nn, Double()), network(T, T.Tanh()), X)
    assert report.first_divergence.where == "2"
    assert "float64" in report.first_divergence.note


# --- pairing ----------------------------------------------------------------------------------------------------------


def test_what_does_not_pair_is_reported_first():
    report = compare(nn.Sequential(nn.Linear(7, 5, bias=False)), T.Sequential(T.Linear(7, 5)), X)
    assert report.measurements[0].phase == "pairing"
    assert "no 0.bias" in report.measurements[0].note
    assert report.cause.name == "missing-bias"


class Keras:
    """(in, out) weights under names of their own."""

    def __init__(self):
        self.dense = Dense(7, 5)

    def forward(self, x):
        return self.dense.forward(x)

    def backward(self, dy):
        return self.dense.backward(dy)


class Dense:
    def __init__(self, inputs, outputs):
        self.kernel, self.b = np.ones((inputs, outputs), np.float32), np.zeros(outputs, np.float32)

    def forward(self, x):
        self._x = x
        return x @ self.kernel + self.b

    def backward(self, dy):
        self.dkernel, self.db = self._x.T @ dy, dy.sum(0)
        return dy @ self.kernel.T


def test_a_map_pairs_and_transposes():
    names = {"dense.kernel": ("0.weight", "transpose"), "dense.b": "0.bias"}
    right = T.Sequential(T.Linear(7, 5))
    report = compare(Keras(), right, X, parameters=names)
    assert report.ok, str(report)
    assert {"0"} == {line.name for line in report.layers}  # the layers pair through their parameters
    assert any(m.what == "grad weight" for m in report.measurements)
    report = compare(Keras(), right, X, parameters={"dense.kernel": "0.weight", "dense.b": "0.bias"})
    assert report.cause.name == "transposed-weight"  # said, not guessed
    with pytest.raises(CompareError, match=r"dense\.w"):
        compare(Keras(), right, X, parameters={"dense.w": "0.weight"})


def test_seed_mode_copies_nothing():
    assert compare(lambda: nn.Linear(7, 5), lambda: T.Linear(7, 5), X, parameters="seed", seed=3).ok
    with pytest.raises(CompareError, match="functions"):
        compare(nn.Linear(7, 5), T.Linear(7, 5), X, parameters="seed")


def test_what_cannot_be_compared_says_why():
    with pytest.raises(CompareError, match="forward"):
        compare(object(), T.Linear(7, 5), X)
    with pytest.raises(CompareError, match="the right side failed"):
        compare(nn.Linear(7, 5), T.Linear(7, 5), X[:, :3])
    with pytest.raises(CompareError, match="optimizer"):
        compare(nn.Linear(7, 5), T.Linear(7, 5), X, steps=2)


def test_a_left_side_that_fails_is_a_divergence():
    class Raises(nn.Tanh):
        def forward(self, x):
            raise ValueError("not today")

    report = compare(network(nn, Raises()), network(T, T.Tanh()), X)
    assert not report.ok
    assert any("not today" in m.note and m.where == "2" for m in report.divergences)


def test_a_side_without_backward_compares_forward():
    class Forward:
        def __init__(self):
            self.weight = np.zeros((5, 7), np.float32)
            self.bias = np.zeros(5, np.float32)

        def forward(self, x):
            return x @ self.weight.T + self.bias

    report = compare(Forward(), T.Linear(7, 5), X)
    assert report.ok
    assert any("no backward" in note for note in report.notes)


# --- size -------------------------------------------------------------------------------------------------------------


def test_a_deep_network_in_little_time():
    def deep(package):
        return package.Sequential(*(layer for _ in range(25) for layer in (package.Linear(64, 64), package.ReLU())))

    report = compare(deep(nn), deep(T), RNG.normal(size=(8, 64)).astype(np.float32))
    assert report.ok, str(report)
    assert report.seconds < 20
    assert len(str(report).splitlines()) < 60


# --- reports -------------------------------------------------------------------------------------------------------


def test_json_and_html():
    report = compare(network(nn, nn.GELU("tanh")), network(T), X, CLASSES, "NLLLoss", "SGD", steps=3)
    data = json.loads(report.to_json())
    assert data["ok"] is False
    assert data["cause"]["name"] == "gelu-tanh"
    assert data["first_divergence"]["where"] == "2"
    page = report.to_html()
    assert "approximate=&#39;tanh&#39;" in page
    assert not re.search(r"https?:|<script|<link|@import|url\(", page)
    assert page.count("<svg") == 4


def test_html_escapes_what_it_shows():
    class Evil(nn.Tanh):
        def forward(self, x):
            raise ValueError("<script>alert(1)</script>")

    page = compare(network(nn, Evil()), network(T, T.Tanh()), X).to_html()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page

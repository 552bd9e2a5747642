"""PARITY is said only if the left's own run gives everything that the right's run gives."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from parity_tests import compare
from parity_tests.tests.ports import seeded

RNG = np.random.default_rng(7)
X = RNG.normal(size=(5, 8)).astype(np.float32)
IDS = RNG.integers(1, 19, (2, 6))
IDS[0, 4:] = 0


class Attends(nn.Module):
    """Tokens, one attention, a head."""

    def __init__(self, shift=0, invert=False, detach=False, tied=False, diagonal=1):
        super().__init__()
        self.e, self.head = nn.Embedding(20, 16), nn.Linear(16, 20, bias=False)
        self.m = nn.MultiheadAttention(16, 2, batch_first=True)
        self.shift, self.invert, self.detach, self.diagonal = shift, invert, detach, diagonal
        if tied:
            self.head.weight = self.e.weight

    def forward(self, ids):
        h = self.e(ids + self.shift)
        h = h.detach() if self.detach else h
        mask = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).triu(self.diagonal)
        padded = (ids == 0) ^ self.invert
        h, _ = self.m(h, h, h, key_padding_mask=padded, attn_mask=mask if self.diagonal else None, need_weights=False)
        return self.head(h.nan_to_num())


def untied():
    model = Attends(tied=True)
    model.head.weight = nn.Parameter(model.e.weight.detach().clone())
    return model


class MeanGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        return x @ w.T + b

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g @ w, g.T @ x / len(x), g.sum(0)


class WrongLinear(nn.Linear):
    def forward(self, x):
        return MeanGradient.apply(x, self.weight, self.bias)


class Residual(nn.Module):
    """`y += x` after a layer."""

    def __init__(self, kind=nn.Linear):
        super().__init__()
        self.a, self.b = kind(8, 8), nn.Linear(8, 4)

    def forward(self, x):
        y = self.a(x)
        y += x
        return self.b(y)


class Autocast(nn.Module):
    def __init__(self, on):
        super().__init__()
        self.a, self.b, self.on = nn.Linear(8, 8), nn.Linear(8, 4), on

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.on):
            return self.b(torch.relu(self.a(x))).float()


class Then(nn.Module):
    """A linear layer, then a function."""

    def __init__(self, function):
        super().__init__()
        self.a, self.function = nn.Linear(8, 4), function

    def forward(self, x):
        return self.function(self.a(x))


class Frozen(nn.Module):
    """Under no_grad: nothing asks for a gradient."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 4)

    def forward(self, x):
        with torch.no_grad():
            return self.a(x)


class Shared(nn.Module):
    """One layer used twice; `once` forgets the gradient of one use."""

    def __init__(self, once=False):
        super().__init__()
        self.a, self.once = nn.Linear(8, 8), once

    def forward(self, x):
        y = torch.tanh(self.a(x))
        return F.linear(y, self.a.weight.detach(), self.a.bias) if self.once else self.a(y)


class Dicts:
    """Parameters and gradients in dicts."""

    def __init__(self, bad):
        self.parameters = {"weight": np.zeros((4, 8), np.float32), "bias": np.zeros(4, np.float32)}
        self.gradients, self.bad = {}, bad

    def forward(self, x):
        self.x = x
        return x @ self.parameters["weight"].T + self.parameters["bias"]

    def backward(self, dy):
        self.gradients.update(weight=dy.T @ self.x * np.float32(not self.bad), bias=dy.sum(0))
        return dy @ self.parameters["weight"]


APART = {
    "ids shifted": (lambda: Attends(shift=1), Attends, IDS),
    "padding mask inverted": (lambda: Attends(invert=True), Attends, IDS),
    "mask on one side": (lambda: Attends(diagonal=0), Attends, IDS),
    "diagonal off by one": (lambda: Attends(diagonal=2), Attends, IDS),
    "tie lost": (untied, lambda: Attends(tied=True), IDS),
    "tie gained": (lambda: Attends(tied=True), untied, IDS),
    "detached": (lambda: Attends(detach=True), Attends, IDS),
    "before in place": (lambda: Residual(WrongLinear), Residual, X),
    "autocast": (lambda: Autocast(True), lambda: Autocast(False), X),
    "one use without gradient": (lambda: Shared(once=True), Shared, X),
    "dict gradients": (lambda: Dicts(True), lambda: nn.Linear(8, 4), X),
    "complex zeros": (lambda: Then(lambda h: torch.fft.fft(h) * 0), lambda: Then(torch.fft.fft), X),
    "complex conjugate": (lambda: Then(lambda h: torch.fft.fft(h).conj()), lambda: Then(torch.fft.fft), X),
    "complex gradient": (lambda: Then(lambda h: _conjugate_back(torch.fft.fft(h))), lambda: Then(torch.fft.fft), X),
    "right overflows": (lambda: Then(lambda h: h * 0), lambda: Then(lambda h: (h * 200).exp()), X),
    "integers": (lambda: Then(lambda h: h.argmin(-1)), lambda: Then(lambda h: h.argmax(-1)), X),
    "half": (lambda: Then(lambda h: (h * 1.01).half()), lambda: Then(lambda h: h.half()), X),
    "half for single": (lambda: Then(lambda h: h.half()), lambda: Then(lambda h: h), X),
    "frozen on the left": (lambda: nn.Linear(8, 4).requires_grad_(False), lambda: nn.Linear(8, 4), X),
}


class _Conjugate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        return z.clone()

    @staticmethod
    def backward(ctx, g):
        return g.conj()


def _conjugate_back(z):
    return _Conjugate.apply(z)


@pytest.mark.parametrize("case", APART)
def test_what_differs_at_the_end_is_a_divergence(case):
    left, right, inputs = APART[case]
    report = compare(seeded(left), seeded(right), inputs)
    assert report.comparable
    assert not report.ok, str(report)
    assert str(report).startswith("DIVERGENCE")
    same = compare(seeded(right), seeded(right), inputs)
    assert same.comparable is same.ok, str(same)
    assert not same.divergences, str(same)


PLACES = {
    "ids shifted": "input of e",
    "padding mask inverted": "key_padding_mask of m",
    "mask on one side": "attn_mask of m",
    "diagonal off by one": "attn_mask of m",
    "detached": "cotangent of e",
    "autocast": "state of a",
    "before in place": "grad weight",
    "tie lost": "tie of weight",
    "tie gained": "tie of weight",
}


@pytest.mark.parametrize("case", PLACES)
def test_what_a_layer_receives_says_where(case):
    left, right, inputs = APART[case]
    assert compare(seeded(left), seeded(right), inputs).first_divergence.what == PLACES[case]


class Numbers(nn.Module):
    """A layer that is given numbers, strings, None and nests beside its input."""

    class Inner(nn.Module):
        def forward(self, x, factor=1.0, how="plain", more=None, nest=()):
            return x * factor if how == "plain" else x.flip(0)

    def __init__(self, **options):
        super().__init__()
        self.inner, self.options = self.Inner(), options

    def forward(self, x):
        return self.inner(x, **self.options)


@pytest.mark.parametrize(
    ("ours", "theirs", "what"),
    [
        ({"factor": 2.0}, {}, "factor"),
        ({"how": "turned"}, {}, "how"),
        ({"factor": 3, "more": None}, {"factor": 2, "more": None}, "factor"),
        ({"factor": 2, "nest": (1, {"a": "b"})}, {"nest": (1, {"a": "c"})}, "factor"),
    ],
)
def test_numbers_strings_and_keywords_count(ours, theirs, what):
    first = compare(Numbers(**ours), Numbers(**theirs), X).first_divergence
    assert first.what == f"{what} of inner"


def test_other_arguments_that_make_no_difference_are_a_note():
    report = compare(Numbers(more=1), Numbers(more=2), X)
    assert report.ok, str(report)
    assert any("more of inner" in note for note in report.notes)


def test_the_parts_agree_and_the_whole_does_not():
    model = nn.Sequential(seeded(nn.Linear, 8, 4))
    model.register_full_backward_pre_hook(lambda module, g: (g[0] * 2,))
    report = compare(model, nn.Sequential(seeded(nn.Linear, 8, 4)), X)
    assert not report.ok
    assert report.first_divergence.phase in ("end", "between")


def test_a_layer_followed_by_an_in_place_sum_is_the_place():
    first = compare(seeded(Residual, WrongLinear), seeded(Residual), X).first_divergence
    assert (first.where, first.phase, first.what) == ("a", "backward", "grad weight")


def test_a_lost_tie_shows_in_training():
    report = compare(
        seeded(untied), seeded(Attends, tied=True), IDS, optimizer=lambda p: torch.optim.SGD(p, lr=1e-3), steps=3
    )
    assert any(m.phase == "training" for m in report.divergences)


# --- what was not compared --------------------------------------------------------------------------------------------


def zeros(*sizes):
    pairs = itertools.pairwise(sizes)
    model = nn.Sequential(*(layer for i, o in pairs for layer in (nn.Linear(i, o), nn.ReLU())))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def test_zero_gradients_compare_nothing():
    report = compare(zeros(8, 5, 3), zeros(8, 5, 3), X)  # behind a ReLU at zero
    assert not report.ok
    assert not report.comparable
    assert "every gradient of the right is zero" in str(report).splitlines()[0]
    part = compare(zeros(8, 5, 3)[:-1], zeros(8, 5, 3)[:-1], X)  # the last bias alone has a gradient
    assert "not compared: gradients of 3 parameters" in str(part).splitlines()[1]


def test_no_gradient_at_all_is_no_parity():
    report = compare(seeded(Frozen), seeded(Frozen), X)
    assert not report.ok
    assert "nothing of the backward pass was compared" in report.verdict()


def test_nan_everywhere_is_no_parity():
    report = compare(seeded(Then, lambda h: h * math.nan), seeded(Then, lambda h: h * math.nan), X)
    assert not report.ok
    assert "NaN" in report.verdict()


def test_a_right_that_does_not_repeat_itself_is_no_reference():
    noise = np.random.default_rng()

    def noisy(h):
        return h + float(noise.normal())

    report = compare(seeded(Then, noisy), seeded(Then, noisy), X)
    assert not report.comparable
    assert "same twice" in report.verdict()


def test_gradients_that_an_object_does_not_keep_stand_in_the_first_lines():
    class NoGradients(Dicts):
        def backward(self, dy):
            return dy @ self.parameters["weight"]

    report = compare(NoGradients(False), nn.Linear(8, 4), X)
    assert report.ok
    assert str(report).splitlines()[1] == "not compared: gradients of 2 parameters (weight, bias), the left has none"


# --- what may be off by rounding --------------------------------------------------------------------------------------


def test_a_bias_before_a_norm_has_a_gradient_of_roundings():
    class OtherSums(nn.BatchNorm1d):
        def forward(self, x):
            mean = x.flip(0).sum(0) / len(x)
            d = x - mean
            var = d.flip(0).square().sum(0) / len(x)
            if self.training:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    self.running_mean.lerp_(mean, self.momentum)
                    self.running_var.lerp_(var * len(x) / (len(x) - 1), self.momentum)
                return d / (var + self.eps).sqrt() * self.weight + self.bias
            return (x - self.running_mean) / (self.running_var + self.eps).sqrt() * self.weight + self.bias

    x = RNG.normal(size=(64, 8)).astype(np.float32)

    def net(norm):
        return seeded(lambda: nn.Sequential(nn.Linear(8, 16), norm(16), nn.Tanh(), nn.Linear(16, 4)))

    report = compare(net(OtherSums), net(nn.BatchNorm1d), x)
    assert report.ok, str(report)

    class Leaks(OtherSums):
        def forward(self, x):
            return super().forward(x) + (x - x.detach()) * 1e-4

    assert not compare(net(Leaks), net(nn.BatchNorm1d), x).ok


# --- what is noted, what is found -------------------------------------------------------------------------------------


def test_the_fast_path_of_the_right_is_reported():
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 1)

        def forward(self, x):
            padded = torch.tensor([[False, False, False, True], [False] * 4])
            return self.encoder(x, src_key_padding_mask=padded)

    x = RNG.normal(size=(2, 4, 8)).astype(np.float32)
    report = compare(seeded(Encoder), seeded(Encoder), x)
    assert report.ok, str(report)
    assert any("no_grad" in note for note in report.notes)


@pytest.mark.parametrize(("axis", "keepdims", "agrees"), [(0, False, True), (0, True, True), (1, False, False)])
def test_a_gradient_of_another_shape_is_a_finding_not_a_gap(axis, keepdims, agrees):
    class Linear:
        def __init__(self):
            self.weight, self.bias = np.zeros((3, 4), np.float32), np.zeros(3, np.float32)

        def forward(self, x):
            self._x = x
            return x @ self.weight.T + self.bias

        def backward(self, dy):
            self.dweight, self.dbias = dy.T @ self._x, dy.sum(axis=axis, keepdims=keepdims)
            return dy @ self.weight

    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    report = compare(Linear(), torch.nn.Linear(4, 3), x)
    assert report.ok == agrees, str(report)
    if not agrees:
        assert report.first_divergence.what == "grad bias"
        assert "float32[6]" in str(report.first_divergence)

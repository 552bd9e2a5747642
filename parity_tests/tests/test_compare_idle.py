"""A correct port computes many things in another place or way; a mistake beside that is named all the same."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from parity_tests import compare
from parity_tests.tests.ports import X, agree, seeded

RNG = np.random.default_rng(5)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def first(left, right, inputs):
    report = compare(seeded(left), seeded(right), inputs)
    assert report.first_divergence is not None, str(report)
    return report, (report.first_divergence.where, report.first_divergence.what)


# --- the activation after the pool, which gives the same --------------------------------------------------------------


class Image(nn.Module):
    def __init__(self, early=True, pool=lambda x: x.mean((2, 3))):
        super().__init__()
        self.a, self.b, self.p, self.head = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 6, 3), nn.MaxPool2d(2), nn.Linear(6, 3)
        self.early, self.pool = early, pool

    def forward(self, x):
        x = self.a(x)
        x = self.p(x.relu()) if self.early else self.p(x).relu()
        return self.head(self.pool(self.b(x).relu()))


IMAGES = normal(2, 2, 12, 12)


def test_work_after_a_layer_that_the_right_does_before_it():
    agree(seeded(Image, early=False), seeded(Image), IMAGES)
    report, place = first(lambda: Image(early=False, pool=lambda x: x.sum((2, 3))), Image, IMAGES)
    assert place == ("", "input of head")
    assert report.cause.text == "with the sum, not the mean"
    assert any("input of p" in note and "nothing that follows depends on it" in note for note in report.notes)
    assert "a → p (Image)" in str(report)
    assert [line.idle for line in report.layers if line.name == "a → p" and line.mode == "train"] == [False]
    assert [line.idle for line in report.layers if line.name == "b → head"] == [False, False]


def test_work_that_is_missing_matters():
    class Without(Image):
        def forward(self, x):
            return self.head(self.pool(self.b(self.p(self.a(x))).relu()))

    _, place = first(Without, Image, IMAGES)
    assert place == ("", "input of p")


# --- arguments that make no difference --------------------------------------------------------------------------------


class Attends(nn.Module):
    def __init__(self, mask=lambda m: m, scale=1.0, **options):
        super().__init__()
        self.attend, self.norm, self.head = (
            nn.MultiheadAttention(8, 2, batch_first=True),
            nn.LayerNorm(8),
            nn.Linear(8, 3),
        )
        self.mask, self.scale, self.options = mask, scale, options

    def forward(self, x):
        blocked = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
        y = self.attend(x, x, x, attn_mask=self.mask(blocked), **self.options)[0]
        return self.head(self.norm(x + y) * self.scale)


def minus_infinity(mask):
    return torch.zeros(mask.shape).masked_fill(mask, -torch.inf)


WORDS = normal(2, 5, 8)
ARGUMENTS = {
    "a flag": {"need_weights": False},
    "weights of each head": {"average_attn_weights": False},
    "a mask of numbers": {"mask": minus_infinity},
    "both": {"mask": minus_infinity, "need_weights": False},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_that_mean_the_same(name):
    agree(seeded(Attends, **ARGUMENTS[name]), seeded(Attends), WORDS)
    _, place = first(lambda: Attends(scale=0.5, **ARGUMENTS[name]), Attends, WORDS)
    assert place == ("", "input of head")


@pytest.mark.parametrize("mask", [torch.logical_not, lambda m: m.float()])
def test_a_mask_that_means_something_else_is_the_place(mask):
    _, place = first(lambda: Attends(mask=mask, scale=0.5, need_weights=False), Attends, WORDS)
    assert place == ("", "attn_mask of attend")


# --- layers that the left computes itself -----------------------------------------------------------------------------


class Inlined(nn.Module):
    """Its layers hold the parameters; a part of them is computed by functions."""

    def __init__(self, act=None, norm=None, gelu="none", scale=1.0):
        super().__init__()
        self.a, self.act, self.norm, self.b = nn.Linear(8, 6), nn.ReLU(), nn.LayerNorm(6), nn.Linear(6, 3)
        self.own_act, self.own_norm, self.gelu, self.scale = act, norm, gelu, scale

    def forward(self, x):
        x = F.gelu(self.a(x), approximate=self.gelu)
        x = self.own_norm(x, self.norm) if self.own_norm else self.norm(x)
        x = self.own_act(x) if self.own_act else self.act(x)
        return self.b(x) * self.scale


def by_function(x, norm):
    return F.layer_norm(x, (6,), norm.weight, norm.bias)


def unbiased(x, norm):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-5).sqrt() * norm.weight + norm.bias


MISTAKES = {
    "after it": ({"norm": by_function, "scale": 0.5}, ("", "output")),
    "before it": ({"norm": by_function, "gelu": "tanh"}, ("", "input of act")),
    "within it": ({"norm": unbiased}, ("", "input of act")),
    "after an activation": ({"act": F.relu, "scale": 0.5}, ("", "output")),
    "another activation": ({"act": torch.tanh}, ("", "calls of act")),
    "no activation": ({"act": lambda x: x}, ("", "calls of act")),
    "no norm": ({"norm": lambda x, norm: x}, ("", "calls of norm")),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_layer_that_the_left_computes_itself(name):
    options, place = MISTAKES[name]
    report, found = first(lambda: Inlined(**options), Inlined, X)
    assert found == place, str(report)


def test_a_cause_before_and_within_it_is_named():
    assert first(lambda: Inlined(norm=by_function, gelu="tanh"), Inlined, X)[0].cause.name == "gelu-tanh"
    assert first(lambda: Inlined(norm=unbiased), Inlined, X)[0].cause.name == "variance-unbiased"


def test_a_scale_that_a_norm_takes_away_is_in_the_gradients():
    """The variance of the weight is biased: the norm after it hides that, and the gradient before it does not."""

    class Standardized(nn.Module):
        def __init__(self, unbiased):
            super().__init__()
            self.c, self.n, self.unbiased = nn.Conv2d(3, 4, 3, bias=False), nn.GroupNorm(2, 4), unbiased

        def forward(self, x):
            w = self.c.weight.flatten(1)
            w = (w - w.mean(1, keepdim=True)) / (w.var(1, keepdim=True, unbiased=self.unbiased) + 1e-5).sqrt()
            return self.n(F.conv2d(x, w.view_as(self.c.weight)))

    given = normal(2, 3, 6, 6)
    assert first(lambda: Standardized(False), lambda: Standardized(True), given)[1] == ("", "input of n")


def test_who_draws_another_random_number_is_found():
    class Drops(nn.Module):
        def __init__(self, p):
            super().__init__()
            self.a, self.b, self.c, self.p = nn.Linear(8, 6), nn.Linear(8, 6), nn.Linear(6, 2), p

        def forward(self, x):
            h = F.dropout(self.a(x), self.p) if self.p else self.a(x)
            return self.c(torch.relu(h + self.b(x)))

    assert first(lambda: Drops(0.1), lambda: Drops(0.0), X)[1] == ("", "random state of b")


def test_one_norm_in_the_place_of_another():
    class Norms(nn.Module):
        def __init__(self, same=False):
            super().__init__()
            self.a, self.n, self.m, self.b = nn.Linear(8, 6), nn.LayerNorm(6), nn.LayerNorm(6), nn.Linear(8, 6)
            self.same = same

        def forward(self, x):
            h = torch.tanh(self.n(self.a(x)))
            h = (self.n if self.same else self.m)(h)
            return torch.relu(h + self.b(x))

    assert first(lambda: Norms(True), Norms, X)[1] == ("", "calls of m")


# --- the order of calls, and of gradients -----------------------------------------------------------------------------


class Twice(nn.Module):
    def __init__(self, turned=False, scale=1.0):
        super().__init__()
        self.f, self.head, self.turned, self.scale = nn.Linear(8, 6), nn.Linear(6, 3), turned, scale

    def forward(self, x, y):
        h = self.f(y) + self.f(x) if self.turned else self.f(x) + self.f(y)
        return self.head(torch.tanh(h)) * self.scale


def test_two_calls_in_the_other_order():
    given = X, normal(5, 8)
    agree(seeded(Twice, turned=True), seeded(Twice), given)
    assert first(lambda: Twice(turned=True, scale=0.5), Twice, given)[1] == ("", "output")


class Recurrent(nn.Module):
    """Reads the last step of the output, or the state, which is the same."""

    def __init__(self, kind=nn.RNN, state=False):
        super().__init__()
        self.rnn, self.head, self.state = kind(8, 4, batch_first=True), nn.Linear(4, 3), state

    def forward(self, x):
        y, h = self.rnn(x)
        return self.head(h[0] if self.state else y[:, -1])


class Forgetful(nn.RNN):
    """Keeps no gradient from step to step."""

    def forward(self, x):
        h, steps = x.new_zeros(len(x), 4), []
        for t in range(x.shape[1]):
            h = F.linear(x[:, t], self.weight_ih_l0, self.bias_ih_l0) + F.linear(
                h.detach(), self.weight_hh_l0, self.bias_hh_l0
            )
            h = torch.tanh(h)
            steps.append(h)
        return torch.stack(steps, 1), h[None]


def test_a_gradient_that_arrives_another_way():
    agree(seeded(Recurrent, state=True), seeded(Recurrent), normal(2, 5, 8))
    report, (where, what) = first(lambda: Recurrent(Forgetful, state=True), Recurrent, normal(2, 5, 8))
    assert where == "rnn", str(report)
    assert what.startswith("grad ")


# --- what nothing at the end can tell ---------------------------------------------------------------------------------


class Squeezed(nn.Module):
    """What goes into `down` has no influence while its ReLUs are dead."""

    def __init__(self, before=lambda x: x, bias=-100.0):
        super().__init__()
        self.base, self.down, self.up, self.before = nn.Linear(8, 4), nn.Linear(8, 2), nn.Linear(2, 4), before
        nn.init.constant_(self.down.bias, bias)

    def forward(self, x):
        return self.base(x) * self.up(self.down(self.before(x)).relu()).sigmoid()


def test_what_has_no_influence_is_no_parity():
    agree(seeded(Squeezed), seeded(Squeezed))
    report = compare(seeded(Squeezed, torch.tanh), seeded(Squeezed), X)
    assert not report.ok
    assert report.verdict().startswith("COULD NOT COMPARE")
    assert "input of down differs" in report.reason
    alive = compare(seeded(Squeezed, torch.tanh, bias=0.1), seeded(Squeezed, bias=0.1), X)
    assert alive.verdict().startswith("DIVERGENCE")

"""Ports whose parameters have other names, other layouts and other kinds: they are paired, or a map is proposed."""

import numpy as np
import pytest
import torch
from torch import nn

from parity_tests import compare
from parity_tests.comparer.findings import CompareError
from parity_tests.tests.ports import Named, Plain, Wrapped, X, agree

RNG = np.random.default_rng(3)


# --- names ------------------------------------------------------------------------------------------------------------


def test_names_that_do_not_pair_are_listed_with_a_map():
    report = compare(Named("fc"), Named("linear"), X)
    assert not report.ok
    assert not report.comparable
    text = str(report)
    assert "fc.weight" in text
    assert "linear.bias" in text
    assert report.proposal.entries == {"fc.weight": "linear.weight", "fc.bias": "linear.bias"}
    agree(Named("fc"), Named("linear"), parameters=report.proposal.entries)


@pytest.mark.parametrize("name", ["module", "_orig_mod", "model", "m"])
@pytest.mark.parametrize("outer", ["left", "right"])
def test_a_prefix_is_stripped(name, outer):
    wrapped, plain = Wrapped(name, Named()), Named()
    report = agree(wrapped, plain) if outer == "left" else agree(plain, wrapped)
    assert name == "_orig_mod" or any("prefix" in note for note in report.notes)


def test_wrappers_in_the_middle_are_stripped():
    left = nn.Sequential(Wrapped("module", nn.Linear(8, 8)), nn.Tanh(), nn.Linear(8, 4))
    agree(left, nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4)))


def test_other_layouts_are_proposed():
    report = compare(Plain(), nn.Linear(8, 4), X)
    assert report.proposal.entries == {"W": ["weight", "transpose"], "b": ["bias", "reshape"]}
    found = agree(Plain(), nn.Linear(8, 4), parameters=report.proposal.entries)
    assert {"grad weight", "grad bias"} <= {m.what for m in found.measurements}


class ChannelsLast:
    """A kernel (height, width, in, out)."""

    def __init__(self):
        self.weight, self.bias = np.zeros((3, 3, 3, 8), np.float32), np.zeros(8, np.float32)

    def forward(self, x):
        w = torch.tensor(self.weight.transpose(3, 2, 0, 1).copy())
        return nn.functional.conv2d(torch.tensor(x), w, torch.tensor(self.bias), padding=1).numpy()


def test_the_order_of_axes_is_said_and_right():
    images, conv = RNG.normal(size=(2, 3, 8, 8)).astype(np.float32), nn.Conv2d(3, 8, 3, padding=1)
    report = compare(ChannelsLast(), conv, images)
    assert "permute 3 2 0 1" in report.cause.text
    agree(ChannelsLast(), conv, images, parameters={"weight": ("weight", "permute 3 2 0 1")})


class SplitAttention(nn.Module):
    """Three projections where torch has one."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        heads = (part(x).unflatten(-1, (2, 4)).transpose(1, 2) for part in (self.q, self.k, self.v))
        y = nn.functional.scaled_dot_product_attention(*heads)
        return self.out(y.transpose(1, 2).flatten(2))


class Fused(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x):
        heads = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        return self.out(nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


TOKENS = RNG.normal(size=(2, 5, 8)).astype(np.float32)


def test_rows_and_concat():
    apart = {
        f"{n}.{p}": [f"qkv.{p}", f"rows {8 * i}:{8 * i + 8}"] for i, n in enumerate("qkv") for p in ("weight", "bias")
    }
    report = agree(SplitAttention(), Fused(), TOKENS, parameters=apart)
    assert any(m.what == "grad qkv.weight" for m in report.measurements)
    joined = {f"qkv.{p}": [f"{n}.{p}" for n in "qkv"] + ["concat"] for p in ("weight", "bias")}
    report = agree(Fused(), SplitAttention(), TOKENS, parameters=joined)
    assert any(m.what == "grad v.weight" for m in report.measurements)

    class Scaled(Fused):
        def forward(self, x):
            return super().forward(x) * 1.001

    assert not compare(Scaled(), SplitAttention(), TOKENS, parameters=joined).ok


class OneBias:
    """An LSTM that has one bias, and one whose gates are in another order."""

    def __init__(self, order=(0, 1, 2, 3)):
        self.weight_ih_l0, self.weight_hh_l0 = np.zeros((24, 5), np.float32), np.zeros((24, 6), np.float32)
        self.bias_ih_l0, self._order = np.zeros(24, np.float32), order

    def forward(self, x):
        lstm, at = nn.LSTM(5, 6), np.argsort(self._order)
        own = {n: np.concatenate([np.split(v, 4)[i] for i in at]) for n, v in vars(self).items() if n[0] != "_"}
        lstm.load_state_dict({k: torch.tensor(own.get(k, np.zeros(24, np.float32))) for k in lstm.state_dict()})
        with torch.no_grad():
            y, (h, c) = lstm(torch.tensor(x))
        return y.numpy(), (h.numpy(), c.numpy())


SEQUENCE = RNG.normal(size=(4, 2, 5)).astype(np.float32)


def test_one_bias_for_two():
    report = agree(OneBias(), nn.LSTM(5, 6), SEQUENCE)
    assert any("one bias for two" in note for note in report.notes)
    names = {"bias_ih_l0": ("bias_ih_l0", "bias_hh_l0", "sum")}
    agree(OneBias(), nn.LSTM(5, 6), SEQUENCE, parameters=names)


def test_gates_in_another_order():
    order = (0, 2, 1, 3)  # i g f o
    names = {n: (n, "gates igfo") for n in ("weight_ih_l0", "weight_hh_l0")}
    names["bias_ih_l0"] = ("bias_ih_l0", "bias_hh_l0", "sum", "gates igfo")
    agree(OneBias(order), nn.LSTM(5, 6), SEQUENCE, parameters=names)
    assert not compare(OneBias(order), nn.LSTM(5, 6), SEQUENCE).ok


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"nothing": "weight"}, "'nothing'"),
        ({"W": "nowhere"}, "'nowhere'"),
        ({"W": ("weight", "turn")}, "'turn'"),
        ({"W": ("weight", "bias")}, "concat"),
    ],
)
def test_a_wrong_map_says_what_is_wrong(names, says):
    with pytest.raises(CompareError, match=says):
        compare(Plain(), nn.Linear(8, 4), X, parameters=names)


def test_ignore_and_zero():
    class Extra(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.more = nn.Linear(8, 4), nn.Parameter(torch.ones(4))

        def forward(self, x):
            return self.linear(x) + self.more

    assert not compare(Extra(), Named(), X).ok
    agree(Extra(), Named(), parameters={"more": "zero"})
    assert not compare(Extra(), Named(), X, parameters={"more": "ignore"}).ok


# --- parameters of other kinds ----------------------------------------------------------------------------------------


def test_frozen_on_both_sides_is_no_difference():
    agree(Named().requires_grad_(False), Named().requires_grad_(False))
    report = compare(Named().requires_grad_(False), Named(), X)
    assert "frozen" in report.first_divergence.note or "no grad" in report.first_divergence.note


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_reparametrized_weight(old, reverse):
    norm = nn.utils.weight_norm if old else nn.utils.parametrizations.weight_norm
    models = [nn.Sequential(norm(nn.Linear(8, 4)), nn.Tanh()), nn.Sequential(nn.Linear(8, 4), nn.Tanh())]
    report = agree(*(models[::-1] if reverse else models))
    assert any("not compared: gradient" in note or "not compared: the gradient" in note for note in report.notes)
    both = [nn.Sequential(norm(nn.Linear(8, 4))) for _ in range(2)]
    assert not agree(*both).uncompared


def test_lazy_modules_are_made_first():
    agree(nn.Sequential(nn.LazyLinear(4)), nn.Sequential(nn.LazyLinear(4)))
    agree(nn.Sequential(nn.LazyLinear(4)), nn.Sequential(nn.Linear(8, 4)))


def test_arrays_made_at_the_first_forward():
    class Late(Plain):
        def __init__(self):
            pass

        def forward(self, x):
            if not hasattr(self, "W"):
                Plain.__init__(self)
            return super().forward(x)

    names = {"W": ("weight", "transpose"), "b": ("bias", "reshape")}
    agree(Late(), nn.Linear(8, 4), parameters=names)


def test_more_buffers_on_the_left_are_no_difference():
    class Tables(Named):
        def __init__(self):
            super().__init__()
            self.register_buffer("bias", torch.ones(3, 3).tril())

    agree(Tables(), Named())
    agree(Named(), Tables())

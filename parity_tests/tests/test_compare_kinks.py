"""Slopes and ties: where random numbers never fall and people's data does."""

import numpy as np
import pytest
import torch
from torch import nn

from parity_tests import compare

X = np.random.default_rng(2).normal(size=(6, 8)).astype(np.float32)


class Slope(torch.autograd.Function):
    """A function of torch with another slope exactly at a kink."""

    @staticmethod
    def forward(ctx, x, function, at, slope):
        ctx.save_for_backward(x)
        ctx.function, ctx.at, ctx.slope = function, at, slope
        return function(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (dx,) = torch.autograd.grad(ctx.function(leaf), leaf, dy)
        return torch.where(x == ctx.at, dy * ctx.slope, dx), None, None, None


class Layer(nn.Module):
    def __init__(self, function, at=None, slope=None):
        super().__init__()
        self.function, self.at, self.slope = function, at, slope

    def forward(self, x):
        return self.function(x) if self.at is None else Slope.apply(x, self.function, self.at, self.slope)


CASES = {
    "relu": (torch.relu, 0.0, 1.0),
    "clip": (lambda x: x.clamp(-1.0, 1.0), 1.0, 0.5),
    "abs": (torch.abs, 0.0, 1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_another_slope_at_a_kink_is_a_divergence(name):
    function, at, slope = CASES[name]
    right = nn.Sequential(Layer(function))
    assert compare(nn.Sequential(Layer(function)), right, X).ok
    first = compare(nn.Sequential(Layer(function, at, slope)), right, X).first_divergence
    assert (first.where, first.what) == ("0", "grad input at kinks and ties")
    assert f"at an input of {at:g}" in first.note


def test_ties_of_a_maximum():
    class Shares(nn.Module):
        """The gradient goes to all that are equal, in equal parts."""

        def forward(self, x):
            return x.unflatten(-1, (4, 2)).amax(-1)

    class First(nn.Module):
        def forward(self, x):
            return x.unflatten(-1, (4, 2)).max(-1).values

    report = compare(nn.Sequential(Shares()), nn.Sequential(First()), X)
    assert not report.ok
    assert "kinks and ties" in report.first_divergence.what


def test_the_maximum_of_a_long_row_is_tied_too():
    row = np.random.default_rng(5).normal(size=(1, 40)).astype(np.float32)
    one = nn.Sequential(Layer(lambda x: x - x.amax(-1, keepdim=True)))
    report = compare(one, nn.Sequential(Layer(lambda x: x - x.max(-1, keepdim=True).values)), row)
    assert report.first_divergence.what == "grad input at kinks and ties"
    softmax = nn.Sequential(Layer(lambda x: (e := torch.exp(x - x.amax(-1, keepdim=True))) / e.sum(-1, keepdim=True)))
    assert compare(softmax, nn.Sequential(nn.Softmax(-1)), X).ok, "the maximum's own gradient cancels"


SAME_AT_0 = {
    "mask": lambda x: x * (x > 0),
    "where": lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
    "in place": lambda x: torch.relu_(x.clone()),
}
OTHER_AT_0 = {
    "maximum": (lambda x: torch.maximum(x, torch.zeros_like(x)), 0.5),
    "half the sum with |x|": (lambda x: (x + x.abs()) / 2, 0.5),
    "filled below 0": (lambda x: x.masked_fill(x < 0, 0), 1.0),
}


@pytest.mark.parametrize("name", SAME_AT_0)
def test_a_relu_written_otherwise_with_the_same_slope_at_0_is_parity(name):
    assert compare(nn.Sequential(Layer(SAME_AT_0[name])), nn.Sequential(nn.ReLU()), X).ok


@pytest.mark.parametrize("name", OTHER_AT_0)
def test_a_relu_with_another_slope_at_0_is_named_as_that_and_no_more(name):
    function, slope = OTHER_AT_0[name]
    first = compare(nn.Sequential(Layer(function)), nn.Sequential(nn.ReLU()), X).first_divergence
    assert "only at an input of 0, where the slope jumps; on what the layer was given they agree" in str(first)
    assert f"at an input of 0 the slope is {slope:g} on the left, 0 on the right" in str(first.cause)


def test_clamp_is_judged_by_the_slope_that_this_torch_gives_it():
    leaf = torch.zeros(1, requires_grad=True)
    (slope,) = torch.autograd.grad(leaf.clamp(min=0), leaf)
    report = compare(nn.Sequential(Layer(lambda x: x.clamp(min=0))), nn.Sequential(nn.ReLU()), X)
    assert report.ok == (slope.item() == 0)
    assert report.ok or f"the slope is {slope.item():g} on the left, 0 on the right" in str(report.cause)

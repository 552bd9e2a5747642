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

"""The models that ports are compared on, and the comparison itself, with a look at the layers."""

import numpy as np
import torch
from torch import nn

from parity_tests import compare

X = np.random.default_rng(3).normal(size=(5, 8)).astype(np.float32)


def seeded(make, *arguments, **options):
    torch.manual_seed(0)
    return make(*arguments, **options)


def agree(left, right, inputs=X, **options):
    """Compare, with the right's layers seen too: the machinery must not have failed inside."""
    report = compare(left, right, inputs, **options)
    assert report.ok, str(report)
    assert not any("could not be observed" in note for note in report.notes), report.notes
    return report


class Named(nn.Module):
    def __init__(self, name="linear"):
        super().__init__()
        setattr(self, name, nn.Linear(8, 4))
        self.name = name

    def forward(self, x):
        return getattr(self, self.name)(x)


class Wrapped(nn.Module):
    """A model inside another, under a name."""

    def __init__(self, name, inner):
        super().__init__()
        self.add_module(name, inner)
        self.name = name

    def forward(self, *args, **kwargs):
        return getattr(self, self.name)(*args, **kwargs)


class Plain:
    """A NumPy layer with (in, out) weights of its own names."""

    def __init__(self):
        self.W, self.b = np.zeros((8, 4), np.float32), np.zeros((1, 4), np.float32)

    def forward(self, x):
        self._x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW, self.db = self._x.T @ dy, dy.sum(0, keepdims=True)
        return dy @ self.W.T

"""A large model's gradients are judged one by one and not kept: what is said is the same as of a small model."""

import copy
import json

import numpy as np
import pytest
import torch

from parity_tests import compare
from parity_tests.comparer import case, shelf


class Net(torch.nn.Module):
    def __init__(self, eps=1e-5, slope=1.0):
        super().__init__()
        self.first, self.norm, self.last = torch.nn.Linear(8, 16), torch.nn.LayerNorm(16, eps), torch.nn.Linear(16, 3)
        self.drop, self.slope = torch.nn.Dropout(0.3), slope

    def forward(self, x):
        h = self.norm(torch.relu(self.first(x)))
        return self.last(self.drop(h * self.slope + h.detach() * (1 - self.slope)))


PAIRS = {
    "equal": lambda: (Net(), Net()),
    "another eps": lambda: (Net(1e-3), Net()),
    "a gradient that is cut": lambda: (Net(slope=0.5), Net()),
    "float64": lambda: (Net().double(), Net().double()),
    "a frozen weight": lambda: (Net(), frozen(Net())),
    "an infinite weight": lambda: (Net(), infinite(Net())),
}


def frozen(net):
    net.first.weight.requires_grad_(False)
    return net


def infinite(net):
    net.last.weight.data[0, 0] = float("inf")
    return net


def said(pair, dtype):
    x = np.random.default_rng(0).normal(size=(5, 8)).astype(dtype)
    report = json.loads(compare(*copy.deepcopy(pair), x).to_json())
    report["measurements"].sort(
        key=lambda m: (m["mode"], m["phase"], m["where"], m["what"])
    )  # the large come backwards
    return {key: value for key, value in report.items() if key != "seconds"}


@pytest.mark.parametrize("name", PAIRS)
def test_a_large_model_is_judged_as_a_small_one(monkeypatch, name):
    torch.manual_seed(0)
    pair, dtype = PAIRS[name](), "float64" if name == "float64" else "float32"
    small = said(pair, dtype)
    monkeypatch.setattr(case, "LARGE", 1)
    monkeypatch.setattr(shelf, "LEAST", 1)
    assert said(pair, dtype) == small

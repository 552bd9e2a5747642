"""Planted causes in losses and optimizers of scratch against torch's, and in initial values."""

import math

import numpy as np
import pytest
import torch

import scratch
from parity_tests import compare
from parity_tests.tests.plants import integers, normal
from scratch import nn, optim

T = torch.nn
X = normal(13, 7)

# --- losses -----------------------------------------------------------------------------------------------------------

LOGITS, CLASSES = (13, 5), integers(5, 13)
WEIGHTS = np.linspace(0.5, 2, 5).astype(np.float32)
TW = torch.tensor(WEIGHTS)


class HalfMSE(nn.MSELoss):
    def forward(self, x, target):
        return super().forward(x, target) * x.dtype.type(0.5)

    def backward(self, dloss=None):
        return super().backward(np.ones((), np.float32) if dloss is None else dloss) * np.float32(0.5)


class CountedWeights(nn.CrossEntropyLoss):
    """Divides the weighted sum by the number of rows."""

    def _factor(self, target):
        return np.float32(self.weight[target].sum() / len(target))

    def forward(self, x, target):
        self.target = target
        return super().forward(x, target) * self._factor(target)

    def backward(self, dloss=None):
        return super().backward(dloss) * self._factor(self.target)


LOSSES = [
    pytest.param("reduction", nn.MSELoss("sum"), T.MSELoss(), True, id="mse-sum"),
    pytest.param("reduction", nn.KLDivLoss("mean"), T.KLDivLoss(reduction="batchmean"), True, id="kl-mean"),
    pytest.param("mse-half", HalfMSE(), T.MSELoss(), True, id="mse-half"),
    pytest.param(
        "label-smoothing", nn.CrossEntropyLoss(), T.CrossEntropyLoss(label_smoothing=0.1), False, id="smoothing-missing"
    ),
    pytest.param(
        "label-smoothing", nn.CrossEntropyLoss(label_smoothing=0.1), T.CrossEntropyLoss(), False, id="smoothing"
    ),
    pytest.param(
        "class-weights", CountedWeights(WEIGHTS), T.CrossEntropyLoss(TW), False, id="class-weights-denominator"
    ),
    pytest.param("class-weights", nn.CrossEntropyLoss(), T.CrossEntropyLoss(TW), False, id="class-weights-missing"),
    pytest.param("huber-scale", nn.SmoothL1Loss(beta=0.5), T.HuberLoss(delta=0.5), True, id="huber"),
]


@pytest.mark.parametrize(("cause", "left", "right", "dense"), LOSSES)
def test_loss(cause, left, right, dense):
    target = np.abs(normal(*LOGITS)) if dense else CLASSES
    report = compare(nn.Linear(7, 5), T.Linear(7, 5), X, target, (left, right))
    assert report.first_divergence.where == "loss"
    assert report.cause is not None, str(report)
    assert report.cause.name == cause, str(report)


def test_an_ignored_label_that_counts_from_the_end():
    """A label of -1 takes the last class, as in NumPy and optax, where torch leaves the row out."""
    labels = np.where(np.arange(13) % 4 == 1, -1, CLASSES)

    class FromTheEnd(torch.nn.Module):
        def forward(self, x, target):
            return T.functional.cross_entropy(x, target % x.shape[1])

    sides = FromTheEnd(), T.CrossEntropyLoss(ignore_index=-1)
    report = compare(T.Linear(7, 5), T.Linear(7, 5), X, labels, sides)
    assert report.cause is not None, str(report)
    assert report.cause.name == "ignored-rows"
    assert "read as an index from the end: class 4" in report.cause.text


class OpenHinge(nn.HingeEmbeddingLoss):
    """With the slope 1 of max(z, 0) at 0, as torch had it before 2.14."""

    def forward(self, x, target):
        self.at_margin = (target == -1) & (x == self.margin)
        return super().forward(x, target)

    def backward(self, dloss=None):
        dx = super().backward(dloss)
        return np.where(self.at_margin, -dx.dtype.type(1 / dx.size), dx)


def slope_at_bound():
    z = torch.zeros(1, requires_grad=True)
    z.clamp_min(0).sum().backward()
    return z.grad.item()


def test_a_loss_of_another_torch_is_told_by_its_slope_at_the_margin():
    x = np.array([[1.0, 0.5, 2.0], [1.0, -1.0, 0.25]], np.float32)
    target = np.array([[-1, -1, -1], [1, 1, -1]])
    newest = slope_at_bound() == 0
    left = OpenHinge() if newest else nn.HingeEmbeddingLoss()
    report = compare(nn.Identity(), T.Identity(), x, target, (left, T.HingeEmbeddingLoss()))
    assert report.cause is not None, str(report)
    assert report.cause.name == "kink"
    release = "before 2.14: 1" if newest else "from 2.14 on: 0"
    assert f"gradient of clamp at its bound of torch {release} at the kink" in str(report)


# --- optimizers -------------------------------------------------------------------------------------------------------


class LrInside:
    """Keras' velocity, v = m v - lr g, which is torch's while the rate is constant. It shows no state."""

    def __init__(self, parameters, lr, momentum):
        self.parameters, self.lr, self.momentum = parameters, lr, momentum
        self.v = [np.zeros_like(p.data) for p in parameters]

    def step(self):
        for p, v in zip(self.parameters, self.v, strict=True):
            v *= np.float32(self.momentum)
            v -= np.float32(self.lr) * p.grad
            p.data[...] = p.data + v


class PlainAdam:
    """A NumPy user's Adam, with its deviations as options."""

    def __init__(self, parameters, lr=1e-3, eps=1e-8, place="outside", correct=True):
        self.parameters, self.lr, self.eps = parameters, lr, eps
        self.place, self.correct = place, correct
        self.m = [np.zeros_like(p.data) for p in parameters]
        self.v = [np.zeros_like(p.data) for p in parameters]
        self.t = 0

    def step(self):
        self.t += 1
        f = np.float32
        c1, c2 = (1 - 0.9**self.t, 1 - 0.999**self.t) if self.correct else (1.0, 1.0)
        for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
            m += f(0.1) * (p.grad - m)
            v *= f(0.999)
            v += f(0.001) * p.grad**2
            root = np.sqrt(v / f(c2) + f(self.eps)) if self.place == "inside" else np.sqrt(v / f(c2)) + f(self.eps)
            if self.place == "hat":
                root = (np.sqrt(v) + f(self.eps)) / f(math.sqrt(c2))
            p.data[...] = p.data - f(self.lr / c1) * m / root


def sgd(**options):
    return lambda p: torch.optim.SGD(p, lr=0.1, **options)


OPTIMIZERS = [
    ("sgd-lr-inside", lambda p: LrInside(p, lr=0.1, momentum=0.9), sgd(momentum=0.9)),
    ("dampening", lambda p: optim.SGD(p, lr=0.1, momentum=0.9), sgd(momentum=0.9, dampening=0.5)),
    ("nesterov", lambda p: optim.SGD(p, lr=0.1, momentum=0.9), sgd(momentum=0.9, nesterov=True)),
    ("decay-coupled", lambda p: optim.Adam(p, weight_decay=0.1), lambda p: torch.optim.AdamW(p, weight_decay=0.1)),
    ("decay-decoupled", lambda p: optim.AdamW(p, weight_decay=0.1), lambda p: torch.optim.Adam(p, weight_decay=0.1)),
    ("adam-eps-hat", lambda p: PlainAdam(p, place="hat", eps=1e-4), lambda p: torch.optim.Adam(p, eps=1e-4)),
    ("adam-eps-inside", lambda p: PlainAdam(p, place="inside", eps=1e-4), lambda p: torch.optim.Adam(p, eps=1e-4)),
    ("adam-bias-correction", lambda p: PlainAdam(p, correct=False), lambda p: torch.optim.Adam(p)),
    ("eps-value", lambda p: optim.Adam(p, eps=1e-6), lambda p: torch.optim.Adam(p)),
]


@pytest.mark.parametrize(
    ("cause", "left", "right"), OPTIMIZERS, ids=[f"{i}-{case[0]}" for i, case in enumerate(OPTIMIZERS)]
)
def test_optimizer(cause, left, right):
    report = compare(nn.Linear(7, 5), T.Linear(7, 5), X, CLASSES, "CrossEntropyLoss", (left, right), steps=6)
    assert report.first_divergence.phase == "step"
    assert report.cause is not None, str(report)
    assert report.cause.name == cause, str(report)


def test_initial_values():
    class Glorot(nn.Linear):
        def reset_parameters(self, generator=None):
            scratch.nn.init.xavier_uniform_(self.weight)
            scratch.nn.init.zeros_(self.bias)

    report = compare(lambda: Glorot(7, 5), lambda: T.Linear(7, 5), X, parameters="seed")
    assert report.first_divergence.phase == "init"
    assert "Glorot uniform" in report.cause.text
    assert compare(lambda: nn.Linear(7, 5), lambda: T.Linear(7, 5), X, parameters="seed").ok

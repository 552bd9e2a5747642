"""The checks are checked: planted bugs that they must catch, and correct code in another order that must pass."""

import numpy as np
import pytest

import scratch
from parity_tests.checks import check
from parity_tests.rule import bits_equal, distance
from parity_tests.table.recipe import fixed, given, integers, normal
from parity_tests.table.row import Layer, Optimizer
from scratch import nn, optim

ELEMENTWISE = (normal(7, 5),)


class TanhGELU(nn.GELU):
    """The tanh form where erf was asked for: up to 4.7e-4 away."""

    def __init__(self, approximate="none"):
        super().__init__("tanh")


class WrongAxisSoftmax(nn.Softmax):
    """Normalizes columns for rows."""

    def __init__(self, dim=None):
        super().__init__(0)


class ZeroBackwardSoftmax(nn.Softmax):
    """What a cotangent of ones would not notice."""

    def backward(self, dy):
        self.take(dy)
        return np.zeros_like(dy)


class DiagonalSoftmax(nn.Softmax):
    """The diagonal of the Jacobian alone."""

    def backward(self, dy):
        y = self.forward_output
        self.take(dy)
        return dy * y * (1 - y)

    def forward(self, x):
        self.forward_output = super().forward(x)
        return self.forward_output


class HalfMSE(nn.MSELoss):
    """The textbook's factor 1/2."""

    def forward(self, x, target):
        return super().forward(x, target) * np.float32(0.5).astype(x.dtype)


class UnscaledMSE(nn.MSELoss):
    """The gradient of the sum under the loss of the mean."""

    def backward(self, dloss=None):
        d = self.take(dloss)
        return 2 * d * np.asarray(dloss, d.dtype)


class OffByOneElement(nn.Tanh):
    """A single wrong element."""

    def forward(self, x):
        y = super().forward(x).copy()
        y.flat[-1] += y.dtype.type(1e-4)
        return y


class TinyGradientsAreZero(nn.MSELoss):
    """Zeros for gradients near 1e-6: a bare absolute tolerance lets them pass."""

    def backward(self, dloss=None):
        dx = super().backward(dloss)
        return np.where(np.abs(dx) < 1e-5, 0, dx).astype(dx.dtype)


class DoubleOutput(nn.Sigmoid):
    """float64 returned for float32."""

    def forward(self, x):
        return super().forward(x).astype(np.float64)


class DoubleGradient(nn.Sigmoid):
    def backward(self, dy):
        return super().backward(dy) * np.float64(1)


class InPlaceReLU(nn.ReLU):
    """Overwrites its input."""

    def forward(self, x):
        return self.save(np.maximum(x, 0, out=x), x)


class OverwritesCotangent(nn.Tanh):
    def backward(self, dy):
        y = self.take(dy)
        dy *= 1 - y * y
        return dy


class KinkReLU(nn.ReLU):
    """Slope 1 at zero."""

    def backward(self, dy):
        y = self.take(dy)
        return np.where(y < 0, 0, dy)


class KeepsSaved(nn.Tanh):
    """A second backward of one forward goes unnoticed."""

    def take(self, cotangent=None):
        return self.saved.values[0]


class TransposedWeightGradient(nn.Linear):
    """Right shape by accident when I = O."""

    def backward(self, dy):
        x = self.take(dy)
        self.weight.accumulate(x.T @ dy)
        self.bias.accumulate(dy.sum(axis=0))
        return dy @ self.weight.data


class AssignsGradient(nn.Linear):
    """Assigns where it should add."""

    def backward(self, dy):
        self.zero_grad()
        return super().backward(dy)


class NoBiasGradient(nn.Linear):
    def backward(self, dy):
        x = self.take(dy)
        self.weight.accumulate(dy.T @ x)
        return dy @ self.weight.data


class OtherInit(nn.Linear):
    """Xavier where torch has Kaiming with a = sqrt(5)."""

    def reset_parameters(self, generator=None):
        super().reset_parameters(generator)
        nn.init.xavier_uniform_(self.weight, generator=generator)


class UnscaledDropout(nn.Dropout):
    """Scales at test time, as the first paper did."""

    def forward(self, x):
        y = super().forward(x)
        return y * x.dtype.type(1 - self.p) if self.training else y


class OwnMaskDropout(nn.Dropout):
    """Right in distribution, but not torch's mask."""

    def _noise(self, x):
        scratch.rand(1)
        return super()._noise(x)


class CountsIgnoredRows(nn.CrossEntropyLoss):
    """Divides by N though some rows are ignored."""

    def forward(self, x, target):
        kept = (target != self.ignore_index).mean(dtype=x.dtype)
        return super().forward(x, target) * kept


class NaNBecomesZero(nn.ReLU):
    """fmax drops NaN."""

    def forward(self, x):
        y = np.fmax(x, 0)
        return self.save(y, y)


class ContiguousOnly(nn.Tanh):
    """Takes memory for contiguous, whatever the strides say."""

    def forward(self, x):
        return super().forward(np.lib.stride_tricks.as_strided(x, x.shape, np.empty(x.shape, x.dtype).strides))


class BiasedRunningVariance(nn.BatchNorm1d):
    """Keras's running variance: divided by N where torch divides by N - 1."""

    def forward(self, x):
        before = self.running_var.copy()
        y = super().forward(x)
        if self.training:
            self.running_var[...] = (1 - self.momentum) * before + self.momentum * x.var(axis=0)
        return y


class EpsilonOutside(nn.LayerNorm):
    """1 / (sqrt(var) + eps)."""

    def forward(self, x):
        y = super().forward(x)
        centered = x - x.mean(axis=-1, keepdims=True)
        return (
            centered / (x.std(axis=-1, keepdims=True) + x.dtype.type(self.eps)) * self.weight.data + self.bias.data
        ).astype(y.dtype)


BUGS = [
    (TanhGELU, Layer("nn.GELU", (), ELEMENTWISE)),
    (WrongAxisSoftmax, Layer("nn.Softmax", (1,), ELEMENTWISE)),
    (ZeroBackwardSoftmax, Layer("nn.Softmax", (1,), ELEMENTWISE)),
    (DiagonalSoftmax, Layer("nn.Softmax", (1,), ELEMENTWISE)),
    (HalfMSE, Layer("nn.MSELoss", (), (normal(7, 5), fixed(normal(7, 5))))),
    (UnscaledMSE, Layer("nn.MSELoss", (), (normal(7, 5), fixed(normal(7, 5))))),
    (TinyGradientsAreZero, Layer("nn.MSELoss", (), (normal(7, 5, scale=1e-6), fixed(normal(7, 5, scale=1e-6))))),
    (OffByOneElement, Layer("nn.Tanh", (), ELEMENTWISE)),
    (DoubleOutput, Layer("nn.Sigmoid", (), ELEMENTWISE)),
    (DoubleGradient, Layer("nn.Sigmoid", (), ELEMENTWISE)),
    (InPlaceReLU, Layer("nn.ReLU", (), ELEMENTWISE)),
    (OverwritesCotangent, Layer("nn.Tanh", (), ELEMENTWISE)),
    (KinkReLU, Layer("nn.ReLU", (), (given([0.0, -1.0, 2.0]),), smooth=False)),
    (KeepsSaved, Layer("nn.Tanh", (), ELEMENTWISE)),
    (TransposedWeightGradient, Layer("nn.Linear", (5, 5), ELEMENTWISE)),
    (AssignsGradient, Layer("nn.Linear", (5, 3), ELEMENTWISE)),
    (NoBiasGradient, Layer("nn.Linear", (5, 3), ELEMENTWISE)),
    (OtherInit, Layer("nn.Linear", (5, 3), ELEMENTWISE)),
    (UnscaledDropout, Layer("nn.Dropout", (0.2,), ELEMENTWISE)),
    (OwnMaskDropout, Layer("nn.Dropout", (0.2,), (normal(11, 13),))),
    (
        CountsIgnoredRows,
        Layer("nn.CrossEntropyLoss", (), (normal(11, 3), integers(11, high=3)), kwargs={"ignore_index": 1}),
    ),
    (NaNBecomesZero, Layer("nn.ReLU", (), ELEMENTWISE)),
    (ContiguousOnly, Layer("nn.Tanh", (), ELEMENTWISE)),
    (BiasedRunningVariance, Layer("nn.BatchNorm1d", (5,), ELEMENTWISE)),
    (EpsilonOutside, Layer("nn.LayerNorm", (5,), ELEMENTWISE)),
]


@pytest.mark.parametrize(("bug", "row"), BUGS, ids=[bug.__name__ for bug, _ in BUGS])
def test_a_planted_bug_is_caught(bug, row):
    original = check(row)
    assert all(result.ok for result in original), "the row itself must pass"
    assert not all(result.ok for result in check(row, component=bug))


class OtherOrderLinear(nn.Linear):
    """Correct, with every sum taken in another order."""

    def forward(self, x):
        reordered = x[..., ::-1] @ self.weight.data[:, ::-1].T + self.bias.data
        return self.save(reordered, x)

    def backward(self, dy):
        x = self.take(dy)
        self.weight.accumulate(np.einsum("no,ni->oi", dy[::-1], x[::-1]))
        self.bias.accumulate(np.cumsum(dy, axis=0)[-1] if len(dy) else dy.sum(axis=0))
        return np.einsum("...o,oi->...i", dy, self.weight.data)


class OtherFormulaSigmoid(nn.Sigmoid):
    """Correct by another formula."""

    def forward(self, x):
        return self.save(y := (1 + np.tanh(x / 2)) / 2, y)


@pytest.mark.parametrize(
    ("component", "row"),
    [
        (OtherOrderLinear, Layer("nn.Linear", (257, 3), (normal(131, 257),), notes={"unbatched": "matrices only"})),
        (OtherFormulaSigmoid, Layer("nn.Sigmoid", (), (normal(7, 5),))),
    ],
)
def test_correct_code_in_another_order_passes(component, row):
    failures = [result for result in check(row, component=component) if not result.ok]
    assert not failures, failures


def test_distance_sees_what_hides():
    one = np.ones(3, np.float32)
    assert distance(one, one.astype(np.float64)) == 0
    assert distance(one * np.float32(1 + 2**-23), one) == 1
    assert distance(np.zeros(3, np.float32), np.full(3, 1e-6)) > 1e6, "all-zero tiny gradients"
    assert distance(np.array([np.nan, 1], np.float32), np.array([1, 1])) == np.inf
    assert distance(np.array([np.nan, 1], np.float32), np.array([np.nan, 1])) == 0
    assert distance(np.array([np.inf], np.float32), np.array([-np.inf])) == np.inf
    assert distance(one, np.ones((3, 1))) == np.inf
    assert distance(np.array([1, 2]), np.array([1, 3])) == np.inf


def test_bits_equal_sees_what_equality_does_not():
    zero = np.zeros((), np.float32)
    assert bits_equal(zero, zero.copy())
    assert not bits_equal(zero, -zero)
    assert not bits_equal(zero, zero.reshape(1))
    assert not bits_equal(zero, zero.astype(np.float64))
    assert bits_equal(np.ones((3, 2)).T, np.ones((2, 3)))


class EpsilonUnderTheRoot(optim.Adam):
    """sqrt(v + eps)."""

    def update(self, group, run):
        eps, group = group["eps"], {**group, "eps": 0.0}
        run.vector("exp_avg_sq").__iadd__(eps)
        super().update(group, run)
        run.vector("exp_avg_sq").__isub__(eps)


class NoBiasCorrection(optim.Adam):
    """Every step is taken for a late one."""

    def update(self, group, run):
        step = run.scalar("step", 0)
        run.set("step", np.float32(10**6))
        super().update(group, run)
        run.set("step", step + 1)


class CoupledDecay(optim.AdamW):
    """Weight decay through the gradient."""

    def update(self, group, run):
        super().update({**group, "decoupled_weight_decay": False}, run)


class RateInsideVelocity(optim.SGD):
    """Keras's velocity: the same until the rate changes."""

    def update(self, group, run):
        run.grad *= group["lr"]
        super().update({**group, "lr": 1.0}, run)


class DampedFirstStep(optim.SGD):
    """The first velocity is damped like the others."""

    def update(self, group, run):
        run.vector("momentum_buffer")
        super().update(group, run)


class IgnoresTinyGradients(optim.Adam):
    """Zero for what is small: hidden, unless an update is judged at its own scale."""

    def update(self, group, run):
        run.grad[np.abs(run.grad) < 1e-5] = 0
        super().update(group, run)


OPTIMIZER_BUGS = [
    (EpsilonUnderTheRoot, Optimizer("optim.Adam", kwargs={"lr": 1e-2})),
    (NoBiasCorrection, Optimizer("optim.Adam", kwargs={"lr": 1e-2})),
    (IgnoresTinyGradients, Optimizer("optim.Adam", kwargs={"lr": 1e-2})),
    (CoupledDecay, Optimizer("optim.AdamW", kwargs={"lr": 1e-2, "weight_decay": 0.1})),
    (RateInsideVelocity, Optimizer("optim.SGD", kwargs={"lr": 0.1, "momentum": 0.9})),
    (DampedFirstStep, Optimizer("optim.SGD", kwargs={"lr": 0.1, "momentum": 0.9, "dampening": 0.5})),
]


@pytest.mark.parametrize(("bug", "row"), OPTIMIZER_BUGS, ids=[bug.__name__ for bug, _ in OPTIMIZER_BUGS])
def test_a_planted_optimizer_bug_is_caught(bug, row):
    assert all(result.ok for result in check(row)), "the row itself must pass"
    assert not all(result.ok for result in check(row, component=bug))

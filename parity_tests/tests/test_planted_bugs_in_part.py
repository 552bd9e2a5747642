"""Bugs that show in one part of a check alone: one precision, some steps, a restored state, one call of many."""

import numpy as np
import pytest

from parity_tests.checks import check
from parity_tests.table.recipe import normal
from parity_tests.table.row import Layer, Optimizer
from scratch import nn, optim

MOMENTUM = Optimizer("optim.SGD", kwargs={"lr": 0.1, "momentum": 0.9})
ADAM = Optimizer("optim.Adam", kwargs={"lr": 1e-2})
LINEAR = Layer("nn.Linear", (5, 3), (normal(7, 5),))
TANH = Layer("nn.Tanh", (), (normal(7, 5),))


class Nudges:
    """An optimizer that moves its parameters a little after the steps for which `when` is true."""

    steps, restored = 0, False

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.restored = True

    def step(self, closure=None):
        loss = super().step(closure)
        self.steps += 1
        data = [parameter.data for group in self.param_groups for parameter in group["params"]]
        if self.when(data[0].dtype.name):
            for x in data:
                x *= 1 + (1e-9 if x.dtype == np.float64 else 1e-3)
        return loss


class LateMomentum(Nudges, optim.SGD):
    def when(self, dtype):
        return self.steps == 25


class LateDoubleMomentum(Nudges, optim.SGD):
    def when(self, dtype):
        return self.steps > 12 and dtype == "float64"


class RestoredAdam(Nudges, optim.Adam):
    def when(self, dtype):
        return self.restored


class RestoredDoubleAdam(Nudges, optim.Adam):
    def when(self, dtype):
        return self.restored and dtype == "float64"


class SingleAdam(Nudges, optim.Adam):
    def when(self, dtype):
        return dtype == "float32"


class ForgetsMoments(optim.Adam):
    """The state that is loaded has no first moments."""

    def load_state_dict(self, state):
        super().load_state_dict(state)
        for entry in self.state.values():
            entry["exp_avg"][...] = 0


class SavesNextStep(optim.Adam):
    """The step in the state_dict is one ahead."""

    def state_dict(self):
        state = super().state_dict()
        for entry in state["state"].values():
            entry["step"] = entry["step"] + 1
        return state


class KeepsItsRate(optim.SGD):
    """The rate of the state that is loaded is dropped."""

    def load_state_dict(self, state):
        rates = [group["lr"] for group in self.param_groups]
        super().load_state_dict(state)
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate


class SavingForgets(optim.Adam):
    """state_dict() empties the moments of the optimizer itself, which goes on."""

    def state_dict(self):
        state = super().state_dict()
        for entry in self.state.values():
            entry["exp_avg"] = np.zeros_like(entry["exp_avg"])
        return state


BOTH = {"float32", "float64"}
OPTIMIZERS = [
    (LateMomentum, MOMENTUM, {"theta"}, BOTH),
    (LateDoubleMomentum, MOMENTUM, {"theta", "torch → scratch"}, {"float64"}),
    (RestoredAdam, ADAM, {"torch → scratch"}, BOTH),
    (RestoredDoubleAdam, ADAM, {"torch → scratch"}, {"float64"}),
    (SingleAdam, ADAM, {"theta", "scratch → torch", "torch → scratch"}, {"float32"}),
    (ForgetsMoments, ADAM, {"torch → scratch"}, BOTH),
    (SavesNextStep, ADAM, {"scratch → torch"}, BOTH),
    (KeepsItsRate, MOMENTUM, {"torch → scratch"}, BOTH),
    (SavingForgets, ADAM, {"exp_avg"}, BOTH),
]


@pytest.mark.parametrize(("bug", "row", "parts", "dtypes"), OPTIMIZERS, ids=[bug.__name__ for bug, *_ in OPTIMIZERS])
def test_an_optimizers_bug_shows_in_its_part(bug, row, parts, dtypes):
    failed = [result for result in check(row, component=bug) if not result.ok]
    assert parts <= {result.what.partition(": ")[0].partition(" normal")[0] for result in failed}, failed
    assert {result.dtype for result in failed} == dtypes, failed


class DoubleForward(nn.Linear):
    """Wrong in float64 alone."""

    def forward(self, x):
        y = super().forward(x)
        return y * (1 + 1e-9) if x.dtype == np.float64 else y


class DoubleWeightGradient(nn.Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        if dy.dtype == np.float64:
            self.weight.grad *= 1 + 1e-9
        return dx


class SingleBackward(nn.Tanh):
    def backward(self, dy):
        dx = super().backward(dy)
        return dx * np.float32(1.001) if dx.dtype == np.float32 else dx


class TrainedTwice(nn.Tanh):
    """train() in training mode spoils all that follows."""

    spoiled = False

    def train(self, mode=True):
        self.spoiled |= mode and self.training
        return super().train(mode)

    def forward(self, x):
        y = super().forward(x)
        return y * y.dtype.type(1.001) if self.spoiled else y


class Calibrated(nn.Linear):
    """Divides by the largest input of its first call, and multiplies again: right, unless that call had NaN."""

    peak = None

    def forward(self, x):
        if self.peak is None:
            self.peak = x.dtype.type(2) ** np.ceil(np.log2(np.abs(x).max(initial=1)))
        return self.save(super().forward(x / self.peak * self.peak), x)


class FirstOrder(nn.Tanh):
    """Takes the order in memory of all inputs for that of the first, which must be C or gaps."""

    first = None

    def forward(self, x):
        if self.first is None:
            self.first = x.flags.f_contiguous and x.ndim > 1
        return super().forward(x + x.dtype.type(1e-3) if self.first else x)


LAYERS = [
    (DoubleForward, LINEAR, {"output", "eval output"}, {"float64"}),
    (DoubleWeightGradient, LINEAR, {"grad weight", "eval grad weight"}, {"float64"}),
    (SingleBackward, TANH, {"grad input", "eval grad input"}, {"float32"}),
    (TrainedTwice, TANH, {"eval output", "strided: output"}, BOTH),
    (Calibrated, LINEAR, {"nan in input 0: output", "inf in input 0: output"}, {"float64"}),
    (FirstOrder, TANH, {"Fortran order: output"}, {"float64"}),
]


@pytest.mark.parametrize(("bug", "row", "parts", "dtypes"), LAYERS, ids=[bug.__name__ for bug, *_ in LAYERS])
def test_a_layers_bug_shows_in_its_part(bug, row, parts, dtypes):
    failed = [result for result in check(row, component=bug) if not result.ok]
    assert parts <= {result.what for result in failed}, failed
    assert {result.dtype for result in failed} == dtypes, failed

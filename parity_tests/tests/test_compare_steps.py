"""Training side by side: rates and states under other names, losses, closures, drift."""

import numpy as np
import pytest
import torch
from torch import nn

from parity_tests import compare
from parity_tests.tests.ports import X, seeded

RNG = np.random.default_rng(7)


def mlp():
    return seeded(lambda: nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 1)))


Y = RNG.normal(size=(5, 1)).astype(np.float32)


def steps(left, right, n=6, models=(mlp, mlp)):
    return compare(models[0](), models[1](), X, Y, nn.MSELoss(), (left, right), n)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


class Sgd:
    """Its rate has a name of its own."""

    def __init__(self, parameters, **rate):
        self.parameters = list(parameters)
        vars(self).update(rate)

    def step(self):
        rate = next(value for name, value in vars(self).items() if name != "parameters")
        with torch.no_grad():
            for p in self.parameters:
                p -= rate * p.grad


@pytest.mark.parametrize("name", ["learning_rate", "step_size", "how_fast"])
def test_a_rate_under_another_name_is_found(name):
    report = steps(lambda p: Sgd(p, **{name: 0.1}), sgd)
    assert report.ok, str(report)
    assert not any("falling rate" in note for note in report.notes)


def test_a_rate_that_is_not_found_is_a_note():
    class Fixed(Sgd):
        def step(self):
            self.rates = [0.1]
            super().step()

    report = steps(lambda p: Fixed(p, a=0.1, b=0.1), sgd)
    assert report.ok, str(report)
    assert any("falling rate" in note for note in report.notes)


class OwnAdam(torch.optim.Optimizer):
    """A correct Adam whose state is called m, v, t."""

    def __init__(self, parameters, lr=1e-3):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                s = self.state[p]
                if not s:
                    s.update(m=torch.zeros_like(p), v=torch.zeros_like(p), t=0)
                s["t"] += 1
                s["m"].mul_(0.9).add_(p.grad, alpha=0.1)
                s["v"].mul_(0.999).addcmul_(p.grad, p.grad, value=0.001)
                c, d = 1 - 0.9 ** s["t"], 1 - 0.999 ** s["t"]
                p.addcdiv_(s["m"], s["v"].sqrt() / d**0.5 + 1e-8, value=-group["lr"] / c)


def test_a_state_of_other_names_is_not_compared_and_not_accused():
    report = steps(OwnAdam, torch.optim.Adam)
    assert report.ok, str(report)
    assert any("exp_avg" in text and "m, t, v" in text for text in report.uncompared)


def test_the_losses_of_both_trainings_are_printed_and_judged():
    report = steps(sgd, sgd)
    assert report.ok, str(report)
    text = str(report)
    assert "loss of the left" in text
    assert "loss of the right" in text
    assert any(m.what.startswith("loss after step") for m in report.measurements)


def test_training_that_drifts_apart_is_a_divergence():
    class Late(torch.optim.SGD):
        """Right but for its fifth step."""

        def step(self, closure=None):
            self.count = getattr(self, "count", 0) + 1
            if self.count != 5:
                super().step(closure)

    report = steps(lambda p: Late(p, lr=0.1), sgd)
    assert not report.ok
    assert "after step 5" in report.first_divergence.what


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_with_its_closure(search):
    def lbfgs(p):
        return torch.optim.LBFGS(p, lr=0.1, max_iter=3, line_search_fn=search)

    report = steps(lbfgs, lbfgs, 3)
    assert report.ok, str(report)
    assert any("closure" in note for note in report.notes)
    assert not steps(lambda p: torch.optim.LBFGS(p, lr=0.2, max_iter=3, line_search_fn=None), lbfgs, 3).ok

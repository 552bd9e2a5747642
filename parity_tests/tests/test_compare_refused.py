"""compare: what cannot be compared is refused in one sentence, and no other exit code is read as a verdict."""

import numpy as np
import pytest
import torch
import typer
from torch import nn
from typer.testing import CliRunner

from parity_tests import compare
from parity_tests.comparer.cli import compare_command
from parity_tests.comparer.findings import CompareError

X = np.random.default_rng(3).normal(size=(5, 8)).astype(np.float32)


def command(*arguments):
    app = typer.Typer()
    app.command()(compare_command)
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize("text", ["import sys; sys.exit(0)", "def right(): raise SystemExit"])
def test_code_that_ends_the_process_is_no_verdict(tmp_path, text):
    path = tmp_path / "ends.py"
    path.write_text(text)
    result = command(f"{path}:right", f"{path}:right", "--input", "5,8")
    assert result.exit_code == 2
    assert "ends the process" in result.output


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_a_report_that_cannot_be_written_is_no_divergence(tmp_path, option):
    path = tmp_path / "model.py"
    path.write_text("from torch import nn\ndef right(): return nn.Tanh()")
    result = command(f"{path}:right", f"{path}:right", "--input", "5,8", option, tmp_path)
    assert result.exit_code == 2
    assert "is a folder" in result.output


class NoStep:
    pass


class FailingStep:
    def __init__(self, parameters):
        self.parameters = list(parameters)

    def step(self):
        raise RuntimeError("not this one")


def readonly():
    class Plain:
        def __init__(self):
            self.weight, self.bias = np.zeros((4, 8), np.float32), np.zeros(4, np.float32)
            self.weight.flags.writeable = False

        def forward(self, x):
            return x @ self.weight.T + self.bias

    return Plain()


class WithoutForward:
    def __init__(self):
        self.weight, self.bias = np.zeros((4, 8), np.float32), np.zeros(4, np.float32)

    def __call__(self):
        return self.weight


REFUSED = {
    "no forward": ({"left": WithoutForward}, "WithoutForward has no forward, and __call__() cannot take the inputs"),
    "an empty map entry": ({"parameters": {"weight": []}}, "the map of 'weight' must be"),
    "a number in a map": ({"parameters": {"weight": 3}}, "the map of 'weight' must be"),
    "a nested map": ({"parameters": {"weight": ["weight", ["transpose"]]}}, "the map of 'weight' must be"),
    "axes that are not there": ({"parameters": {"weight": ["weight", "permute 0 5"]}}, "do not fit"),
    "negative steps": ({"steps": -1}, "steps must be 0 or more"),
    "no step()": ({"steps": 1, "optimizer": lambda p: NoStep()}, "must have a method step()"),
    "a step that raises": (
        {"steps": 1, "optimizer": (FailingStep, lambda p: torch.optim.SGD(p, 0.1))},
        "FailingStep failed: RuntimeError: not this one",
    ),
    "a loss of nothing": ({"loss": lambda y, t: None, "target": X}, "the loss gives no number"),
    "arrays that cannot be written": ({"left": readonly}, "cannot be copied to the left"),
    "no numbers": ({"left": lambda: nn.Linear(8, 4, device="meta")}, "on the meta device"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compared_is_one_sentence(name):
    options, says = REFUSED[name]
    options = dict(options)
    left = options.pop("left", lambda: nn.Linear(8, 4))()
    with pytest.raises(CompareError) as caught:
        compare(left, nn.Linear(8, 4), X, **options)
    assert says in str(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.* is deprecated:FutureWarning")
def test_a_traced_module_is_refused_by_name():
    traced = torch.jit.trace(nn.Linear(8, 4), torch.tensor(X))
    with pytest.raises(CompareError, match=r"torch\.jit"):
        compare(traced, nn.Linear(8, 4), X)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, "0"])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(CompareError, match=r"compare: seed must be a whole number from 0 to 4294967295, got"):
        compare(nn.Linear(8, 4), nn.Linear(8, 4), X, seed=seed)


WRONG = {
    "steps of a fraction": ({"steps": 2.5, "optimizer": "SGD"}, "steps must be 0 or more, a whole number, got 2.5"),
    "steps as text": ({"steps": "3", "optimizer": "SGD"}, "steps must be 0 or more, a whole number, got '3'"),
    "a number for a loss": ({"loss": 3}, "a loss is a module, .* got int"),
    "a loss without a target": ({"loss": nn.MSELoss()}, "The loss was given no target"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_one_sentence(name):
    options, says = WRONG[name]
    with pytest.raises(CompareError, match=says):
        compare(nn.Linear(8, 4), nn.Linear(8, 4), X, **options)


def test_what_cannot_part_or_is_not_used_is_said_in_the_first_lines():
    net = nn.Linear(8, 4)
    assert "one object" in compare(net, net, X).uncompared[0]
    assert "there is no loss" in compare(nn.Linear(8, 4), nn.Linear(8, 4), X, X).uncompared[0]
    assert not compare(lambda: nn.Linear(8, 4), lambda: nn.Linear(8, 4), X).uncompared

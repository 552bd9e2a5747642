"""Exercises: scratch's own code solves each, a blank one and planted mistakes are seen, and mistakes are named."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import scratch
from experiments.cli import app
from experiments.lessons import exercise, rules
from experiments.lessons.judge import judge
from experiments.lessons.mistakes import mistakes
from experiments.lessons.verdict import is_told
from parity_tests.engine import find
from parity_tests.nests import map_nest
from parity_tests.table import FAMILIES
from parity_tests.table.row import Initialiser, Scheduler
from parity_tests.table.row import Optimizer as OptimizerRow
from scratch.optim.lr_scheduler import LRScheduler
from scratch.optim.optimizer import Optimizer

EVERY = list(exercise.exercises())
RULES = [name for name in rules.names() if name in EVERY]
SAMPLE = ["nn.Linear", "nn.LayerNorm", "nn.GELU", "nn.MSELoss", "nn.CrossEntropyLoss", "nn.Conv2d", "nn.LSTM"]
CHANGES: dict[str, Any] = {
    "sign is wrong": lambda x: -x,
    "twice too large": lambda x: 2 * x,
    "zero everywhere": lambda x: 0 * x,
}
OTHERS = [pytest.param(name, marks=pytest.mark.deep) for name in EVERY if name not in (*SAMPLE, *RULES)]


def answer(text: str) -> Any:
    space: dict[str, Any] = {"__name__": "an_answer"}
    exec(compile(text, "an_answer.py", "exec"), space)
    return space["Answer"] if "Answer" in space else [one for one in space.values() if inspect.isfunction(one)][-2]


def solved(name: str) -> Any:
    return answer(exercise.text(name, "an_answer.py", solved=True))


@pytest.mark.parametrize("name", [*SAMPLE, *RULES, *OTHERS])
def test_the_projects_own_code_solves_it_and_planted_mistakes_do_not(name: str) -> None:
    kind = solved(name)
    verdict = judge(name, kind)
    assert verdict.ok, str(verdict)
    blank = judge(name, answer(exercise.text(name, "an_answer.py")))
    assert "not written yet" in str(blank)
    method = exercise.method_of(find(scratch, name))
    for words, change in CHANGES.items():
        plant = planted_rule if name in RULES else planted
        verdict = judge(name, plant(kind, method, change))
        assert not verdict.ok
        assert words in str(verdict), str(verdict)


def planted(kind: Any, method: str, change: Any) -> Any:
    """The same answer, what it returns changed."""

    def wrong(self: Any, *args: Any) -> Any:
        found = getattr(kind, method)(self, *args)
        if found is None:  # only its parameters have gradients
            for parameter in self.parameters():
                parameter.grad = change(parameter.grad)
        return map_nest(lambda x: change(x) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x, found)

    return type("Answer", (kind,), {method: wrong})


def planted_rule(kind: Any, method: str, change: Any) -> Any:
    """The same rule; what it does to weights, rates, arrays or gradients is changed."""

    def wrong(*args: Any, **kwargs: Any) -> Any:
        held = list(arrays_of(args[0]))
        before = [array.copy() if method in ("update", "step") else 0 * array for array in held]
        found = (kind if inspect.isfunction(kind) else getattr(kind, method))(*args, **kwargs)
        for array, start in zip(held, before, strict=True):
            array[...] = start + change(array - start)
        if isinstance(args[0], LRScheduler) and method == "step":
            for group in args[0].optimizer.param_groups:
                group["lr"] = change(group["lr"])
        if method == "get_lr":
            return [change(lr) for lr in found]
        return change(found) if method == "get_total_norm" else found

    return wrong if inspect.isfunction(kind) else type("Answer", (kind,), {method: wrong})


def arrays_of(first: Any) -> Iterator[np.ndarray]:
    """What a rule may change: an optimizer's weights, an array, the gradients of parameters."""
    if isinstance(first, Optimizer):
        yield from (parameter.data for group in first.param_groups for parameter in group["params"])
    elif isinstance(first, np.ndarray):
        yield first
    elif isinstance(first, list):
        yield from (one.grad for one in first if getattr(one, "grad", None) is not None)


@pytest.mark.parametrize(
    "name", ["optim.SGD", "optim.Adam", "optim.lr_scheduler.PolynomialLR", "nn.init.kaiming_uniform_"]
)
def test_a_mistake_in_a_rule_is_named(name: str) -> None:
    """Of the known mistakes that change a number each is named, in its own words or as one with the same effect."""
    made = [(mistake.words, judge(name, mistake.kind)) for mistake in mistakes(find(scratch, name))]
    seen = [(words, verdict) for words, verdict in made if not verdict.ok and "raises" not in str(verdict)]
    assert len(seen) >= 3
    for words, verdict in seen:
        assert is_told(verdict) or len(verdict.wrong) == 2, (words, str(verdict))
    assert any(words in verdict.wrong for words, verdict in seen)


def test_adam_without_its_correction_and_with_the_wrong_decay() -> None:
    class Uncorrected(scratch.optim.Adam):
        def update(self, group: dict[str, Any], run: Any) -> None:
            beta1, beta2 = group["betas"]
            run.count()
            g, m, v = self.gradient(group, run), run.vector("exp_avg"), run.vector("exp_avg_sq")
            m += (1 - beta1) * (g - m)
            v *= beta2
            v += (1 - beta2) * g * g
            run.theta -= group["lr"] * m / (np.sqrt(v) + group["eps"])

    class NoAmsgrad(scratch.optim.Adam):
        def update(self, group: dict[str, Any], run: Any) -> None:
            super().update({**group, "amsgrad": False}, run)

    assert "the change of θ in step 1" in str(judge("optim.Adam", Uncorrected))
    verdict = judge("optim.Adam", NoAmsgrad)
    assert "the plain case" in verdict.right
    assert "amsgrad=True" in str(verdict)


@pytest.mark.parametrize("name", ["nn.Softmax", "nn.GELU"])
def test_a_mistake_inside_is_named_as_it_was_made(name: str) -> None:
    """Of the mistakes that change a gradient, the judge names the same, or another with the same effect."""
    named = 0
    for mistake in list(mistakes(find(scratch, name)))[:8]:
        verdict = judge(name, mistake.kind)
        if not verdict.ok and "raises" not in str(verdict):
            named += mistake.words in verdict.wrong
    assert named >= 2


def test_the_mean_that_is_missing_is_named() -> None:
    class Answer(scratch.nn.LayerNorm):
        def forward(self, x: np.ndarray) -> np.ndarray:
            self.r = 1 / np.sqrt(x.var(-1, keepdims=True) + self.eps)
            self.x_hat = (x - x.mean(-1, keepdims=True)) * self.r
            return super().forward(x)

        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.take(dy)
            x_hat, r, g = self.x_hat, self.r, dy * self.weight.data
            self.weight.accumulate((dy * x_hat).sum(0))
            self.bias.accumulate(dy.sum(0))
            return r * (g - x_hat * (g * x_hat).mean(-1, keepdims=True))

    verdict = judge("nn.LayerNorm", Answer)
    assert verdict.right == ["dweight", "dbias"]
    assert any("the mean of g is missing" in text for text in verdict.wrong), str(verdict)


def test_compare_judges_too() -> None:
    """A backward that is right on the example's numbers alone is found by compare's own."""

    class Answer(scratch.nn.Tanh):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            y = self.take(dy)
            return dy * (1 - y * y) + 0.01 * (dy != dy.round(1))

    verdict = judge("nn.Tanh", Answer)
    assert not verdict.ok
    assert "diverge" in str(verdict)


def test_a_transposed_and_a_raising_backward_are_told() -> None:
    class Turned(scratch.nn.Linear):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            return super().backward(dy).T

    class Raising(scratch.nn.Linear):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy @ self.weight.data.T

    assert "which is its transpose" in str(judge("nn.Linear", Turned))
    assert "raises ValueError" in str(judge("nn.Linear", Raising))


def test_the_command_writes_a_file_that_judges_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    done = CliRunner().invoke(app, ["exercise", "LayerNorm", "--output", str(path)])
    assert done.exit_code == 0, done.output
    text = path.read_text(encoding="utf-8")
    assert "dx = r" not in text, "the derivation is the reader's"
    again = CliRunner().invoke(app, ["exercise", "nn.LayerNorm", "--output", str(path)])
    assert again.exit_code == 2
    assert "exists" in again.output
    run = subprocess.run([sys.executable, str(path), "hint"], capture_output=True, text=True, check=True)
    assert "g loses its mean" in run.stdout
    unknown = CliRunner().invoke(app, ["exercise", "norm"])
    assert unknown.exit_code == 2
    assert "Did you mean" in unknown.output
    assert CliRunner().invoke(app, ["exercise", "--list"]).output.split() == EVERY


def test_nearly_every_layer_and_every_rule_has_one() -> None:
    assert len(EVERY) - len(RULES) >= 135
    rows = {
        row.name
        for rows in FAMILIES.values()
        for row in rows
        if isinstance(row, OptimizerRow | Scheduler | Initialiser)
    }
    assert rows - {*RULES} <= {"nn.init.zeros_"}, "nothing to compute"

"""Exercises: scratch's own code solves each, a blank one and planted mistakes are seen, and mistakes are named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import scratch
from experiments.cli import app
from experiments.lessons import exercise
from experiments.lessons.judge import judge
from experiments.lessons.mistakes import mistakes
from parity_tests.engine import find
from parity_tests.nests import map_nest

EVERY = list(exercise.exercises())
SAMPLE = ["nn.Linear", "nn.LayerNorm", "nn.GELU", "nn.MSELoss", "nn.CrossEntropyLoss", "nn.Conv2d", "nn.LSTM"]
CHANGES: dict[str, Any] = {
    "sign is wrong": lambda x: -x,
    "twice too large": lambda x: 2 * x,
    "zero everywhere": lambda x: 0 * x,
}
OTHERS = [pytest.param(name, marks=pytest.mark.deep) for name in EVERY if name not in SAMPLE]


def answer(text: str) -> Any:
    space: dict[str, Any] = {"__name__": "an_answer"}
    exec(compile(text, "an_answer.py", "exec"), space)
    return space["Answer"]


def solved(name: str) -> Any:
    return answer(exercise.text(name, "an_answer.py", solved=True))


@pytest.mark.parametrize("name", [*SAMPLE, *OTHERS])
def test_the_projects_own_code_solves_it_and_planted_mistakes_do_not(name: str) -> None:
    kind = solved(name)
    verdict = judge(name, kind)
    assert verdict.ok, str(verdict)
    blank = judge(name, answer(exercise.text(name, "an_answer.py")))
    assert "not written yet" in str(blank)
    method = exercise.method_of(find(scratch, name))
    for words, change in CHANGES.items():
        verdict = judge(name, planted(kind, method, change))
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


def test_nearly_every_layer_has_one() -> None:
    assert len(EVERY) >= 135

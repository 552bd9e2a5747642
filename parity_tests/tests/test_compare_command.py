"""`nn-parity compare` at its command line: maps, modes, inputs, a user's errors."""

import json

import pytest
import typer
from typer.testing import CliRunner

from parity_tests.comparer.cli import compare_command
from parity_tests.comparer.load import load_inputs

MODELS = """
import numpy as np, torch
from torch import nn

class Left:
    def __init__(self):
        self.W, self.b = np.zeros((8, 4), np.float32), np.zeros(4, np.float32)
    def forward(self, x):
        self._x = x
        return x @ self.W + self.b
    def backward(self, dy):
        self.dW, self.db = self._x.T @ dy, dy.sum(0)
        return dy @ self.W.T

def left(): return Left()
def right(): return nn.Linear(8, 4)
def broken(): raise ValueError("not today")
def function(x): return torch.tanh(x)
def tanh(): return nn.Tanh()
def noise(): return nn.Sequential(nn.Linear(8, 4), nn.Dropout(0.5))
class Keywords(nn.Linear):
    def forward(self, x, keep=None): return super().forward(x) * (1 if keep is None else keep)
def keywords(): return Keywords(8, 4)
"""


@pytest.fixture
def models(tmp_path):
    path = tmp_path / "models.py"
    path.write_text(MODELS)
    return path


def command(*arguments):
    app = typer.Typer()
    app.command()(compare_command)
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_proposed_map_is_written_and_taken(models, tmp_path):
    found = tmp_path / "map.json"
    sides = f"{models}:left", f"{models}:right", "--input", "5,8"
    result = command(*sides, "--write-map", found)
    assert result.exit_code == 2, result.output
    assert "COULD NOT COMPARE" in result.output
    assert json.loads(found.read_text()) == {"W": ["weight", "transpose"], "b": "bias"}
    assert command(*sides, "--map", found).exit_code == 0


def test_modes_and_functions(models):
    both = f"{models}:noise", f"{models}:noise", "--input", "5,8"
    assert "in train mode" in command(*both).output
    result = command(*both, "--mode", "eval")
    assert result.exit_code == 0
    assert "in train mode" not in result.output
    assert command(f"{models}:function", f"{models}:tanh", "--input", "5,8").exit_code == 0


def test_inputs_of_other_precisions_and_by_keyword(models):
    both = f"{models}:keywords", f"{models}:keywords", "--input"
    assert command(*both, "x=5,8;keep=5,1:bool").exit_code == 0
    x, mask, half = load_inputs("2,3:float64;4:bool;2:bfloat16")
    assert (str(x.dtype), str(mask.dtype), str(half.dtype)) == ("float64", "bool", "torch.bfloat16")


def test_an_error_of_the_user_is_one_line_with_its_place(models):
    result = command(f"{models}:right", f"{models}:broken", "--input", "5,8")
    assert result.exit_code == 2
    assert "ValueError: not today (models.py, line" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    whole = command(f"{models}:right", f"{models}:broken", "--input", "5,8", "--traceback")
    assert whole.exception is not None
    assert "not today" in str(whole.exception)

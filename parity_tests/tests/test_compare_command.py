"""`nn-parity compare` at its command line: maps, modes, inputs, checkpoints, an ONNX side, a user's errors."""

import json

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

import scratch
from parity_tests.comparer import example
from parity_tests.comparer.cli import compare_command
from parity_tests.comparer.load import load_inputs, load_side
from parity_tests.comparer.report import CompareError

EXAMPLE = example.__file__

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


def test_command_on_the_example(tmp_path):
    html, data = tmp_path / "r.html", tmp_path / "r.json"
    result = command(
        f"{EXAMPLE}:left", f"{EXAMPLE}:right", "--input", "2,8,16", "--html", str(html), "--json", str(data)
    )
    assert result.exit_code == 1
    assert "attn.c_attn → attn.c_proj" in result.output
    assert json.loads(data.read_text())["cause"]["name"] == "attention-scale"
    assert "whole width" in html.read_text()
    assert command(f"{EXAMPLE}:repaired", "parity_tests.comparer.example:right", "--input", "2,8,16").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.py:left", "nowhere.py:right", "--input", "2"), "no file nowhere.py"),
        (("nothing", "nothing", "--input", "2"), "FILE.py:FUNCTION"),
        ((f"{EXAMPLE}:no", f"{EXAMPLE}:right", "--input", "2"), "has no 'no'"),
        ((f"{EXAMPLE}:left", f"{EXAMPLE}:right"), "--input"),
        ((f"{EXAMPLE}:left", f"{EXAMPLE}:right", "--input", "a,b"), "shapes"),
        ((f"{EXAMPLE}:left", f"{EXAMPLE}:right", "--input", "2,8,15"), "right side failed"),
        ((f"{EXAMPLE}:left", f"{EXAMPLE}:right", "--input", "2,8,16", "--steps", "2"), "optimizer"),
        ((f"{EXAMPLE}:left", f"{EXAMPLE}:right", "--input", "2,8,16", "--html", "no/where.html"), "does not exist"),
        ((f"{EXAMPLE}:left", f"{EXAMPLE}:right", "--input", "2,8,16", "--precision", "int8"), "only beside a folder"),
        (("parity_tests", f"{EXAMPLE}:right", "--seed", "3"), "--seed has no meaning beside a folder"),
    ],
)
def test_command_says_in_one_line_what_it_could_not_do(arguments, says):
    result = command(*arguments)
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("seed", ["-1", "9" * 20])
def test_a_seed_out_of_range_is_named(seed):
    result = command(f"{EXAMPLE}:left", f"{EXAMPLE}:right", "--input", "2,8,16", "--seed", seed)
    assert result.exit_code == 2
    assert "Invalid value for '--seed'" in result.stderr


def test_command_with_steps_and_a_checkpoint(tmp_path):
    (tmp_path / "pair.py").write_text(
        "import scratch, torch\n"
        "def left():\n"
        "    model, sgd = scratch.nn.Linear(7, 5), lambda p: scratch.optim.SGD(p, lr=0.1)\n"
        "    return {'model': model, 'loss': 'MSELoss', 'optimizer': sgd}\n"
        "def right():\n"
        "    model, sgd = torch.nn.Linear(7, 5), lambda p: torch.optim.SGD(p, lr=0.1)\n"
        "    return {'model': model, 'optimizer': sgd, 'target': torch.zeros(3, 5)}\n"
    )
    torch.save(torch.nn.Linear(7, 5).state_dict(), tmp_path / "w.pt")
    pair = f"{tmp_path}/pair.py:left", f"{tmp_path}/pair.py:right"
    result = command(*pair, "--input", "3,7", "--steps", "3", "--parameters", f"{tmp_path}/w.pt")
    assert result.exit_code == 0, result.output
    assert "Steps: 3" in result.output
    assert command(*pair, "--input", "3,7", "--parameters", "seed").exit_code == 0


def test_a_checkpoint_that_holds_code_is_refused(tmp_path):
    class Code:
        def __reduce__(self):
            return print, ("ran",)

    torch.save({"weight": Code()}, tmp_path / "w.pt")
    result = command(f"{EXAMPLE}:left", f"{EXAMPLE}:right", "--input", "2,8,16", "--parameters", f"{tmp_path}/w.pt")
    assert result.exit_code == 2
    assert "ran" not in result.output.splitlines()


def test_an_onnx_side(tmp_path, monkeypatch):
    """Through a stand-in for onnxruntime, and without it the reason in one line."""
    (tmp_path / "m.onnx").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    result = command(str(tmp_path / "m.onnx"), f"{EXAMPLE}:right", "--input", "2,8,16")
    assert result.exit_code == 2
    assert "onnxruntime" in result.stderr

    class Session:
        def __init__(self, path, providers):
            self.model = example.repaired()
            scratch.manual_seed(0)
            torch.manual_seed(0)
            for name, value in example.right().state_dict().items():
                owner = self.model
                *path, last = name.split(".")
                for part in path:
                    owner = getattr(owner, part)
                setattr(owner, last, value.numpy())

        def get_inputs(self):
            return [type("Input", (), {"name": "x"})]

        def run(self, names, feed):
            return [self.model.forward(feed["x"])]

    monkeypatch.setitem(
        __import__("sys").modules, "onnxruntime", type("onnxruntime", (), {"InferenceSession": Session})
    )
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)  # which reads the layers of a file
    result = command(str(tmp_path / "m.onnx"), f"{EXAMPLE}:right", "--input", "2,8,16")
    assert result.exit_code == 0, result.output
    assert "not compared: training mode: the left computes in eval mode alone" in result.output
    named = command(str(tmp_path / "m.onnx"), f"{EXAMPLE}:right", "--input", "x=2,8,16")
    assert named.exit_code == 0, named.output
    other = command(str(tmp_path / "m.onnx"), f"{EXAMPLE}:right", "--input", "y=2,8,16")
    assert other.exit_code == 2
    with pytest.raises(CompareError, match="takes x, got y by name"):
        load_side(str(tmp_path / "m.onnx")).forward(y=np.zeros((2, 8, 16), np.float32))


def test_inputs_from_files_and_shapes(tmp_path):
    x = np.random.default_rng(5).normal(size=(13, 7)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    assert np.array_equal(load_inputs(str(tmp_path / "x.npy"))[0], x)
    x, i = load_inputs("2,3;4:7")
    assert (x.shape, x.dtype, i.shape) == ((2, 3), np.float32, (4,))
    assert i.max() < 7
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(CompareError, match="cannot be read"):
        load_inputs(str(tmp_path / "o.npy"))

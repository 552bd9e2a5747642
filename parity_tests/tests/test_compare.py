"""compare: correct code passes without a cause, the first place is named, the reports and the command work."""

import json
import re

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

import scratch
from parity_tests import compare
from parity_tests.comparer import example
from parity_tests.comparer.cli import compare_command
from parity_tests.comparer.load import load_inputs
from parity_tests.comparer.report import CompareError
from scratch import nn

T = torch.nn
RNG = np.random.default_rng(5)
X = RNG.normal(size=(13, 7)).astype(np.float32)
CLASSES = RNG.integers(0, 5, 13)
EXAMPLE = example.__file__


def network(package, middle=None):
    layers = package.Linear(7, 11), package.LayerNorm(11), middle or package.GELU(), package.Dropout(0.3)
    return package.Sequential(*layers, package.Linear(11, 5), package.BatchNorm1d(5), package.LogSoftmax(-1))


# --- correct code passes ----------------------------------------------------------------------------------------------


class OtherOrder(nn.Linear):
    """Sums the products one column after another, from the last."""

    def forward(self, x):
        y = np.zeros((*x.shape[:-1], self.out_features), x.dtype)
        for i in reversed(range(self.in_features)):
            y += x[..., i, None] * self.weight.data[:, i]
        return self.save(y + self.bias.data, x)


class OtherNorm(nn.LayerNorm):
    """The variance as a dot product, the root as a power."""

    def forward(self, x):
        super().forward(x)
        d = x - (x @ np.full((x.shape[-1], 1), 1 / x.shape[-1], x.dtype))
        var = np.einsum("...i,...i->...", d, d)[..., None] / np.float32(x.shape[-1])
        return d * (var + np.float32(self.eps)) ** np.float32(-0.5) * self.weight.data + self.bias.data


class OtherOrderNet(T.Module):
    """torch, the matrix product split in two."""

    def __init__(self):
        super().__init__()
        self.fc = T.Linear(64, 9)

    def forward(self, x):
        a, b = self.fc.weight.split(32, 1)
        return torch.tanh(x[:, 32:] @ b.T + x[:, :32] @ a.T + self.fc.bias)


class PlainNet(T.Module):
    def __init__(self):
        super().__init__()
        self.fc = T.Linear(64, 9)

    def forward(self, x):
        return torch.tanh(self.fc(x))


def encoder(package, dropout=0.2):
    return package.TransformerEncoderLayer(12, 3, 17, dropout, batch_first=True)


WIDE = RNG.normal(size=(13, 64)).astype(np.float32)
CORRECT = {
    "network": (network(nn), network(T), X),
    "torch-left": (network(T), network(nn), X),
    "order": (nn.Sequential(OtherOrder(64, 33), nn.Tanh()), T.Sequential(T.Linear(64, 33), T.Tanh()), WIDE),
    "norm": (nn.Sequential(OtherNorm(64)), T.Sequential(T.LayerNorm(64)), WIDE + 10),
    "functional": (OtherOrderNet(), PlainNet(), WIDE),
    "encoder": (encoder(nn), encoder(T), RNG.normal(size=(3, 5, 12)).astype(np.float32)),
    "gpt": (example.repaired, example.right, RNG.normal(size=(2, 8, 16)).astype(np.float32)),
    "lstm": (nn.LSTM(5, 4, 2, bidirectional=True), T.LSTM(5, 4, 2, bidirectional=True), WIDE[:, :60].reshape(4, 39, 5)),
    "double": (nn.Linear(7, 5, dtype=np.float64), T.Linear(7, 5, dtype=torch.float64), X.astype(np.float64)),
}


@pytest.mark.parametrize("case", CORRECT)
def test_correct_code_passes(case):
    report = compare(*CORRECT[case])
    assert report.ok, str(report)
    assert report.cause is None
    assert report.first_divergence is None
    assert all(m.cause is None for m in report.measurements)
    assert "PARITY" in str(report)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam"])
def test_correct_optimizers_pass(name):
    report = compare(network(nn), network(T), X, CLASSES, "NLLLoss", name, steps=4)
    assert report.ok, str(report)
    assert len(report.steps) == 4
    assert report.steps[-1].loss_left == pytest.approx(report.steps[-1].loss_right, rel=1e-3)


def test_both_sides_are_as_they_were():
    left, right = network(nn), network(T)
    before = {name: value.clone() for name, value in right.state_dict().items()}
    forwards = {name: vars(module).get("forward") for name, module in right.named_modules()}
    compare(left, right, X, CLASSES, "NLLLoss", "Adam", steps=2)
    assert all(torch.equal(value, before[name]) for name, value in right.state_dict().items())
    assert all(np.array_equal(value, before[name].numpy()) for name, value in left.state_dict().items())
    assert {name: vars(module).get("forward") for name, module in right.named_modules()} == forwards


# --- where ------------------------------------------------------------------------------------------------------------


def test_the_first_layer_and_element_are_named():
    class OneOff(nn.Tanh):
        def forward(self, x):
            y = super().forward(x).copy()
            y[3, 2] += np.float32(1e-4)
            return y

    report = compare(network(nn, OneOff()), network(T, T.Tanh()), X)
    first = report.first_divergence
    assert (first.where, first.phase, first.what, first.mode) == ("2", "output", "output", "train")
    assert first.first.index == (3, 2)
    assert first.first.apart == 1
    assert first.first.left - first.first.right == pytest.approx(1e-4, rel=1e-2)
    assert all(line.ok for line in report.layers if line.name != "2")  # later layers have nothing of their own
    assert next(line for line in report.layers if line.name == "4" and line.mode == "eval").accumulated > 100


def test_a_wrong_backward_alone_is_found_at_its_layer():
    class Zero(nn.Tanh):
        def backward(self, dy):
            return super().backward(dy) * np.float32(0)

    first = (report := compare(network(nn, Zero()), network(T, T.Tanh()), X)).first_divergence
    assert (first.where, first.phase, first.what) == ("2", "backward", "grad input")
    assert report.cause.name == "zeros"


def test_code_between_layers_is_told_from_layers():
    class Net(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(7, 7), nn.Linear(7, 7)

        def forward(self, x):
            return self.b(x + self.a(x) * np.float32(2))

        def backward(self, dy):
            dy = self.b.backward(dy)
            return dy + self.a.backward(dy * np.float32(2))

    class Right(T.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = T.Linear(7, 7), T.Linear(7, 7)

        def forward(self, x):
            return self.b(x + self.a(x))

    report = compare(Net(), Right(), X)
    first = report.first_divergence
    assert (first.where, first.phase, first.what) == ("", "between", "input of b")
    assert "between a and b" in first.note


def test_tiny_gradients_that_are_zero_do_not_hide():
    class Tiny(nn.Linear):
        def backward(self, dy):
            super().backward(dy)
            self.weight.grad[np.abs(self.weight.grad) < 1e-4] = 0
            return dy @ self.weight.data

    def scaled(package, kind):
        return package.Sequential(kind(7, 5), package.Linear(5, 5))

    target = np.zeros((13, 5), np.float32)
    report = compare(scaled(nn, Tiny), scaled(T, T.Linear), X * 1e-6, target, "MSELoss")
    assert report.first_divergence.what == "grad weight"


def test_dropout_has_the_same_mask_on_both_sides():
    drop = [package.Sequential(package.Linear(7, 50), package.Dropout(0.5)) for package in (nn, T)]
    assert compare(drop[0], drop[1], X).ok
    assert not compare(nn.Sequential(nn.Linear(7, 50), nn.Dropout(0.4)), drop[1], X).ok


def test_nan_dtype_and_shape_are_findings():
    class Broken(nn.Tanh):
        def forward(self, x):
            y = super().forward(x).copy()
            y[0, 0] = np.nan
            return y

    first = compare(network(nn, Broken()), network(T, T.Tanh()), X).first_divergence
    assert first.error == np.inf
    assert "NaN" in first.note

    class Double(nn.Tanh):
        def forward(self, x):
            return super().forward(x).astype(np.float64)

    report = compare(network(nn, Double()), network(T, T.Tanh()), X)
    assert report.first_divergence.where == "2"
    assert "float64" in report.first_divergence.note


# --- pairing ----------------------------------------------------------------------------------------------------------


def test_what_does_not_pair_is_reported_first():
    report = compare(nn.Sequential(nn.Linear(7, 5, bias=False)), T.Sequential(T.Linear(7, 5)), X)
    assert report.measurements[0].phase == "pairing"
    assert "no 0.bias" in report.measurements[0].note
    assert report.cause.name == "missing-bias"


class Keras:
    """(in, out) weights under names of their own."""

    def __init__(self):
        self.dense = Dense(7, 5)

    def forward(self, x):
        return self.dense.forward(x)

    def backward(self, dy):
        return self.dense.backward(dy)


class Dense:
    def __init__(self, inputs, outputs):
        self.kernel, self.b = np.ones((inputs, outputs), np.float32), np.zeros(outputs, np.float32)

    def forward(self, x):
        self._x = x
        return x @ self.kernel + self.b

    def backward(self, dy):
        self.dkernel, self.db = self._x.T @ dy, dy.sum(0)
        return dy @ self.kernel.T


def test_a_map_pairs_and_transposes():
    names = {"dense.kernel": ("0.weight", "transpose"), "dense.b": "0.bias"}
    right = T.Sequential(T.Linear(7, 5))
    report = compare(Keras(), right, X, parameters=names)
    assert report.ok, str(report)
    assert {"0"} == {line.name for line in report.layers}  # the layers pair through their parameters
    assert any(m.what == "grad weight" for m in report.measurements)
    report = compare(Keras(), right, X, parameters={"dense.kernel": "0.weight", "dense.b": "0.bias"})
    assert report.cause.name == "transposed-weight"  # said, not guessed
    with pytest.raises(CompareError, match=r"dense\.w"):
        compare(Keras(), right, X, parameters={"dense.w": "0.weight"})


def test_seed_mode_copies_nothing():
    assert compare(lambda: nn.Linear(7, 5), lambda: T.Linear(7, 5), X, parameters="seed", seed=3).ok
    with pytest.raises(CompareError, match="functions"):
        compare(nn.Linear(7, 5), T.Linear(7, 5), X, parameters="seed")


def test_what_cannot_be_compared_says_why():
    with pytest.raises(CompareError, match="forward"):
        compare(object(), T.Linear(7, 5), X)
    with pytest.raises(CompareError, match="the right side failed"):
        compare(nn.Linear(7, 5), T.Linear(7, 5), X[:, :3])
    with pytest.raises(CompareError, match="optimizer"):
        compare(nn.Linear(7, 5), T.Linear(7, 5), X, steps=2)


def test_a_left_side_that_fails_is_a_divergence():
    class Raises(nn.Tanh):
        def forward(self, x):
            raise ValueError("not today")

    report = compare(network(nn, Raises()), network(T, T.Tanh()), X)
    assert not report.ok
    assert any("not today" in m.note and m.where == "2" for m in report.divergences)


def test_a_side_without_backward_compares_forward():
    class Forward:
        def __init__(self):
            self.weight = np.zeros((5, 7), np.float32)
            self.bias = np.zeros(5, np.float32)

        def forward(self, x):
            return x @ self.weight.T + self.bias

    report = compare(Forward(), T.Linear(7, 5), X)
    assert report.ok
    assert any("no backward" in note for note in report.notes)


# --- size -------------------------------------------------------------------------------------------------------------


def test_a_deep_network_in_little_time():
    def deep(package):
        return package.Sequential(*(layer for _ in range(25) for layer in (package.Linear(64, 64), package.ReLU())))

    report = compare(deep(nn), deep(T), RNG.normal(size=(8, 64)).astype(np.float32))
    assert report.ok, str(report)
    assert report.seconds < 20
    assert len(str(report).splitlines()) < 60


# --- reports and the command ------------------------------------------------------------------------------------------


def test_json_and_html():
    report = compare(network(nn, nn.GELU("tanh")), network(T), X, CLASSES, "NLLLoss", "SGD", steps=3)
    data = json.loads(report.to_json())
    assert data["ok"] is False
    assert data["cause"]["name"] == "gelu-tanh"
    assert data["first_divergence"]["where"] == "2"
    page = report.to_html()
    assert "approximate=&#39;tanh&#39;" in page
    assert not re.search(r"https?:|<script|<link|@import|url\(", page)
    assert page.count("<svg") == 4


def test_html_escapes_what_it_shows():
    class Evil(nn.Tanh):
        def forward(self, x):
            raise ValueError("<script>alert(1)</script>")

    page = compare(network(nn, Evil()), network(T, T.Tanh()), X).to_html()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def command(*arguments):
    app = typer.Typer()
    app.command()(compare_command)
    return CliRunner().invoke(app, list(arguments))


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
    ],
)
def test_command_says_in_one_line_what_it_could_not_do(arguments, says):
    result = command(*arguments)
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


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
    torch.save(T.Linear(7, 5).state_dict(), tmp_path / "w.pt")
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
    result = command(str(tmp_path / "m.onnx"), f"{EXAMPLE}:right", "--input", "2,8,16")
    assert result.exit_code == 0, result.output


def test_inputs_from_files_and_shapes(tmp_path):
    np.save(tmp_path / "x.npy", X)
    assert np.array_equal(load_inputs(str(tmp_path / "x.npy"))[0], X)
    x, i = load_inputs("2,3;4:7")
    assert (x.shape, x.dtype, i.shape) == ((2, 3), np.float32, (4,))
    assert i.max() < 7
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(CompareError, match="cannot be read"):
        load_inputs(str(tmp_path / "o.npy"))

"""A model of one's own as vectors, and recordings of it: every call, judged from the files and against live models."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from parity_tests.recordings.precisions import rounded
from parity_tests.tests import patience
from parity_tests.tests.recorded import (
    NODE,
    answer,
    answered,
    compare,
    edit,
    manifest,
    models,
    record,
    run_vectors,
)
from parity_tests.vectors import files
from parity_tests.vectors.files import open_tensors

CHECKER = Path(files.__file__).with_name("check.mjs")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """models.py, and recordings of net, mlp and half of it."""
    folder = tmp_path_factory.mktemp("recorded")
    source = models(folder)
    for name, shape in (("net", "4,7"), ("mlp", "5,6"), ("half", "4,7:bfloat16")):
        done = record(f"{source}:{name}", folder / name, "--input", shape)
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


# --- what is written --------------------------------------------------------------------------------------------------


def test_every_call_is_written_in_order_with_what_it_received(made):
    index = json.loads((made / "net" / "vectors.json").read_text())
    labels = [row["label"] for row in index["rows"] if row["label"].endswith("train mode")]
    layers = ["fc1 (Linear)", "act (ReLU)", "norm (LayerNorm)", "block (Sequential)", "block.0 (Linear)"]
    layers += ["block.1 (BatchNorm1d)", "block.2 (Dropout)", "fc2 (Linear)", "the whole (Net)"]
    assert [label.removesuffix(", train mode") for label in labels] == layers
    about = index["model"]
    assert (about["dtype"], about["seed"], about["modes"], about["inputs"]) == ("float32", 0, ["train", "eval"], "4,7")
    assert about["contains"] == {"code": False, "inputs": True, "parameters": True, "answers": True}
    assert {"torch", "numpy", "python", "machine", "device"} <= index["environment"].keys()
    norm = manifest(made / "net", "train-003-norm")
    assert (norm["component"], norm["kwargs"]["eps"], norm["layer"]) == ("nn.LayerNorm", 1e-5, "norm")
    assert {entry["what"] for entry in norm["expected"]} == {"output", "grad input", "grad weight", "grad bias"}
    dropout = manifest(made / "net", "train-007-block.2")
    assert dropout["cases"] == {"train": {"random": True, "seed": 0}}
    assert dropout["inside"] == ["block"]
    assert manifest(made / "net", "train-model")["component"].endswith("Net")


def test_eval_mode_is_left_out_where_it_is_the_same(made):
    index = json.loads((made / "mlp" / "vectors.json").read_text())
    assert index["model"]["modes"] == ["train"]
    assert "same numbers" in index["left_out"]["eval mode"]


def test_dictionaries_keywords_and_a_loss(made, tmp_path):
    keyed = tmp_path / "keyed"
    done = record(f"{made}/models.py:keyed", keyed, "--input", "x=5,6;keep=5,1:bool", "--mode", "eval")
    assert done.exit_code == 0, done.output
    whole = manifest(keyed, "eval-model")
    asked = {e["what"] for e in whole["expected"]}
    assert {"output logits", "output hidden", "output index", "grad input 1", "grad fc1.bias"} <= asked
    assert "grad input" not in asked, "keep comes first, and is no floating number"
    assert compare(keyed, f"{made}/models.py:keyed").exit_code == 0
    assert run_vectors("export", f"{made}/models.py:trained", tmp_path / "loss", "--input", "5,6").exit_code == 0
    loss = manifest(tmp_path / "loss", "train-004-loss")
    assert (loss["component"], len(loss["inputs"])) == ("nn.MSELoss", 2)
    whole = manifest(tmp_path / "loss", "train-model")
    assert whole["loss"] == "loss"
    assert {"output", "prediction"} <= {entry["what"] for entry in whole["expected"]}


def test_a_second_export_replaces_the_model_and_keeps_other_peoples_answers(folder):
    answers = sorted((folder / "mlp" / "answers").iterdir())
    (folder / "mlp" / "notes.txt").write_text("mine")
    again = run_vectors("export", f"{folder}/models.py:mlp", folder / "mlp", "--input", "5,6")
    assert again.exit_code == 0, again.output
    assert sorted((folder / "mlp" / "answers").iterdir()) == answers
    assert run_vectors("check", folder / "mlp").exit_code == 0
    assert (folder / "mlp" / "notes.txt").read_text() == "mine"
    assert record(f"{folder}/models.py:net", folder / "mlp", "--input", "4,7").exit_code == 0
    assert not (folder / "mlp" / "train-003-fc2.json").exists()
    table = run_vectors("export", folder / "table", "nn.Tanh")
    assert table.exit_code == 0
    refused = record(f"{folder}/models.py:net", folder / "table", "--input", "4,7")
    assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1)
    assert "vectors of the table" in refused.output


def test_exporting_twice_gives_the_same_bytes(folder):
    before = {p.name: p.read_bytes() for p in (folder / "net").iterdir() if p.is_file()}
    assert record(f"{folder}/models.py:net", folder / "net", "--input", "4,7").exit_code == 0
    assert [name for name, data in before.items() if (folder / "net" / name).read_bytes() != data] == []


# --- what is judged ---------------------------------------------------------------------------------------------------


def test_a_recording_agrees_with_its_model_from_either_side_and_with_itself(made):
    net, live = made / "net", f"{made}/models.py:net"
    for left, right in ((net, live), (live, net), (net, net), (net / "answers", live)):
        done = compare(left, right)
        assert done.exit_code == 0, done.output
        assert "PARITY" in done.output
        assert "was recorded with numpy" in done.output
    assert run_vectors("check", net).exit_code == 0


@pytest.mark.parametrize(("left", "right", "cause"), [("net", "eps", "eps=1e-05"), ("eps", "net", "eps=0.001")])
def test_another_eps_is_located_and_named(made, tmp_path, left, right, cause):
    """The recording is net's: as the left of a live eps, and as the right of one."""
    sides = [made / "net" if name == "net" else f"{made}/models.py:eps" for name in (left, right)]
    done = compare(*sides, "--json", tmp_path / "r.json", "--html", tmp_path / "r.html")
    assert done.exit_code == 1
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["first_divergence"]["where"] == "norm"
    assert cause in report["cause"]["says"]
    assert [line["name"] for line in report["layers"] if not line["ok"]] == ["norm", "norm"]
    assert cause in (tmp_path / "r.html").read_text()


def test_a_slope_that_no_input_meets_is_found_at_kinks(folder):
    kinks = answered(folder / "mlp", "train-002-act-kinks")
    with open_tensors(folder / "mlp" / "train-002-act-kinks.safetensors") as file:
        x, dy = file.read("input 0"), file.read("cotangent")
    kinks["float32/train/grad input"] = np.where(x >= 0, dy, 0).astype(np.float32)
    answer(folder / "mlp", "train-002-act-kinks", kinks)
    done = compare(folder / "mlp", f"{folder}/models.py:mlp")
    assert done.exit_code == 1
    assert "act (ReLU), train mode: grad input at kinks and ties" in done.output
    assert "gradient 1 at 0" in done.output


def test_other_names_need_a_map_which_is_proposed(made, tmp_path):
    sides = made / "mlp", f"{made}/models.py:renamed"
    done = compare(*sides, "--write-map", tmp_path / "map.json")
    assert done.exit_code == 2
    pairs = (("fc1", "first"), ("fc2", "last"))
    proposed = {f"{a}.{own}": f"{b}.{own}" for a, b in pairs for own in ("weight", "bias")}
    assert json.loads((tmp_path / "map.json").read_text()) == proposed
    done = compare(*sides, "--map", tmp_path / "map.json")
    assert done.exit_code == 0, done.output
    assert "not compared: act (ReLU), train mode: the right has no layer of this name" in done.output


def test_layers_count_only_if_the_whole_is_apart_or_not_answered(folder):
    """As with two live sides: what differs inside and gives the same at the end is a note."""
    name = "train-001-fc1"
    numbers = answered(folder / "mlp", name)
    numbers["float32/train/output"][0, 0] += 1
    answer(folder / "mlp", name, numbers)
    done = compare(folder / "mlp", f"{folder}/models.py:mlp")
    assert done.exit_code == 0
    assert "inside, fc1 (Linear)" in done.output
    (folder / "mlp" / "answers" / "train-model.safetensors").unlink()
    assert compare(folder / "mlp", f"{folder}/models.py:mlp").exit_code == 1
    checked = run_vectors("check", folder / "mlp")
    assert checked.exit_code == 1
    assert "fc1 (Linear), train mode: output" in checked.output


def test_partial_answers_are_judged_and_what_is_missing_is_said_first(folder):
    mlp, live = folder / "mlp", f"{folder}/models.py:mlp"
    for path in (mlp / "answers").iterdir():
        if "fc1" not in path.name:
            path.unlink()
    numbers = answered(mlp, "train-001-fc1")
    answer(mlp, "train-001-fc1", {"float32/train/output": numbers["float32/train/output"]})
    for done in (compare(mlp, live), compare(mlp, mlp)):
        assert done.exit_code == 0, done.output
        first = done.output.splitlines()[1:3]
        assert first[0].startswith("not compared: 4 of 5 calls, not answered: act (ReLU), train mode, fc2")
        assert first[1] == "not compared: gradients of one call, not answered: fc1 (Linear), train mode"
    checked = run_vectors("check", mlp)
    assert checked.exit_code == 0
    assert checked.output.splitlines()[0].startswith("not answered: 4 of 5 calls: act (ReLU), train mode; ")
    second = "not answered of fc1 (Linear), train mode: grad input, grad weight, grad bias"
    assert checked.output.splitlines()[1] == second
    assert run_vectors("check", mlp, "--all").exit_code == 1
    shutil.rmtree(mlp / "answers")
    nothing = compare(mlp, live)
    assert nothing.exit_code == 2
    assert nothing.output.startswith("COULD NOT COMPARE")
    assert "nothing was answered in" in nothing.output


PLAIN = """
import numpy as np
class Mine:
    def __init__(self):
        self.W1, self.b1 = np.zeros((6, 8), np.float32), np.zeros(8, np.float32)
        self.W2, self.b2 = np.zeros((8, 4), np.float32), np.zeros(4, np.float32)
    def forward(self, x):
        return np.maximum(x @ self.W1 + self.b1, 0) @ self.W2 + self.b2
def mine(): return Mine()
"""
MAP = {"W1": ["fc1.weight", "transpose"], "b1": "fc1.bias", "W2": ["fc2.weight", "transpose"], "b2": "fc2.bias"}


def test_both_sides_names_and_layouts_are_on_the_page(folder):
    """An object of arrays as the left of a recording, in its own names and layouts."""
    (folder / "mine.py").write_text(PLAIN)
    (folder / "map.json").write_text(json.dumps(MAP))
    done = compare(f"{folder}/mine.py:mine", folder / "mlp", "--map", folder / "map.json", "--html", folder / "r.html",
                   "--json", folder / "r.json")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "3 of 5 calls" not in done.output
    page = (folder / "r.html").read_text()
    assert "<td>W1</td>\n<td>6 × 8</td><td>transpose</td><td>fc1.weight</td>\n<td>8 × 6</td>" in page
    assert "<b>not compared:</b>" in page
    pairs = {pair["left"]: pair for pair in json.loads((folder / "r.json").read_text())["parameters"]}
    assert (pairs["b2"]["right"], pairs["W2"]["moves"]) == (["fc2.bias"], ["transpose"])


CLIP = """
import torch
class Clip(torch.nn.Module):
    def forward(self, x): return x.clamp(-1, 1)
def clip(): return torch.nn.Sequential(torch.nn.Linear(6, 5), Clip(), torch.nn.Linear(5, 3))
"""


def with_slope(folder, slope, release):
    """A recording of clip as a release of torch makes it: the gradient of clamp at its bound is 1 before 2.14."""
    edit(folder / "vectors.json", lambda index: index["environment"].update(torch=release))
    with open_tensors(folder / "train-002-1-kinks.safetensors") as file:
        x, dy = file.read("input 0"), file.read("cotangent")
    dx = (np.where(np.abs(x) == 1, slope, np.abs(x) < 1) * dy).astype(np.float32)
    answer(folder, "train-002-1-kinks", {**answered(folder, "train-002-1-kinks"), "float32/train/grad input": dx})
    rewritten = load_file(folder / "train-002-1-kinks.safetensors")
    rewritten["truth/train/grad input"] = dx.astype(np.float64)
    save_file(rewritten, folder / "train-002-1-kinks.safetensors")


@pytest.mark.parametrize("order", [1, -1])
def test_a_change_between_two_releases_of_torch_is_named(folder, order):
    (folder / "clip.py").write_text(CLIP)
    sides = folder / "older", folder / "newer"
    for side, slope, release in zip(sides, (1, 0), ("2.11.0", "2.14.1+cu130"), strict=True):
        assert record(f"{folder}/clip.py:clip", side, "--input", "4,6").exit_code == 0
        with_slope(side, slope, release)
    done = compare(*sides[::order])
    assert done.exit_code == 1
    assert "1 (Clip), train mode: grad input at kinks and ties" in done.output
    assert "gradient of clamp at its bound of torch: from 2.14 on 0 at the kink, before 1 at the kink" in done.output
    assert ("the left is from torch 2.11" in done.output) == (order == 1)
    edit(sides[1] / "vectors.json", lambda index: index["environment"].update(torch="2.13.0"))
    assert "no known convention explains it" in compare(*sides).output
    live = compare(sides[0], f"{folder}/clip.py:clip"), compare(sides[1], f"{folder}/clip.py:clip")
    assert sorted(done.exit_code for done in live) == [0, 1], "the installed torch does as one of them"
    assert any("gradient of clamp at its bound of torch" in done.output for done in live)


# --- two recordings ---------------------------------------------------------------------------------------------------


def test_two_recordings_are_compared_on_the_same_inputs(folder):
    """The second takes inputs, parameters and calls of the first."""
    source, before, after = f"{folder}/models.py", folder / "net", folder / "after"
    done = record(f"{source}:eps", after, "--on", before)
    assert done.exit_code == 0, done.output
    done = compare(before, after)
    assert done.exit_code == 1
    assert "diverge at norm (LayerNorm), train mode: output" in done.output
    assert "with eps=1e-05" in done.output
    assert record(f"{source}:net", after, "--on", before).exit_code == 0
    done = compare(before, after)
    assert done.exit_code == 0, done.output
    assert "not compared" not in done.output
    assert done.output.count("was recorded with") == 2


def test_calls_that_received_other_numbers_are_not_judged(folder):
    """Two recordings of their own: behind the first difference each layer is asked something else."""
    other = folder / "other"
    assert record(f"{folder}/models.py:eps", other, "--input", "4,7").exit_code == 0
    done = compare(folder / "net", other)
    assert done.exit_code == 1
    assert "norm (LayerNorm), train mode: output" in done.output
    assert "received other numbers in the two folders: fc1 (Linear), train mode (backward)" in done.output
    assert "record one with --on the other" in done.output
    assert record(f"{folder}/models.py:net", other, "--input", "4,7", "--seed", "3").exit_code == 0
    done = compare(folder / "net", other)
    assert done.exit_code == 2
    assert "made with other inputs: record one with --on the other" in done.output


def test_on_a_recording_of_another_model(folder):
    refused = record(f"{folder}/models.py:mlp", folder / "new", "--on", folder / "net")
    assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1)
    assert "not those of" in refused.output
    refused = record(f"{folder}/models.py:mlp", folder / "new", "--on", folder / "mlp", "--input", "5,6")
    assert "omit --input" in refused.output


# --- precisions -------------------------------------------------------------------------------------------------------


def test_bfloat16_is_in_the_files_and_judged_in_its_own_ulp(folder):
    half = folder / "half"
    with open_tensors(half / "train-001-fc1.safetensors") as file:
        assert file.kinds["input 0"][0] == file.kinds["parameter weight"][0] == "bfloat16"
    entry = manifest(half, "train-001-fc1")["expected"][0]
    assert (entry["precision"], entry["dtype"]) == ("bfloat16", "bfloat16")
    assert 4 <= entry["limit_ulp"] < 10
    assert compare(half, f"{folder}/models.py:half").exit_code == 0
    assert compare(f"{folder}/models.py:half", half).exit_code == 0
    for node in NODE:
        ran = patience.run([node, CHECKER, half, "--answers"])
        assert ran.returncode == 0, ran.stdout + ran.stderr
    from safetensors.torch import load_file as load_tensors
    from safetensors.torch import save_file as save_tensors

    path = half / "answers" / "train-001-fc1.safetensors"
    numbers = load_tensors(path)
    numbers["bfloat16/train/output"][0, 0] += 0.25
    save_tensors(numbers, path)
    assert run_vectors("check", half).exit_code == 1
    for node in NODE:
        assert patience.run([node, CHECKER, half, "--answers"]).returncode == 1


SMALLER = ("--precision", "float16", "--precision", "bfloat16", "--precision", "int8")


@pytest.fixture(scope="module")
def smaller(made):
    path = made / "smaller"
    done = run_vectors("export", f"{made}/models.py:mlp", path, "--input", "5,6", *SMALLER)
    assert done.exit_code == 0, done.output
    return path


def linear(folder, row):
    with open_tensors(folder / f"{row}.safetensors") as file:
        return [torch.from_numpy(file.read(name)) for name in ("input 0", "parameter weight", "parameter bias")]


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_answers_in_half_precision(made, smaller, tmp_path, precision):
    from safetensors.torch import save_file as save_tensors

    shutil.copytree(smaller, tmp_path / "v")
    kind = getattr(torch, precision)
    x, weight, bias = (t.to(kind) for t in linear(smaller, "train-001-fc1"))
    (tmp_path / "v" / "answers").mkdir()
    path = tmp_path / "v" / "answers" / "train-001-fc1.safetensors"
    for wrong, code in ((0.0, 0), (0.25, 1)):
        y = torch.nn.functional.linear(x, weight, bias)
        y[2, 3] += wrong
        save_tensors({f"{precision}/train/output": y}, path)
        done = compare(tmp_path / "v", f"{made}/models.py:mlp")
        assert done.exit_code == code, done.output
        assert run_vectors("check", tmp_path / "v").exit_code == code
        for node in NODE:
            assert patience.run([node, CHECKER, tmp_path / "v", "--answers"]).returncode == code
    assert f"output in {precision}" in done.output


@pytest.mark.parametrize(
    ("quantize", "code"),
    [
        (lambda y, scale: torch.round(y / scale), 0),
        (lambda y, scale: torch.floor(y / scale), 0),  # truncation: four times the mean square
        (lambda y, scale: 2 * torch.round(y / scale / 2) - 2, 1),  # seven bits, and off by a step
        (lambda y, scale: torch.round((y + 4 * scale) / scale), 1),
    ],
    ids=["rounded", "truncated", "seven bits", "shifted"],
)
def test_answers_in_int8_by_signal_to_noise(made, smaller, tmp_path, quantize, code):
    shutil.copytree(smaller, tmp_path / "v")
    x, weight, bias = (rounded(t) for t in linear(smaller, "train-001-fc1"))
    y = torch.nn.functional.linear(x, weight, bias)
    scale = y.abs().max() / 127
    q = quantize(y, scale).clamp(-128, 127).to(torch.int8).numpy()
    name = "int8/train/output"
    answer(tmp_path / "v", "train-001-fc1", {name: q, f"{name} scale": scale.numpy()})
    done = compare(tmp_path / "v", f"{made}/models.py:mlp")
    assert done.exit_code == code, done.output
    assert run_vectors("check", tmp_path / "v").exit_code == code
    for node in NODE:
        assert patience.run([node, CHECKER, tmp_path / "v", "--answers"]).returncode == code
    if code:
        assert "signal to noise" in done.output
    q = q.astype(np.float32) * scale.numpy()
    answer(tmp_path / "v", "train-001-fc1", {name: q})
    assert compare(tmp_path / "v", f"{made}/models.py:mlp").exit_code == code


def test_the_limit_in_int8_is_that_of_truncation(smaller):
    """2 U with U at least 1 / sqrt(12), the error of one rounding: 6.02 dB."""
    entries = [e for e in manifest(smaller, "train-002-act")["expected"] if e["precision"] == "int8"]
    assert [e["what"] for e in entries] == ["output"]
    assert entries[0]["limit_ulp"] >= 2 * 12**-0.5


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("models.py:broken", "new", "--input", "5,6"), "not today (models.py, line"),
        (("models.py:failing", "new", "--input", "5,6"), "no input is right"),
        (("models.py:mlp", "new"), "give --input"),
        (("models.py:mlp", "new", "--input", "a"), "shapes"),
        (("models.py:nothing", "new", "--input", "5,6"), "has no 'nothing'"),
        (("models.py:mlp", "new", "--input", "5,6", "--mode", "neither"), "--mode must be"),
        (("models.py:mlp", "new", "--input", "5,6", "--precision", "int4"), "--precision must be one of"),
        (("models.py:half", "new", "--input", "4,7:bfloat16", "--precision", "int8"), "needs a torch model of float32"),
        (("models.py:mlp", "models.py", "--input", "5,6"), "is a file"),
        (("models.py:mlp", ".", "--input", "5,6"), "not empty"),
    ],
)
def test_what_cannot_be_recorded_is_one_line_and_leaves_nothing(folder, monkeypatch, arguments, says):
    monkeypatch.chdir(folder)
    done = record(*arguments)
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1), done.output
    assert says in done.output
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("mlp", "models.py:mlp", "--input", "5,6"), "--input has no meaning beside a folder"),
        (("mlp", "models.py:mlp", "--steps", "3"), "--steps has no meaning"),
        (("mlp", "models.py:mlp", "--mode", "eval"), "holds no eval mode"),
        (("mlp", "models.py:mlp", "--precision", "int8"), "files name theirs"),
        (("nowhere", "models.py:mlp"), "FILE.py:FUNCTION"),
        (("models.py:mlp", "empty"), "not a vectors folder"),
    ],
)
def test_what_cannot_be_compared_is_one_line(folder, monkeypatch, arguments, says):
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    done = compare(*arguments)
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1), done.output
    assert says in done.output


MANIFESTS = {
    "no cases": lambda m: m.pop("cases"),
    "two cases": lambda m: m["cases"].update(eval={}),
    "an input that is missing": lambda m: m["inputs"].__setitem__(0, {"tensor": "../secret"}),
    "a component as input": lambda m: m["inputs"].__setitem__(0, {"component": "nn.Linear"}),
    "inputs that are no list": lambda m: m.update(inputs={}),
    "a layer that is a number": lambda m: m.update(layer=3),
    "an escape in a layer's name": lambda m: m.update(layer="\x1b[2J"),
    "a call number that is a text": lambda m: m.update(call_number="3"),
    "cotangents that are a number": lambda m: m.update(cotangents=7),
    "parameters that are a list": lambda m: m.update(parameters=[]),
    "inside that is a text": lambda m: m.update(inside="block"),
    "an absurd shape": lambda m: m["expected"][0].update(shape=[10**12, 10**12]),
    "an infinite limit": lambda m: m["expected"][0].update(limit_ulp=float("inf")),
}


@pytest.mark.parametrize("change", MANIFESTS.values(), ids=MANIFESTS)
def test_a_hostile_manifest_is_one_line(folder, change):
    edit(folder / "mlp" / "train-001-fc1.json", change)
    for done in (
        compare(folder / "mlp", f"{folder}/models.py:mlp"),
        compare(f"{folder}/models.py:mlp", folder / "mlp"),
    ):
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1), done.output
        assert done.stderr.strip().isprintable()


OPTIONS = [{"in_features": 10**15}, {"in_features": 10**4000}, {"device": "cuda"}, {"in_features": "x"}, {"other": []}]


@pytest.mark.parametrize("options", OPTIONS, ids=range(len(OPTIONS)))
def test_options_of_a_stranger_cost_nothing(folder, options):
    """A layer that is rebuilt for the catalog is made without memory, or not at all."""
    edit(folder / "mlp" / "train-001-fc1.json", lambda m: m["kwargs"].update(options))
    numbers = answered(folder / "mlp", "train-001-fc1")
    numbers["float32/train/output"] *= 2
    answer(folder / "mlp", "train-001-fc1", numbers)
    (folder / "mlp" / "answers" / "train-model.safetensors").unlink()
    done = compare(folder / "mlp", folder / "mlp")
    assert done.exit_code in (1, 2), done.output
    assert done.exit_code == 1 or len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("data", [b"", b"\xff" * 100, b"{}"], ids=["empty", "garbage", "short"])
def test_a_truncated_answer_is_a_divergence_of_its_call(folder, data):
    (folder / "mlp" / "answers" / "train-001-fc1.safetensors").write_bytes(data)
    done = compare(folder / "mlp", f"{folder}/models.py:mlp")
    assert done.exit_code == 1
    assert "cannot be read" in done.output
    assert run_vectors("check", folder / "mlp").exit_code == 1


WRONG = {
    "another shape": lambda n: n.update({"float32/train/output": n["float32/train/output"][:3].copy()}),
    "another dtype": lambda n: n.update({"float32/train/output": n["float32/train/output"].astype(np.float64)}),
    "NaN": lambda n: n["float32/train/output"].__setitem__((0, 0), np.nan),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_wrong_answer_of_the_whole(folder, change):
    numbers = answered(folder / "mlp", "train-model")
    change(numbers)
    answer(folder / "mlp", "train-model", numbers)
    done = compare(folder / "mlp", f"{folder}/models.py:mlp")
    assert done.exit_code == 1
    assert "the whole" in done.output or "MLP" in done.output

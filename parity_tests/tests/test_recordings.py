"""A model of one's own as vectors, and recordings of it: every call, judged from the files and against live models."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from parity_tests.tests.recorded import (
    answer,
    answered,
    compare,
    edit,
    manifest,
    record,
    run_vectors,
)
from parity_tests.vectors.files import open_tensors

# --- what is written --------------------------------------------------------------------------------------------------


def test_every_call_is_written_in_order_with_what_it_received(recordings):
    index = json.loads((recordings / "net" / "vectors.json").read_text())
    labels = [row["label"] for row in index["rows"] if row["label"].endswith("train mode")]
    layers = ["fc1 (Linear)", "act (ReLU)", "norm (LayerNorm)", "block (Sequential)", "block.0 (Linear)"]
    layers += ["block.1 (BatchNorm1d)", "block.2 (Dropout)", "fc2 (Linear)"]
    layers += ["code between the layers of Net", "the whole (Net)"]
    assert [label.removesuffix(", train mode") for label in labels] == layers
    about = index["model"]
    assert (about["dtype"], about["seed"], about["modes"], about["inputs"]) == ("float32", 0, ["train", "eval"], "4,7")
    assert about["contains"] == {"code": False, "inputs": True, "parameters": True, "answers": True}
    assert {"torch", "numpy", "python", "machine", "device"} <= index["environment"].keys()
    norm = manifest(recordings / "net", "train-003-norm")
    assert (norm["component"], norm["kwargs"]["eps"], norm["layer"]) == ("nn.LayerNorm", 1e-5, "norm")
    assert {entry["what"] for entry in norm["expected"]} == {"output", "grad input", "grad weight", "grad bias"}
    dropout = manifest(recordings / "net", "train-007-block.2")
    assert dropout["cases"] == {"train": {"random": True, "seed": 0}}
    assert dropout["inside"] == ["block"]
    assert manifest(recordings / "net", "train-model")["component"].endswith("Net")


def test_eval_mode_is_left_out_where_it_is_the_same(recordings):
    index = json.loads((recordings / "mlp" / "vectors.json").read_text())
    assert index["model"]["modes"] == ["train"]
    assert "same numbers" in index["left_out"]["eval mode"]


def test_dictionaries_keywords_and_a_loss(recordings, tmp_path):
    keyed = tmp_path / "keyed"
    done = record(f"{recordings}/models.py:keyed", keyed, "--input", "x=5,6;keep=5,1:bool", "--mode", "eval")
    assert done.exit_code == 0, done.output
    whole = manifest(keyed, "eval-model")
    asked = {e["what"] for e in whole["expected"]}
    assert {"output logits", "output hidden", "output index", "grad input 1", "grad fc1.bias"} <= asked
    assert "grad input" not in asked, "keep comes first, and is no floating number"
    assert compare(keyed, f"{recordings}/models.py:keyed").exit_code == 0
    assert run_vectors("export", f"{recordings}/models.py:trained", tmp_path / "loss", "--input", "5,6").exit_code == 0
    loss = manifest(tmp_path / "loss", "train-004-loss")
    assert (loss["component"], len(loss["inputs"])) == ("nn.MSELoss", 2)
    whole = manifest(tmp_path / "loss", "train-model")
    assert whole["loss"] == "loss"
    assert {"output", "prediction"} <= {entry["what"] for entry in whole["expected"]}


def test_a_second_export_replaces_the_model_and_keeps_other_peoples_answers(copied):
    answers = sorted((copied / "mlp" / "answers").iterdir())
    (copied / "mlp" / "notes.txt").write_text("mine")
    again = run_vectors("export", f"{copied}/models.py:mlp", copied / "mlp", "--input", "5,6")
    assert again.exit_code == 0, again.output
    assert sorted((copied / "mlp" / "answers").iterdir()) == answers
    assert run_vectors("check", copied / "mlp").exit_code == 0
    assert (copied / "mlp" / "notes.txt").read_text() == "mine"
    assert record(f"{copied}/models.py:net", copied / "mlp", "--input", "4,7").exit_code == 0
    assert not (copied / "mlp" / "train-003-fc2.json").exists()
    table = run_vectors("export", copied / "table", "nn.Tanh")
    assert table.exit_code == 0
    refused = record(f"{copied}/models.py:net", copied / "table", "--input", "4,7")
    assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1)
    assert "vectors of the table" in refused.output


def test_exporting_twice_gives_the_same_bytes(copied):
    before = {p.name: p.read_bytes() for p in (copied / "net").iterdir() if p.is_file()}
    assert record(f"{copied}/models.py:net", copied / "net", "--input", "4,7").exit_code == 0
    assert [name for name, data in before.items() if (copied / "net" / name).read_bytes() != data] == []


# --- what is judged ---------------------------------------------------------------------------------------------------


def test_a_recording_agrees_with_its_model_from_either_side_and_with_itself(recordings):
    net, live = recordings / "net", f"{recordings}/models.py:net"
    for left, right in ((net, live), (live, net), (net, net), (net / "answers", live)):
        done = compare(left, right)
        assert done.exit_code == 0, done.output
        assert "PARITY" in done.output
        assert "was recorded with numpy" in done.output
    assert run_vectors("check", net).exit_code == 0


@pytest.mark.parametrize(("left", "right", "cause"), [("net", "eps", "eps=1e-05"), ("eps", "net", "eps=0.001")])
def test_another_eps_is_located_and_named(recordings, tmp_path, left, right, cause):
    """The recording is net's: as the left of a live eps, and as the right of one."""
    sides = [recordings / "net" if name == "net" else f"{recordings}/models.py:eps" for name in (left, right)]
    done = compare(*sides, "--json", tmp_path / "r.json", "--html", tmp_path / "r.html")
    assert done.exit_code == 1
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["first_divergence"]["where"] == "norm"
    assert cause in report["cause"]["says"]
    assert [line["name"] for line in report["layers"] if not line["ok"]] == ["norm", "norm"]
    assert cause in (tmp_path / "r.html").read_text()


def test_a_slope_that_no_input_meets_is_found_at_kinks(copied):
    kinks = answered(copied / "mlp", "train-002-act-kinks")
    with open_tensors(copied / "mlp" / "train-002-act-kinks.safetensors") as file:
        x, dy = file.read("input 0"), file.read("cotangent")
    kinks["float32/train/grad input"] = np.where(x >= 0, dy, 0).astype(np.float32)
    answer(copied / "mlp", "train-002-act-kinks", kinks)
    done = compare(copied / "mlp", f"{copied}/models.py:mlp")
    assert done.exit_code == 1
    assert "act (ReLU), train mode: grad input at kinks and ties" in done.output
    assert "gradient 1 at 0" in done.output


def test_other_names_need_a_map_which_is_proposed(recordings, tmp_path):
    sides = recordings / "mlp", f"{recordings}/models.py:renamed"
    done = compare(*sides, "--write-map", tmp_path / "map.json")
    assert done.exit_code == 2
    pairs = (("fc1", "first"), ("fc2", "last"))
    proposed = {f"{a}.{own}": f"{b}.{own}" for a, b in pairs for own in ("weight", "bias")}
    assert json.loads((tmp_path / "map.json").read_text()) == proposed
    done = compare(*sides, "--map", tmp_path / "map.json")
    assert done.exit_code == 0, done.output
    assert "not compared: act (ReLU), train mode: the right has no layer of this name" in done.output


def test_layers_count_only_if_the_whole_is_apart_or_not_answered(copied):
    """As with two live sides: what differs inside and gives the same at the end is a note."""
    name = "train-001-fc1"
    numbers = answered(copied / "mlp", name)
    numbers["float32/train/output"][0, 0] += 1
    answer(copied / "mlp", name, numbers)
    done = compare(copied / "mlp", f"{copied}/models.py:mlp")
    assert done.exit_code == 0
    assert "inside, fc1 (Linear)" in done.output
    (copied / "mlp" / "answers" / "train-model.safetensors").unlink()
    assert compare(copied / "mlp", f"{copied}/models.py:mlp").exit_code == 1
    checked = run_vectors("check", copied / "mlp")
    assert checked.exit_code == 1
    assert "fc1 (Linear), train mode: output" in checked.output


def test_answers_by_other_names_are_told(copied):
    """A port that misspells a name would otherwise only seem to lack the number."""
    numbers = answered(copied / "mlp", "train-001-fc1")
    numbers["float32/train/out"] = numbers.pop("float32/train/output")
    answer(copied / "mlp", "train-001-fc1", numbers)
    done = compare(copied / "mlp", f"{copied}/models.py:mlp")
    said = "not compared: 1 answers that one call did not ask for, by name: float32/train/out"
    assert said in done.output.splitlines(), done.output
    assert done.exit_code == 0
    for path in (copied / "mlp" / "answers").iterdir():
        save_file({"y": np.zeros(3, np.float32)}, path)
    done = compare(copied / "mlp", f"{copied}/models.py:mlp")
    assert "nothing was answered" in done.output
    assert "did not ask for, by name: y, y" in done.output


def test_partial_answers_are_judged_and_what_is_missing_is_said_first(copied):
    mlp, live = copied / "mlp", f"{copied}/models.py:mlp"
    for path in (mlp / "answers").iterdir():
        if "fc1" not in path.name:
            path.unlink()
    numbers = answered(mlp, "train-001-fc1")
    answer(mlp, "train-001-fc1", {"float32/train/output": numbers["float32/train/output"]})
    for done in (compare(mlp, live), compare(mlp, mlp)):
        assert done.exit_code == 0, done.output
        first = done.output.splitlines()[1:3]
        assert first[0].startswith("not compared: 6 of 7 calls, not answered: act (ReLU), train mode, fc2")
        assert first[1] == "not compared: gradients of one call, not answered: fc1 (Linear), train mode"
    checked = run_vectors("check", mlp)
    assert checked.exit_code == 0
    assert checked.output.splitlines()[0].startswith("not answered: 6 of 7 calls: act (ReLU), train mode; ")
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


def test_both_sides_names_and_layouts_are_on_the_page(copied):
    """An object of arrays as the left of a recording, in its own names and layouts."""
    (copied / "mine.py").write_text(PLAIN)
    (copied / "map.json").write_text(json.dumps(MAP))
    done = compare(f"{copied}/mine.py:mine", copied / "mlp", "--map", copied / "map.json", "--html", copied / "r.html",
                   "--json", copied / "r.json")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "3 of 5 calls" not in done.output
    page = (copied / "r.html").read_text()
    assert "<td>W1</td>\n<td>6 × 8</td><td>transpose</td><td>fc1.weight</td>\n<td>8 × 6</td>" in page
    assert "<b>not compared:</b>" in page
    pairs = {pair["left"]: pair for pair in json.loads((copied / "r.json").read_text())["parameters"]}
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
def test_a_change_between_two_releases_of_torch_is_named(copied, order):
    (copied / "clip.py").write_text(CLIP)
    sides = copied / "older", copied / "newer"
    for side, slope, release in zip(sides, (1, 0), ("2.11.0", "2.14.1+cu130"), strict=True):
        assert record(f"{copied}/clip.py:clip", side, "--input", "4,6").exit_code == 0
        with_slope(side, slope, release)
    done = compare(*sides[::order])
    assert done.exit_code == 1
    assert "1 (Clip), train mode: grad input at kinks and ties" in done.output
    assert "gradient of clamp at its bound of torch: from 2.14 on 0 at the kink, before 1 at the kink" in done.output
    assert ("the left is from torch 2.11" in done.output) == (order == 1)
    edit(sides[1] / "vectors.json", lambda index: index["environment"].update(torch="2.13.0"))
    assert "no known convention explains it" in compare(*sides).output
    live = compare(sides[0], f"{copied}/clip.py:clip"), compare(sides[1], f"{copied}/clip.py:clip")
    assert sorted(done.exit_code for done in live) == [0, 1], "the installed torch does as one of them"
    assert any("gradient of clamp at its bound of torch" in done.output for done in live)


# --- two recordings ---------------------------------------------------------------------------------------------------


def test_two_recordings_are_compared_on_the_same_inputs(copied):
    """The second takes inputs, parameters and calls of the first."""
    source, before, after = f"{copied}/models.py", copied / "net", copied / "after"
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


def test_calls_that_received_other_numbers_are_not_judged(copied):
    """Two recordings of their own: behind the first difference each layer is asked something else."""
    other = copied / "other"
    assert record(f"{copied}/models.py:eps", other, "--input", "4,7").exit_code == 0
    done = compare(copied / "net", other)
    assert done.exit_code == 1
    assert "norm (LayerNorm), train mode: output" in done.output
    assert "received other numbers in the two folders: fc1 (Linear), train mode (backward)" in done.output
    assert "record one with --on the other" in done.output
    assert record(f"{copied}/models.py:net", other, "--input", "4,7", "--seed", "3").exit_code == 0
    done = compare(copied / "net", other)
    assert done.exit_code == 2
    assert "made with other inputs: record one with --on the other" in done.output


def test_on_a_recording_of_another_model(copied):
    refused = record(f"{copied}/models.py:mlp", copied / "new", "--on", copied / "net")
    assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1)
    assert "not those of" in refused.output
    refused = record(f"{copied}/models.py:mlp", copied / "new", "--on", copied / "mlp", "--input", "5,6")
    assert "omit --input" in refused.output

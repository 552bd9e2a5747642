"""An optimizer's steps in the files of a model: recorded, answered, compared, and hostile."""

import json
import shutil

import numpy as np
import pytest

from parity_tests.tests import patience
from parity_tests.tests.recorded import (
    CHECKER,
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


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    done = record(f"{models(folder)}:momentum", folder / "sgd", "--input", "5,6", "--steps", "6")
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


def test_the_last_row_is_the_optimizer_in_the_format_of_the_table(made):
    rows = json.loads((made / "sgd" / "vectors.json").read_text())["rows"]
    assert rows[-1] == {"name": "optimizer", "label": "optimizer (SGD), 6 steps"}
    row = manifest(made / "sgd", "optimizer")
    assert (row["kind"], row["component"], row["steps"]) == ("optimizer", "optim.SGD", 6)
    assert row["rates"] == {"step": 3, "factor": 0.1}
    assert (row["kwargs"]["momentum"], row["kwargs"]["nesterov"]) == (0.9, False)
    asked = {entry["what"] for entry in row["expected"]}
    assert {"theta fc1.weight", "momentum_buffer fc2.bias"} <= asked
    for node in NODE:
        ran = patience.run([node, CHECKER, made / "sgd"])
        assert ran.returncode == 0, ran.stdout
        assert "ok  optimizer (SGD), 6 steps" in ran.stdout


def test_it_agrees_with_itself_from_either_side(made):
    sgd, live = made / "sgd", f"{made}/models.py:momentum"
    for left, right in ((sgd, live), (live, sgd), (sgd, sgd)):
        done = compare(left, right)
        assert done.exit_code == 0, done.output
        assert "not compared" not in done.output


@pytest.mark.parametrize(("other", "says"), [("nesterov", "with nesterov="), ("faster", ""), ("adam", "")])
def test_another_optimizer_is_located_and_named(made, tmp_path, other, says):
    sgd, live = made / "sgd", f"{made}/models.py:{other}"
    assert record(live, tmp_path / "other", "--on", sgd).exit_code == 0
    for left, right in ((sgd, live), (live, sgd), (tmp_path / "other", sgd)):
        done = compare(left, right, "--json", tmp_path / "r.json")
        assert done.exit_code == 1, done.output
        first = json.loads((tmp_path / "r.json").read_text())["first_divergence"]
        assert first["phase"] == "step"
        assert "after step 1" in first["what"]
        assert says in done.output


def test_what_one_side_lacks_is_said(folder):
    done = compare(folder / "sgd", f"{folder}/models.py:trained")
    assert done.exit_code == 0, done.output
    assert "not compared: the steps of the optimizer: the right has none" in done.output
    (folder / "sgd" / "answers" / "optimizer.safetensors").unlink()
    done = compare(folder / "sgd", f"{folder}/models.py:momentum")
    assert done.exit_code == 0
    assert "not answered: the steps of the optimizer" in done.output
    assert (
        record(f"{folder}/models.py:momentum", folder / "new", "--on", folder / "sgd", "--mode", "train").exit_code == 0
    )
    kept = answered(folder / "new", "optimizer")
    answer(folder / "sgd", "optimizer", {n: v for n, v in kept.items() if "theta fc1" in n})
    assert compare(folder / "sgd", f"{folder}/models.py:momentum").exit_code == 0
    refused = record(f"{folder}/models.py:mlp", folder / "none", "--input", "5,6", "--steps", "2")
    assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1)
    assert "--steps needs an optimizer" in refused.output


def test_a_wrong_step_is_found(folder):
    numbers = answered(folder / "sgd", "optimizer")
    numbers["float32/run/theta fc2.bias"][4] += 0.01
    answer(folder / "sgd", "optimizer", numbers)
    done = compare(folder / "sgd", f"{folder}/models.py:momentum")
    assert done.exit_code == 1
    assert "fc2.bias (SGD): theta, after step 5" in done.output
    assert run_vectors("check", folder / "sgd").exit_code == 1


HOSTILE = {
    "no steps": lambda m: m.pop("steps"),
    "steps without end": lambda m: m.update(steps=10**12),
    "a step that is not there": lambda m: m["gradients"]["fc1.bias"]["steps"].__setitem__(0, 99),
    "gradients of another": lambda m: m["gradients"].update(other={"tensor": "gradient fc1.bias", "steps": [0]}),
    "gradients of another shape": lambda m: m["gradients"]["fc1.bias"].update(tensor="gradient fc2.bias"),
    "parameters that are a list": lambda m: m.update(parameters=[]),
    "rates that are a text": lambda m: m.update(rates="3"),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_row_is_one_line(folder, change):
    edit(folder / "sgd" / "optimizer.json", change)
    for done in (compare(folder / "sgd", f"{folder}/models.py:momentum"), compare(folder / "sgd", folder / "sgd")):
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1), done.output


@pytest.mark.parametrize("options", [{"lr": "fast"}, {"momentum": [1, 2]}, {"nesterov": None}, {"lr": 1e308}])
def test_options_of_a_stranger_are_no_crash(folder, options):
    edit(folder / "sgd" / "optimizer.json", lambda m: m["kwargs"].update(options))
    numbers = answered(folder / "sgd", "optimizer")
    numbers["float32/run/theta fc2.bias"] = (numbers["float32/run/theta fc2.bias"] * 1.5).astype(np.float32)
    answer(folder / "sgd", "optimizer", numbers)
    assert compare(folder / "sgd", folder / "sgd").exit_code == 1

"""The code between layers in recordings: what arrives at each layer, on the numbers of the run and at kinks."""

import json
import shutil

import pytest

from parity_tests.tests.recorded import answer, answered, compare, edit, manifest, models, record


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("between")
    done = record(f"{models(folder)}:inline", folder / "inline", "--input", "4,6")
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


def first(done, path):
    assert done.exit_code == 1, done.output
    return json.loads(path.read_text())["first_divergence"]


def test_what_arrives_at_each_layer_is_asked(made):
    row = manifest(made / "inline", "train-between")
    assert row["kind"] == "between"
    assert [stand["layer"] for stand in row["stands"]] == ["fc", "block.0"]
    asked = {entry["what"] for entry in row["expected"]}
    arrivals = {f"{what} of {layer}" for what in ("input", "cotangent") for layer in ("fc", "block", "block.0")}
    assert asked == {*arrivals, "output", "grad input"}
    live = f"{made}/models.py:inline"
    for left, right in ((made / "inline", live), (live, made / "inline"), (made / "inline", made / "inline")):
        done = compare(left, right)
        assert done.exit_code == 0, done.output
        assert "not compared" not in done.output


def test_code_that_differs_is_located(made, tmp_path):
    live = f"{made}/models.py:scaled"
    assert record(live, tmp_path / "other", "--on", made / "inline").exit_code == 0
    for left, right in ((made / "inline", live), (live, made / "inline"), (tmp_path / "other", made / "inline")):
        done = compare(left, right, "--json", tmp_path / "r.json")
        found = first(done, tmp_path / "r.json")
        assert (found["where"], found["what"], found["phase"]) == ("", "input of block", "between")
        assert "times the right's" in done.output
        assert "at kinks" not in done.output, "what is apart anyway is so at kinks"


def test_another_structure_is_no_question_about_code(made):
    """An activation that is a layer on one side alone."""
    done = compare(made / "inline", f"{made}/models.py:layered")
    assert done.exit_code == 0, done.output
    done = compare(f"{made}/models.py:opaque", made / "inline")
    assert done.exit_code == 0, done.output
    assert "code between the layers of Inline, train mode: the left does not call the same layers" in done.output


def test_a_slope_of_code_that_no_input_meets(made, tmp_path):
    live = f"{made}/models.py:quarter"
    assert record(live, tmp_path / "other", "--on", made / "inline").exit_code == 0
    for left, right in ((made / "inline", live), (live, made / "inline"), (tmp_path / "other", made / "inline")):
        done = compare(left, right, "--json", tmp_path / "r.json")
        found = first(done, tmp_path / "r.json")
        assert found["what"] == "cotangent of fc at kinks and ties"
        assert "two conventions at a bound, at zero or for equal values" in done.output


def test_answers_about_code_may_be_left_out_or_be_wrong(folder):
    (folder / "inline" / "answers" / "train-between-kinks.safetensors").unlink()
    done = compare(folder / "inline", f"{folder}/models.py:inline")
    assert done.exit_code == 0
    assert "not answered: code between the layers of Inline, train mode at kinks and ties" in done.output
    numbers = answered(folder / "inline", "train-between")
    numbers["float32/train/input of block.0"][0, 0] += 1
    answer(folder / "inline", "train-between", numbers)
    assert "it makes no difference at the end" in compare(folder / "inline", f"{folder}/models.py:inline").output
    (folder / "inline" / "answers" / "train-model.safetensors").unlink()
    assert compare(folder / "inline", f"{folder}/models.py:inline").exit_code == 1


STANDS = {
    "none": lambda m: m.update(stands=[]),
    "a text": lambda m: m.update(stands="fc"),
    "a layer that is a number": lambda m: m["stands"][0].update(layer=3),
    "gradients that are missing": lambda m: m["stands"][0].update(gradients=["../secret"]),
    "an output that is missing": lambda m: m["stands"][0].update(output={"tensor": "nothing"}),
    "inside that is a text": lambda m: m["stands"][0].update(inside="block"),
}


@pytest.mark.parametrize("change", STANDS.values(), ids=STANDS)
def test_hostile_stands_are_one_line(folder, change):
    edit(folder / "inline" / "train-between.json", change)
    done = compare(folder / "inline", f"{folder}/models.py:inline")
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1), done.output

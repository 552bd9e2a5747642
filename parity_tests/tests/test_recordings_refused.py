"""What cannot be recorded or compared, and hostile files: one clear sentence each."""

import numpy as np
import pytest

from parity_tests.tests.recorded import (
    answer,
    answered,
    compare,
    edit,
    record,
    run_vectors,
)


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
def test_what_cannot_be_recorded_is_one_line_and_leaves_nothing(copied, monkeypatch, arguments, says):
    monkeypatch.chdir(copied)
    done = record(*arguments)
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1), done.output
    assert says in done.output
    assert not (copied / "new").exists()


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
def test_what_cannot_be_compared_is_one_line(copied, monkeypatch, arguments, says):
    monkeypatch.chdir(copied)
    (copied / "empty").mkdir()
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
def test_a_hostile_manifest_is_one_line(copied, change):
    edit(copied / "mlp" / "train-001-fc1.json", change)
    for done in (
        compare(copied / "mlp", f"{copied}/models.py:mlp"),
        compare(f"{copied}/models.py:mlp", copied / "mlp"),
    ):
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1), done.output
        assert done.stderr.strip().isprintable()


OPTIONS = [{"in_features": 10**15}, {"in_features": 10**4000}, {"device": "cuda"}, {"in_features": "x"}, {"other": []}]


@pytest.mark.parametrize("options", OPTIONS, ids=range(len(OPTIONS)))
def test_options_of_a_stranger_cost_nothing(copied, options):
    """A layer that is rebuilt for the catalog is made without memory, or not at all."""
    edit(copied / "mlp" / "train-001-fc1.json", lambda m: m["kwargs"].update(options))
    numbers = answered(copied / "mlp", "train-001-fc1")
    numbers["float32/train/output"] *= 2
    answer(copied / "mlp", "train-001-fc1", numbers)
    (copied / "mlp" / "answers" / "train-model.safetensors").unlink()
    done = compare(copied / "mlp", copied / "mlp")
    assert done.exit_code in (1, 2), done.output
    assert done.exit_code == 1 or len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("data", [b"", b"\xff" * 100, b"{}"], ids=["empty", "garbage", "short"])
def test_a_truncated_answer_is_a_divergence_of_its_call(copied, data):
    (copied / "mlp" / "answers" / "train-001-fc1.safetensors").write_bytes(data)
    done = compare(copied / "mlp", f"{copied}/models.py:mlp")
    assert done.exit_code == 1
    assert "cannot be read" in done.output
    assert run_vectors("check", copied / "mlp").exit_code == 1


WRONG = {
    "another shape": lambda n: n.update({"float32/train/output": n["float32/train/output"][:3].copy()}),
    "another dtype": lambda n: n.update({"float32/train/output": n["float32/train/output"].astype(np.float64)}),
    "NaN": lambda n: n["float32/train/output"].__setitem__((0, 0), np.nan),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_wrong_answer_of_the_whole(copied, change):
    numbers = answered(copied / "mlp", "train-model")
    change(numbers)
    answer(copied / "mlp", "train-model", numbers)
    done = compare(copied / "mlp", f"{copied}/models.py:mlp")
    assert done.exit_code == 1
    assert "the whole" in done.output or "MLP" in done.output

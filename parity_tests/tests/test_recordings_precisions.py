"""Answers to a model in float16, bfloat16 and int8: in the files, and judged in their own precision."""

import shutil

import numpy as np
import pytest
import torch

from parity_tests.recordings.precisions import rounded
from parity_tests.tests import patience
from parity_tests.tests.recorded import (
    CHECKER,
    NODE,
    answer,
    compare,
    manifest,
    run_vectors,
)
from parity_tests.vectors.files import open_tensors


def test_bfloat16_is_in_the_files_and_judged_in_its_own_ulp(copied):
    half = copied / "half"
    with open_tensors(half / "train-001-fc1.safetensors") as file:
        assert file.kinds["input 0"][0] == file.kinds["parameter weight"][0] == "bfloat16"
    entry = manifest(half, "train-001-fc1")["expected"][0]
    assert (entry["precision"], entry["dtype"]) == ("bfloat16", "bfloat16")
    assert 4 <= entry["limit_ulp"] < 10
    assert compare(half, f"{copied}/models.py:half").exit_code == 0
    assert compare(f"{copied}/models.py:half", half).exit_code == 0
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
def smaller(recordings):
    path = recordings / "smaller"
    done = run_vectors("export", f"{recordings}/models.py:mlp", path, "--input", "5,6", *SMALLER)
    assert done.exit_code == 0, done.output
    return path


def linear(folder, row):
    with open_tensors(folder / f"{row}.safetensors") as file:
        return [torch.from_numpy(file.read(name)) for name in ("input 0", "parameter weight", "parameter bias")]


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_answers_in_half_precision(recordings, smaller, tmp_path, precision):
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
        done = compare(tmp_path / "v", f"{recordings}/models.py:mlp")
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
def test_answers_in_int8_by_signal_to_noise(recordings, smaller, tmp_path, quantize, code):
    shutil.copytree(smaller, tmp_path / "v")
    x, weight, bias = (rounded(t) for t in linear(smaller, "train-001-fc1"))
    y = torch.nn.functional.linear(x, weight, bias)
    scale = y.abs().max() / 127
    q = quantize(y, scale).clamp(-128, 127).to(torch.int8).numpy()
    name = "int8/train/output"
    answer(tmp_path / "v", "train-001-fc1", {name: q, f"{name} scale": scale.numpy()})
    done = compare(tmp_path / "v", f"{recordings}/models.py:mlp")
    assert done.exit_code == code, done.output
    assert run_vectors("check", tmp_path / "v").exit_code == code
    for node in NODE:
        assert patience.run([node, CHECKER, tmp_path / "v", "--answers"]).returncode == code
    if code:
        assert "signal to noise" in done.output
    q = q.astype(np.float32) * scale.numpy()
    answer(tmp_path / "v", "train-001-fc1", {name: q})
    assert compare(tmp_path / "v", f"{recordings}/models.py:mlp").exit_code == code


def test_the_limit_in_int8_is_that_of_truncation(smaller):
    """2 U with U at least 1 / sqrt(12), the error of one rounding: 6.02 dB."""
    entries = [e for e in manifest(smaller, "train-002-act")["expected"] if e["precision"] == "int8"]
    assert [e["what"] for e in entries] == ["output"]
    assert entries[0]["limit_ulp"] >= 2 * 12**-0.5

"""transformers' GPT-2, tiny and without a download: beside a twin in Keras, and exported to ONNX."""

from __future__ import annotations

import logging

import onnx
import pytest
import torch

from parity_tests.comparer.comparison import compare
from parity_tests.tests.foreign.gpt2 import IDS, KerasGPT2, gpt2

pytestmark = pytest.mark.filterwarnings("ignore")
WRONG = {
    "epsilon": ({"epsilon": 1e-3}, "h.0.ln_1", "eps-value"),
    "no mask": ({"masked": False}, "h.0.attn", "causal"),
    "exact GELU": ({"approximate": False}, "h.0.mlp", "gelu"),
}


def test_a_twin_in_keras():
    """Conv1D's kernels are (in, out), as Keras' are; every layer, forward and backward."""
    report = compare(KerasGPT2(), gpt2(), IDS)
    assert report.ok, str(report)
    assert {"wte", "h.0.ln_1", "h.1.attn.c_attn", "h.1.mlp.c_proj", "ln_f"} <= {line.name for line in report.layers}
    assert not [note for note in report.notes if note.startswith("inside")]


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_in_the_twin(name):
    options, where, cause = WRONG[name]
    report = compare(KerasGPT2(**options), gpt2(), IDS, mode="eval")
    assert where in str(report.first_divergence), str(report)
    assert report.cause is not None
    assert cause in report.cause.name


def exported(folder, model) -> onnx.ModelProto:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        path = str(folder / "gpt2.onnx")
        torch.onnx.export(model.eval(), (torch.from_numpy(IDS),), path, dynamo=True, external_data=False, verbose=False)
    finally:
        logging.disable(before)
    return onnx.load(path)


def test_an_onnx_file_of_it(tmp_path):
    report = compare(exported(tmp_path, gpt2()), gpt2(), IDS)
    assert report.ok, str(report)
    assert {"h.0.ln_1", "h.1.mlp.c_fc", "ln_f"} <= {line.name for line in report.layers}
    wrong = gpt2()
    wrong.h[1].ln_2.eps = 1e-3
    report = compare(exported(tmp_path, wrong), gpt2(), IDS)
    assert report.first_divergence.where == "h.1.ln_2", str(report)
    assert report.cause.name == "eps-value"

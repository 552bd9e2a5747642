"""ONNX files beside the torch modules that they were exported from: layer by layer, by both of torch's exporters."""

from __future__ import annotations

import copy
import logging
import re
import warnings

import numpy as np
import onnx
import pytest
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import nn

from parity_tests.comparer.comparison import compare
from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.load import load_side

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporters' own
X = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.bn, self.pool = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.MaxPool2d(2)
        self.rnn, self.attn = nn.GRU(16, 8, batch_first=True), nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm, self.drop = nn.LayerNorm(8), nn.Dropout(0.5)
        self.seq = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 3))

    def forward(self, x):
        h = self.rnn(self.pool(torch.relu(self.bn(self.conv(x)))).flatten(2))[0]
        return self.seq(self.drop(self.norm(h + self.attn(h, h, h)[0])))


def exported(folder, net: nn.Module, dynamo: bool = False, fixed: bool = False) -> str:
    path, x = str(folder / f"{'new' if dynamo else 'old'}.onnx"), torch.from_numpy(X)
    if dynamo:
        shapes = {} if fixed else {"dynamic_shapes": {"x": {0: torch.export.Dim("batch")}}}
        options = {"external_data": False, "verbose": False, **shapes}
    else:
        options = {"input_names": ["x"], **({} if fixed else {"dynamic_axes": {"x": {0: "batch"}}})}
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(net.eval(), (x,), path, dynamo=dynamo, **options)
    finally:
        logging.disable(before)
    return path


def changed(change) -> Net:
    net = Net()
    change(net)
    return net


WRONG = {
    "eps": (lambda net: setattr(net.norm, "eps", 1e-3), "norm", "eps-value"),
    "gelu": (lambda net: net.seq.__setitem__(1, nn.GELU("tanh")), "seq.1", "gelu"),
    "folded eps": (lambda net: setattr(net.bn, "eps", 1e-2), "bn", "eps-value"),
    "old weights": (lambda net: net.seq[2].weight.data.add_(0.1), "seq.2", "other-parameters"),
    "heads": (lambda net: setattr(net, "attn", with_heads(net.attn, 4)), "attn", "head"),
}


def with_heads(attention: nn.MultiheadAttention, heads: int) -> nn.MultiheadAttention:
    other = nn.MultiheadAttention(8, heads, batch_first=True)
    other.load_state_dict(attention.state_dict())
    return other


@pytest.fixture(scope="module", params=[False, True], ids=["old exporter", "new exporter"])
def right_file(request, tmp_path_factory):
    return exported(tmp_path_factory.mktemp("onnx"), Net(), request.param)


def test_layers_and_parameters(right_file):
    report = compare(load_side(right_file), Net(), X)
    assert report.ok, str(report)
    assert re.search(r", opset \d+ \(", str(report).partition("\n")[0]), str(report)
    found = {line.name for line in report.layers}
    assert found >= {"pool", "norm", "seq.0", "seq.1", "seq.2"}
    # the older exporter hands the GRU's own order of axes, time first, to the attention: two values of one layer
    assert ({"rnn", "attn"} <= found) == right_file.endswith("new.onnx")
    assert "training mode: the left computes in eval mode alone" in report.uncompared
    assert any("parameters of the left have the right's numbers" in note for note in report.notes)


def test_another_batch(right_file):
    report = compare(load_side(right_file), Net(), np.concatenate([X, X, X]))
    assert report.ok, str(report)
    assert len(report.layers) >= 5


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_located_and_named(name, tmp_path):
    change, where, cause = WRONG[name]
    report = compare(load_side(exported(tmp_path, changed(change))), Net(), X)
    assert not report.ok
    assert where in str(report.first_divergence), str(report)
    assert report.cause is not None, str(report)
    assert cause in report.cause.name


def test_a_batch_that_is_fixed_in_the_file(tmp_path):
    path = exported(tmp_path, Net(), fixed=True)
    assert compare(load_side(path), Net(), X).ok
    with pytest.raises(CompareError, match=r"exported for x of shape \[2, 3, 8, 8\], got \[5, 3, 8, 8\].*dynamic_axes"):
        compare(load_side(path), Net(), np.zeros((5, 3, 8, 8), np.float32))


def coarse(kind: str, folder, net: nn.Module) -> str:
    path, other = exported(folder, net, dynamo=True), str(folder / f"{kind}.onnx")
    if kind == "float16":
        onnx.save(convert_float_to_float16(onnx.load(path)), other)
    else:
        quantize_dynamic(path, other, weight_type=QuantType.QInt8)
    return other


@pytest.mark.parametrize("kind", ["float16", "int8"])
def test_coarse_numbers_are_judged_by_their_noise(kind, tmp_path):
    report = compare(load_side(coarse(kind, tmp_path, Net())), Net(), X)
    assert report.ok, str(report)
    assert any(f"the left computes in {kind}" in note for note in report.notes)
    measured = {m.where: m for m in report.measurements if m.phase == "output"}
    assert 1 < measured["seq.0"].error < measured["seq.0"].limit
    assert "signal to noise" in measured["seq.0"].note
    wrong = changed(lambda net: net.seq.__setitem__(1, nn.ReLU()))
    report = compare(load_side(coarse(kind, tmp_path, wrong)), Net(), X)
    assert not report.ok
    assert report.first_divergence.where == "seq.1"
    assert report.cause.name in ("relu", "activation", "other-activation"), report.cause


def test_weights_too_coarse_for_their_layer(tmp_path):
    """A quantization whose noise is too large for one layer is found there."""
    path = coarse("int8", tmp_path, Net())
    model = onnx.load(path)
    scales = [t for t in model.graph.initializer if t.name.endswith("_scale") and t.data_type == onnx.TensorProto.FLOAT]
    last = scales[-1]
    last.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(last) * np.float32(1.2), last.name))
    onnx.save(model, path)
    report = compare(load_side(path), copy.deepcopy(Net()), X)
    assert not report.ok
    assert report.first_divergence.where.startswith(("seq", "attn", "conv", "rnn"))


def test_wrong_inputs_are_told(tmp_path):
    path = exported(tmp_path, Net())
    with pytest.raises(CompareError, match=r"takes 1 inputs \(x\), got 2"):
        compare(load_side(path), Net(), (X, X))


def test_a_part_that_onnxruntime_refuses_is_not_blamed_on_the_layer_before_it(tmp_path):
    """At opset 23 a mask of one row for all queries is refused by its Attention, after q has run."""

    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.q = nn.Linear(8, 8)

        def forward(self, x, mask):
            q = self.q(x).view(3, 5, 2, 4).transpose(1, 2)
            return nn.functional.scaled_dot_product_attention(q, q, q, mask).transpose(1, 2).flatten(2)

    net, given = Attends().eval(), (torch.randn(3, 5, 8), torch.ones(3, 1, 1, 5, dtype=torch.bool))
    file = str(tmp_path / "attends.onnx")
    torch.onnx.export(net, given, file, dynamo=True, opset_version=23, verbose=False)
    report = compare(load_side(file), net, given)
    assert "opset 23" in report.verdict()
    assert report.first_divergence.where == "", str(report)
    assert "Attention" in report.first_divergence.note

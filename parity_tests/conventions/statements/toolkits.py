"""thinc, skorch, OpenVINO, and the operators of the ONNX standard as its reference evaluator computes them."""

from __future__ import annotations

import math
import os
import tempfile
from typing import Any

import numpy as np

from parity_tests.conventions.statement import Late, Table, plain, which

THINC, SKORCH, OPENVINO, ONNX = Table("thinc"), Table("skorch"), Table("OpenVINO"), Table("ONNX")
thinc, optimizers = Late("thinc.api"), Late("thinc.optimizers")
skorch, torch, openvino = Late("skorch"), Late("torch"), Late("openvino")
onnx, helper, reference = Late("onnx"), Late("onnx.helper"), Late("onnx.reference")
ROOT = math.sqrt(1 - 0.999)  # of the first step's 1 - β2


# --- thinc ------------------------------------------------------------------------------------------------------------


def thinc_step(theta: float, gradient: list[float], **options: Any) -> tuple[np.ndarray, Any]:
    adam = optimizers.Adam(options.pop("lr", 1.0), **options)
    start = np.full(len(gradient), theta, np.float32)
    return adam((1, "w"), start, np.array(gradient, np.float32))[0], adam


@THINC.shows(
    "Adam adds epsilon to the uncorrected root, decays weights decoupled, and keeps averages beside them.",
    ["hat", 0.95, True],
    "optim.Adam optim.AdamW",
    causes=("adam-eps-hat",),
)
def thinc_adam() -> Any:
    g = 1e-4
    (p,), adam = thinc_step(0.0, [g], eps=1e-4, grad_clip=0.0)
    (decayed,), _ = thinc_step(1.0, [0.0], lr=0.1, L2=0.5)
    found = which(p, 1e-4, outside=-g / (g + 1e-4), hat=-g / (g + 1e-4 / ROOT))
    return [found, float(decayed), adam.averages is not None]


@THINC.shows(
    "Adam clips each gradient to norm 1 by default. The first mean of squares for a gradient (30, 40).",
    [3.6e-4, 6.4e-4],
    "optim.Adam nn.utils.clip_grad_norm_",
)
def thinc_clips() -> Any:
    _, adam = thinc_step(0.0, [30.0, 40.0])
    return plain(adam.mom2[1, "w"])


@THINC.shows("LayerNorm's epsilon is 1e-8.", "1e-8", "nn.LayerNorm", causes=("eps-value: eps=1e-08",))
def thinc_layer_norm() -> Any:
    x = np.array([[1e-4, 0.0, -1e-4]], np.float32)
    layer = thinc.LayerNorm(3)
    layer.initialize(X=x)
    y, _ = layer(x, is_train=False)
    wide = x.astype(np.float64)
    return which(y, 1e-4, **{f"1e-{n}": wide / np.sqrt(wide.var() + 10.0**-n) for n in (5, 7, 8, 12)})


@THINC.shows(
    "hard_sigmoid is 0.2 x + 0.5, and hard_swish x times it.",
    [0.7, 0.7],
    "nn.Hardsigmoid nn.Hardswish",
    causes=("hardsigmoid-slope: 0.2",),
)
def thinc_hard_sigmoid() -> Any:
    ops = thinc.get_current_ops()
    return [float(form(np.ones(1, np.float32))[0]) for form in (ops.hard_sigmoid, ops.hard_swish)]


# --- skorch -----------------------------------------------------------------------------------------------------------


@SKORCH.shows(
    "The validation part is held out without shuffling, the first fifth, stratified for classifiers. The rows of ten "
    "that are held out, without and with classes 0 and 1 in two blocks.",
    [[0, 1], [0, 5]],
)
def validation_part() -> Any:
    split, labels = skorch.dataset.ValidSplit, np.repeat([0, 1], 5)
    data = torch.utils.data.TensorDataset(torch.arange(10.0)[:, None], torch.tensor(labels))
    plain_part = split(5)(data)[1]
    stratified = split(5, stratified=True)(data, labels)[1]
    return [[int(i) for i in part.indices] for part in (plain_part, stratified)]


# --- OpenVINO ---------------------------------------------------------------------------------------------------------


@OPENVINO.shows(
    "The CPU plugin computes in bfloat16 by default where the processor has it, errors of 2e-3; with the hint f32 "
    "below 1e-5. Whether the error is above 1e-4 exactly where there is bfloat16, and whether f32 helps.",
    [True, True],
    "nn.Linear nn.Conv?d",
)
def inference_precision() -> Any:
    layer, x = torch.nn.Linear(256, 256), torch.randn(8, 256)
    model, true = openvino.convert_model(layer, example_input=x), layer(x).detach().numpy()
    errors = []
    for options in ({}, {"INFERENCE_PRECISION_HINT": "f32"}):
        y = openvino.Core().compile_model(model, "CPU", options)(x.numpy())[0]
        errors.append(float(np.abs(y - true).max() / np.abs(true).max()))
    there = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [(errors[0] > 1e-4) == there, errors[1] < 1e-5]


@OPENVINO.shows(
    "save_model writes float16 weights by default: fewer than three bytes for each weight.", True, "nn.Linear nn.Conv?d"
)
def size_of_a_file() -> Any:
    model = openvino.convert_model(torch.nn.Linear(256, 256), example_input=torch.zeros(1, 256))
    with tempfile.TemporaryDirectory() as folder:
        openvino.save_model(model, f"{folder}/model.xml")
        return os.path.getsize(f"{folder}/model.bin") < 3 * 256 * 256


@OPENVINO.shows(
    "scaled_dot_product_attention of a row that may attend to nothing, converted from torch: NaN.",
    "nan",
    "nn.ScaledDotProductAttention nn.MultiheadAttention",
    causes=("masked-rows: NaN",),
)
def openvino_forbidden_row() -> Any:
    class Attention(torch.nn.Module):  # type: ignore[name-defined]
        def forward(self, q: Any, k: Any, v: Any, mask: Any) -> Any:
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask)

    v = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1).expand(1, 1, 2, 2).contiguous()
    given = torch.zeros(1, 1, 1, 2), torch.zeros_like(v), v, torch.zeros(1, 1, 1, 2, dtype=torch.bool)
    model = openvino.Core().compile_model(openvino.convert_model(Attention(), example_input=given), "CPU")
    return str(float(model([x.numpy() for x in given])[0].ravel()[0]))


# --- ONNX -------------------------------------------------------------------------------------------------------------


def training(operator: str, inputs: list[Any], outputs: int, **attributes: Any) -> list[np.ndarray]:
    """One operator of ai.onnx.preview.training, by the reference evaluator."""
    domain, arrays = "ai.onnx.preview.training", {f"x{i}": np.asarray(x) for i, x in enumerate(inputs)}
    names = [f"y{i}" for i in range(outputs)]
    values = [(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for name, x in arrays.items()]
    graph = helper.make_graph(
        [helper.make_node(operator, [*arrays], names, domain=domain, **attributes)],
        "one",
        [helper.make_tensor_value_info(*value) for value in values],
        [helper.make_tensor_value_info(name, 1, None) for name in names],
    )
    sets = [helper.make_opsetid("", 22), helper.make_opsetid(domain, 1)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=10)
    return reference.ReferenceEvaluator(model).run(None, arrays)


@ONNX.shows(
    "Adam adds epsilon to the uncorrected root (epsilon-hat); its step 0 is not corrected at all, step 1 is.",
    ["uncorrected", "hat"],
    "optim.Adam",
    causes=("adam-eps-hat",),
)
def onnx_adam() -> Any:
    zero, g, found = np.zeros(1, np.float32), np.array([1e-4], np.float32), []
    for step in (0, 1):
        inputs = [np.float32(1), np.int64(step), zero, g, zero, zero]
        x, *_ = training("Adam", inputs, 3, alpha=0.9, beta=0.999, epsilon=1e-4, norm_coefficient=0.0)
        forms = {"uncorrected": -1e-5 / (1e-4 * ROOT + 1e-4), "hat": -1e-4 / (1e-4 + 1e-4 / ROOT), "outside": -0.5}
        found.append(which(x[0], 1e-4, **forms))
    return found


@ONNX.shows(
    "Momentum multiplies the gradient by beta except in the first step: beta = 1 - dampening is torch's SGD.",
    [-1.0, -2.4],
    "optim.SGD",
)
def onnx_momentum() -> Any:
    x, v, found = np.zeros(1, np.float32), np.zeros(1, np.float32), []
    for step in range(2):
        inputs = [np.float32(1), np.int64(step), x, np.ones(1, np.float32), v]
        x, v = training("Momentum", inputs, 2, alpha=0.9, beta=0.5, mode="standard", norm_coefficient=0.0)
        found.append(float(x[0]))
    return found

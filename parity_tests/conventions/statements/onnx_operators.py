"""ONNX Runtime: operators of the ONNX standard, on files made with the onnx package."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from parity_tests.conventions.statement import Late, Table, which

TABLE = Table("ONNX Runtime")
shows = TABLE.shows
onnx, onnxruntime = Late("onnx"), Late("onnxruntime")
helper = Late("onnx.helper")
TRAINING = "ai.onnx.preview.training"


def run(operator: str, inputs: list[Any], outputs: int = 1, domain: str = "", **attributes: Any) -> list[np.ndarray]:
    """The outputs of one operator; an input of None is left out."""
    arrays = {f"x{i}": np.asarray(x) for i, x in enumerate(inputs) if x is not None}
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    results = [f"y{i}" for i in range(outputs)]
    kinds = {name: helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in arrays.items()}
    graph = helper.make_graph(
        [helper.make_node(operator, names, results, domain=domain, **attributes)],
        "one",
        [helper.make_tensor_value_info(name, kinds[name], array.shape) for name, array in arrays.items()],
        [helper.make_tensor_value_info(name, 1, None) for name in results],
    )
    sets = [helper.make_opsetid("", 22)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(graph, opset_imports=sets, ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, arrays)


def single(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@shows("LeakyRelu's alpha is 0.01, Elu's 1.", [-0.01, math.expm1(-1)], "nn.LeakyReLU nn.ELU")
def slopes() -> Any:
    return [float(run(kind, [single(-1)])[0][0]) for kind in ("LeakyRelu", "Elu")]


@shows(
    "HardSigmoid is 0.2 x + 0.5 by default; HardSwish is torch's.",
    [0.7, 2 / 3],
    "nn.Hardsigmoid nn.Hardswish",
    causes=("hardsigmoid-slope: 0.2",),
)
def hard_sigmoid() -> Any:
    return [float(run(kind, [single(1)])[0][0]) for kind in ("HardSigmoid", "HardSwish")]


@shows("Gelu has the error function by default.", "erf", "nn.GELU")
def gelu() -> Any:
    import torch.nn.functional as F
    from torch import ones

    return which(run("Gelu", [single(1)])[0], erf=F.gelu(ones(1)), tanh=F.gelu(ones(1), approximate="tanh"))


@shows("Selu's constants are rounded to float32.", [1.05070102, 1.67326319], "nn.SELU nn.AlphaDropout")
def selu_constants() -> Any:
    schema = onnx.defs.get_schema("Selu", 22)
    return [schema.attributes[name].default_value.f for name in ("gamma", "alpha")]


@shows("LayerNormalization's epsilon is 1e-5, RMSNormalization's too.", [1e-5, 1e-5], "nn.LayerNorm nn.RMSNorm")
def epsilons() -> Any:
    return [
        float(f"{onnx.defs.get_schema(name, 23).attributes['epsilon'].default_value.f:.3g}")
        for name in ("LayerNormalization", "RMSNormalization")
    ]


@shows(
    "BatchNormalization: momentum 0.9 weights the old value, and the running variance is the biased one.",
    [0.9, "biased"],
    "nn.BatchNorm?d",
    causes=("running-var-biased",),
)
def batch_norm() -> Any:
    schema = onnx.defs.get_schema("BatchNormalization", 15)
    x = single(0, 1, 5).reshape(3, 1)
    _, _, var = run(
        "BatchNormalization", [x, single(1), single(0), single(0), single(0)], 3, training_mode=1, momentum=0.0
    )
    momentum = round(float(schema.attributes["momentum"].default_value.f), 6)
    return [momentum, which(var, biased=[x.var()], unbiased=[x.var(ddof=1)])]


@shows(
    "AveragePool does not count padding by default.",
    [1.0, 1.0],
    "nn.AvgPool?d",
    causes=("count-include-pad: count_include_pad=False",),
)
def average_pool() -> Any:
    y = run("AveragePool", [np.ones((1, 1, 2), np.float32)], kernel_shape=[2], pads=[1, 1], strides=[2])[0]
    return y.ravel().tolist()


@shows("LSTM: gates i, o, f, c.", ["i", "o", "f", "c"], "nn.LSTM nn.LSTMCell")
def order_of_lstm_gates() -> Any:
    found = []
    for block in range(4):
        bias = np.zeros((1, 8), np.float32)
        bias[0, block] = 50
        x, w = np.zeros((1, 1, 1), np.float32), np.zeros((1, 4, 1), np.float32)
        half = np.full((1, 1, 1), 0.5, np.float32)
        _, h, c = run("LSTM", [x, w, w, bias, None, np.zeros_like(half), half], 3, hidden_size=1)
        values = [float(c.item()), float(h.item())]
        found.append(
            which(
                values,
                i=[0.25, math.tanh(0.25) / 2],
                f=[0.5, math.tanh(0.5) / 2],
                c=[0.75, math.tanh(0.75) / 2],
                o=[0.25, math.tanh(0.25)],
            )
        )
    return found


@shows(
    "GRU: gates z, r, h, and the reset gate acts before the product by default; torch needs linear_before_reset = 1.",
    ["before", "after"],
    "nn.GRU nn.GRUCell",
    causes=("gru-reset",),
)
def gru_reset_gate() -> Any:
    found = []
    for option in (0, 1):
        bias = np.zeros((1, 6), np.float32)
        bias[0, 0], bias[0, 5] = -50, 1  # z = 0, and the hidden bias of h is 1
        x, w = np.zeros((1, 1, 1), np.float32), np.zeros((1, 3, 1), np.float32)
        _, h = run("GRU", [x, w, w, bias], 2, hidden_size=1, linear_before_reset=option)
        found.append(which(h.ravel(), after=[math.tanh(0.5)], before=[math.tanh(1.0)]))
    return found


@shows(
    "Resize with 'nearest' rounds halves down and takes half pixels: 0, 2, 4 of 5 for an output of 3.",
    [0.0, 2.0, 4.0],
    "nn.Upsample nn.UpsamplingNearest2d",
)
def nearest_pixels() -> Any:
    x = np.arange(5, dtype=np.float32).reshape(1, 1, 5)
    return run("Resize", [x, None, None, np.array([1, 1, 3])], mode="nearest")[0].ravel().tolist()


@shows("Round rounds halves to the even number, as torch and NumPy.", [0.0, 2.0, 2.0])
def halves() -> Any:
    return run("Round", [single(0.5, 1.5, 2.5)])[0].tolist()


@shows(
    "The standard's Adam has epsilon 1e-6, and norm_coefficient_post, a decay after the step.",
    [1e-6, True],
    "optim.Adam",
)
def adam_defaults() -> Any:
    schema = onnx.defs.get_schema("Adam", 1, TRAINING)
    return [float(f"{schema.attributes['epsilon'].default_value.f:.3g}"), "norm_coefficient_post" in schema.attributes]

"""Where both engines compute, and other numbers come."""

from __future__ import annotations

import numpy as np

from parity_tests.tests.properties.disagreement import Disagreement, is_empty
from parity_tests.tests.properties.example import Cut, Dtype, Example, Layout, Option, Plant, Resize, Scale
from parity_tests.tests.properties.verdict import Problem


def at_nan_alone(example: Example, problem: Problem) -> bool:
    """Where the input is a number the gradients agree."""
    if not problem.what.startswith("grad input") or not problem.ours.numbers or not problem.theirs.numbers:
        return False
    x = example.inputs(example.pair(), example.dtype)[0][0]
    ours, theirs = problem.ours.numbers[problem.what], problem.theirs.numbers[problem.what]
    return bool(np.allclose(ours[~np.isnan(x)], theirs[~np.isnan(x)], rtol=1e-4, equal_nan=True))


def to_dtype(example: Example, dtype: str) -> bool:
    return any(isinstance(d, Dtype) and d.dtype == dtype for d in example.departures)


VECTOR_LOOPS = "nn.CELU nn.ELU nn.Hardsigmoid nn.Hardswish nn.Hardtanh nn.ReLU6 nn.SELU nn.Softplus nn.GELU nn.Mish"
VECTOR_LOOPS += " nn.Hardshrink nn.Softshrink"

OTHER_NUMBERS = [
    Disagreement(
        VECTOR_LOOPS,
        "the gradient of NaN in the few elements that torch's vector loops leave over is another than in the others; "
        "here all have the vector loop's",
        at_nan_alone,
        Example("nn.ELU[small]", (Resize(32, 1), Plant(0, 0.0, "nan"))),
    ),
    Disagreement(
        "nn.HingeEmbeddingLoss nn.MarginRankingLoss nn.*SoftMarginLoss nn.CosineEmbeddingLoss",
        "torch computes with integer targets in their own arithmetic, which wraps around: -1 is 255 in uint8",
        lambda example, problem: example.has_departure(Dtype) or example.has_value("imin"),
        Example("nn.MarginRankingLoss", (Dtype(2, "uint8"),)),
    ),
    Disagreement(
        "nn.CTCLoss",
        "where the last label is the blank itself, torch's gradient counts one of the two places that end there",
        lambda example, problem: problem.what == "grad input",
        Example("nn.CTCLoss[blank=2]", (Layout(3, "broadcast"),)),
    ),
    Disagreement(
        "nn.CTCLoss",
        "log-probabilities far above 0 are none: what their sums overflow to depends on the order",
        lambda example, problem: example.has_value("max", "root", "large") and problem.what != "verdict",
        Example("nn.CTCLoss[too short, zero_infinity]", (Plant(0, 0.0, "max"),)),
    ),
    Disagreement(
        "nn.*Loss*",
        "an infinite target has no meaning; whether infinity or NaN comes of it is a matter of the order of terms",
        lambda example, problem: any(
            isinstance(d, Plant) and d.i == 1 and "inf" in d.value for d in example.departures
        ),
        Example("nn.MultiLabelSoftMarginLoss[nonfinite]", (Plant(1, 0.6, "inf"), Plant(0, 0.3, "0"))),
    ),
    Disagreement(
        "nn.MultiMarginLoss nn.MultiLabelMarginLoss",
        "torch returns uninitialized memory for an empty batch; here the sum is 0 and the mean NaN",
        lambda example, problem: is_empty(example),
        Example("nn.MultiLabelMarginLoss[kinks]", (Resize(8, 0),)),
        by_chance=True,
    ),
    Disagreement(
        "*Attention nn.Transformer*",
        "torch's fused kernels on the CPU lose NaN and infinity where a softmax keeps them",
        lambda example, problem: example.has_value("nan", "inf", "root", "max"),
        Example("nn.MultiheadAttention[causal hint]", (Plant(1, 0.0, "nan"),)),
    ),
    Disagreement(
        "*Attention nn.Transformer*",
        "where all keys or values are equal the gradient of the scores cancels, and what is left is all rounding",
        lambda example, problem: problem.what.startswith("grad") and example.has_departure(Scale),
        Example("nn.TransformerDecoderLayer", (Resize(7, 2, True), Scale(1, "subnormal")), "float64"),
    ),
    Disagreement(
        "nn.CosineSimilarity nn.CosineEmbeddingLoss",
        "squares overflow beyond 1e19 and vanish below 1e-19; what comes of 0 / 0 and 0 * inf depends on the order",
        lambda example, problem: example.has_value("root", "max", "large", "inf", "tiny", "subnormal", "0"),
        Example("nn.CosineSimilarity[numbers]", (Plant(1, 0.3, "-root"),)),
    ),
    Disagreement(
        "nn.MarginRankingLoss nn.CosineEmbeddingLoss nn.HingeEmbeddingLoss",
        "torch promotes to the dtype of the signs; here they say which way, and the scores' dtype stays",
        lambda example, problem: to_dtype(example, "other") and "torch has float64" in problem.text,
        Example("nn.MarginRankingLoss", (Dtype(2, "other"),)),
    ),
    Disagreement(
        "nn.BatchNorm* nn.InstanceNorm*",
        "torch's float32 kernel sums the batch in float64: it measures nothing of its float64 kernel's error, squares "
        "out of float32's range neither overflow nor vanish in it, and with eps <= 0 it has another 0 / 0 or root",
        lambda example, problem: (
            problem.excess < 8
            or example.has_value("root", "max", "tiny", "subnormal")
            or example.pair().kwargs.get("eps", 1) <= 0
        ),
        Example("nn.BatchNorm3d", (Plant(0, 0.0, "-root"), Layout(0, "Fortran"))),
    ),
    Disagreement(
        "nn.LSTM nn.LSTMCell",
        "the gates are ½ + ½ tanh(z/2), for speed: a gate closed below 1e-7 (in float64 1e-16) keeps no digits, which "
        "shows where all numbers of an array stand behind such gates",
        lambda example, problem: example.has_value("large", "root", "max", "inf"),
        Example("nn.LSTMCell[unbatched]", (Plant(0, 0.3, "-large"),)),
    ),
    Disagreement(
        "nn.GRU* nn.LSTM* nn.RNN* nn.Sequential",
        "in float64 a gate saturates elsewhere than in float32, and there 1 - z keeps few digits, on both sides others",
        lambda example, problem: example.dtype == "float64" and example.has_value("large", "root"),
        Example("nn.GRUCell[state]", (Scale(0, "large"),), "float64", False),
    ),
    Disagreement(
        "nn.LPPool*",
        "torch's vector loop rounds the exponent 1/p to float32, as NumPy does, 11 ulp of a large sum; the elements "
        "that it leaves over keep it in float64, and a small output has no others",
        lambda example, problem: example.dtype == "float32" and problem.excess < 8,
        Example("nn.LPPool1d[p=1.5]", (Cut(0, 1, 2), Plant(0, 0.999, "root"))),
    ),
    Disagreement(
        "nn.LPPool*",
        "a sum of -0 alone is 0 in torch and -0 here, and with a negative p infinity comes of it, of either sign",
        lambda example, problem: example.has_value("inf", "0") and "p=-1" in example.label,
        Example(
            "nn.LPPool2d[p=-1]", (Option("kernel_size", 1), Option("stride", 3), Plant(0, 0.0, "-inf")), training=False
        ),
    ),
    Disagreement(
        "nn.LocalResponseNorm",
        "torch's average over channels turns the gradient of a window next to infinity into NaN",
        lambda example, problem: problem.what == "grad input" and example.has_value("inf"),
        Example("nn.LocalResponseNorm[steep]", (Plant(0, 0.0, "inf"),)),
    ),
    Disagreement(
        "nn.*Dropout*",
        "torch draws the mask of an expanded tensor in the order of its own memory",
        lambda example, problem: any(isinstance(d, Layout) and d.how == "broadcast" for d in example.departures),
        Example("nn.Dropout", (Plant(0, 0.0, "inf"), Layout(0, "broadcast")), "float64"),
    ),
    Disagreement(
        "nn.EmbeddingBag",
        "torch divides by the frequency of another index: that of a smaller one, or of what an expanded index's memory "
        "holds",
        lambda example, problem: (
            problem.what == "grad weight" and bool(example.pair().kwargs.get("scale_grad_by_freq"))
        ),
        Example("nn.EmbeddingBag[mean scaled by frequency]", (Cut(0, 0, 17),)),
        until=(2, 14),
    ),
]

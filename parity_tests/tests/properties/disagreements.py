"""Where scratch and torch are known to differ: each with its reason, and a witness that still shows it.

A test demands that every witness still disagrees, so an entry that is no longer needed must go: the list only shrinks.
What a single row of the table leaves out, its `notes` say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from parity_tests.nests import leaves
from parity_tests.tests.properties.example import (
    Cut,
    Departure,
    Dtype,
    Example,
    Layout,
    Option,
    Plant,
    Rank,
    Resize,
    Scale,
)
from parity_tests.tests.properties.verdict import Problem


@dataclass(frozen=True)
class Disagreement:
    """Problems of the components that match `names`, where `holds` says so."""

    names: str
    reason: str
    holds: Callable[[Example, Problem], bool]
    witness: Example
    by_chance: bool = False  # memory that was never written may hold the right number
    until: tuple[int, int] | None = None  # the release of torch that agrees with scratch

    def covers(self, example: Example, problem: Problem) -> bool:
        name = example.pair().name
        return any(fnmatchcase(name, pattern) for pattern in self.names.split()) and self.holds(example, problem)


def unknown(example: Example, problems: Iterable[Problem]) -> list[Problem]:
    """The problems that no entry explains."""
    return [p for p in problems if not any(entry.covers(example, p) for entry in DISAGREEMENTS)]


Holds = Callable[[Example, Problem], bool]


def scratch_refuses(*words: str, after: tuple[type[Departure], ...] = (Departure,)) -> Holds:
    """Scratch alone refuses, with one of these words, an example with one of these departures."""
    return lambda example, problem: (
        problem.what == "verdict"
        and problem.theirs.error is None
        and any(word in str(problem.ours.error) for word in words)
        and example.has_departure(*after)
    )


def torch_refuses(*words: str) -> Holds:
    """Torch alone refuses, with one of these words."""
    return lambda _, problem: (
        problem.what == "verdict" and problem.ours.error is None and any(w in str(problem.theirs.error) for w in words)
    )


def other_class(*words: str) -> Holds:
    """Both refuse, torch with one of these words."""
    return lambda _, problem: problem.what == "class" and any(word in str(problem.theirs.error) for word in words)


def at_nan_alone(example: Example, problem: Problem) -> bool:
    """Where the input is a number the gradients agree."""
    if not problem.what.startswith("grad input") or not problem.ours.numbers or not problem.theirs.numbers:
        return False
    x = example.inputs(example.pair(), example.dtype)[0][0]
    ours, theirs = problem.ours.numbers[problem.what], problem.theirs.numbers[problem.what]
    return bool(np.allclose(ours[~np.isnan(x)], theirs[~np.isnan(x)], rtol=1e-4, equal_nan=True))


def is_empty(example: Example) -> bool:
    return any(isinstance(x, np.ndarray) and x.size == 0 for x in leaves(example.inputs(example.pair(), example.dtype)))


def to_dtype(example: Example, dtype: str) -> bool:
    return any(isinstance(d, Dtype) and d.dtype == dtype for d in example.departures)


def both(*conditions: Any) -> Holds:
    return lambda example, problem: all(condition(example, problem) for condition in conditions)


LOSS_SHAPES = scratch_refuses(
    "the same shape",
    "must have shape",
    "must have the shape",
    "must broadcast to the shape",
    "the inputs must be",
    after=(Cut, Rank, Resize),
)
VECTOR_LOOPS = "nn.CELU nn.ELU nn.Hardsigmoid nn.Hardswish nn.Hardtanh nn.ReLU6 nn.SELU nn.Softplus nn.GELU nn.Mish"
VECTOR_LOOPS += " nn.Hardshrink nn.Softshrink"

DISAGREEMENTS = [
    # --- what scratch refuses on purpose ---
    Disagreement(
        "*",
        "torch computes in half precision and with complex numbers, and promotes integers and unequal dtypes; scratch "
        "computes in float32 and float64, and refuses the rest rather than promote in silence",
        scratch_refuses("", after=(Dtype,)),
        Example("nn.ReLU", (Dtype(0, "int64"),)),
    ),
    Disagreement(
        "*",
        "an option of another type is a TypeError; in torch whatever fails first, or nothing if nothing looks at it",
        lambda example, problem: (
            example.has_departure(Option)
            and problem.what in ("class", "verdict")
            and isinstance(problem.ours.error, TypeError)
        ),
        Example("nn.Linear", (Option("bias", "no such"),)),
    ),
    Disagreement(
        "*",
        "nothing sensible comes of NaN among the options: one side refuses it, or the numbers differ",
        lambda example, problem: any(isinstance(d, Option) and d.value != d.value for d in example.departures),
        Example("nn.Hardtanh", (Option("min_val", float("nan")),)),
    ),
    Disagreement(
        "nn.*Loss*",
        "torch broadcasts unequal shapes, some with a warning; scratch refuses: (N, 1) against (N,) is an N by N table",
        LOSS_SHAPES,
        Example("nn.MSELoss", (Rank(0, "more"),)),
    ),
    Disagreement(
        "nn.ScaledDotProductAttention",
        "torch looks at dropout_p when it drops; here the constructor does",
        scratch_refuses("dropout_p must be", after=(Option,)),
        Example("nn.ScaledDotProductAttention", (Option("dropout_p", -1),), training=False),
    ),
    Disagreement(
        "nn.ScaledDotProductAttention",
        "torch broadcasts the leading dimensions of queries, keys and values; here they must be equal",
        scratch_refuses("leading dimensions differ", after=(Cut, Rank, Resize)),
        Example("nn.ScaledDotProductAttention[causal]", (Rank(0, "less"),)),
    ),
    Disagreement(
        "nn.CrossEntropyLoss nn.NLLLoss",
        "torch takes any label where there are no classes, if it is ignored",
        scratch_refuses("class labels must be in [0, 0)"),
        Example("nn.CrossEntropyLoss[unbatched, ignored]", (Cut(0, 0, 0),)),
    ),
    Disagreement(
        "nn.BatchNorm* nn.InstanceNorm*",
        "torch takes a negative number of channels if it needs no array of that size",
        scratch_refuses("num_features must not be negative"),
        Example("nn.InstanceNorm1d", (Option("num_features", -1),)),
    ),
    Disagreement(
        "nn.BatchNorm* nn.InstanceNorm*",
        "torch takes any number of channels for an input without elements",
        scratch_refuses("channels, got shape"),
        Example("nn.BatchNorm1d", (Cut(0, 1, 0),)),
    ),
    Disagreement(
        "nn.Conv* nn.Adaptive* nn.FractionalMaxPool*",
        "torch has an answer for images without channels or pixels: the bias, or nothing",
        scratch_refuses("only the batch may be empty", "only the batch dimension of the input may be 0"),
        Example("nn.Conv2d", (Resize(4, 0, True),)),
    ),
    Disagreement(
        "nn.AdaptiveAvgPool*",
        "with an output of size 1 torch takes the mean, of any number of dimensions",
        scratch_refuses("dimensions after the channels", after=(Rank,)),
        Example("nn.AdaptiveAvgPool2d[global]", (Rank(0, "more"),)),
    ),
    Disagreement(
        "nn.CircularPad*",
        "torch takes a padding that wraps more than once if a negative one cuts the other side",
        scratch_refuses("wrap around more than once"),
        Example("nn.CircularPad2d[negative]", (Cut(0, 3, 2),)),
    ),
    Disagreement(
        "nn.CrossEntropyLoss",
        "torch ignores a negative label_smoothing",
        scratch_refuses("label_smoothing must be"),
        Example("nn.CrossEntropyLoss", (Option("label_smoothing", -1.0),)),
    ),
    # --- what torch refuses by accident ---
    Disagreement(
        "*",
        "torch has no kernel for this dtype; moving numbers about, scratch needs none",
        torch_refuses("not implemented for", "cannot be converted to type", "gather(): Expected dtype"),
        Example("nn.ReflectionPad1d", (Dtype(0, "bool"),)),
    ),
    Disagreement(
        "*",
        "torch's views and checks of its own gradients fail on arrays without elements",
        both(
            torch_refuses(
                "ambiguous",
                "to have non-zero size",
                "shape compatible",
                "pixel_shuffle expects",
                "select(): index",
                "groups to divide",
            ),
            lambda example, problem: is_empty(example) or example.has_departure(Option),
        ),
        Example("nn.Bilinear[extra dimension]", (Resize(3, 0, True),)),
    ),
    Disagreement(
        "nn.Embedding",
        "torch scales no sparse gradients by frequency; here gradients are dense",
        torch_refuses("not supported with sparse gradients"),
        Example("nn.Embedding[sparse]", (Option("scale_grad_by_freq", True),)),
    ),
    Disagreement(
        "*",
        "torch asks a view of strides that have none, or a contiguous gradient; here any strides work",
        torch_refuses("view size is not compatible", "must be contiguous"),
        Example("nn.NLLLoss2d", (Layout(0, "Fortran"),)),
    ),
    Disagreement(
        "nn.ConvTranspose*",
        "torch gives an empty output, but with groups refuses it",
        torch_refuses("Output size is too small"),
        Example("nn.ConvTranspose2d[groups]", (Resize(3, 8), Cut(0, 3, 1)), "float64"),
    ),
    Disagreement(
        "nn.Conv*",
        "torch takes a list of one padding for all axes, but not together with a padding mode",
        torch_refuses("Padding size"),
        Example("nn.Conv2d[options as lists]", (Option("padding_mode", "reflect"),)),
    ),
    Disagreement(
        "nn.LPPool3d",
        "torch refuses images smaller than the window in ceil_mode, where its two-dimensional pooling was not seen to",
        torch_refuses("smaller than kernel size"),
        Example("nn.LPPool3d[overlap, ceil_mode]", (Resize(5, 2),)),
    ),
    # --- which error comes of several, or by accident ---
    Disagreement(
        "nn.NLLLoss nn.CrossEntropyLoss",
        "torch prints a uint8 label as a character, and fails if it is none",
        other_class("codec can't decode"),
        Example("nn.NLLLoss[nonfinite]", (Dtype(1, "uint8"),)),
    ),
    Disagreement(
        "*",
        "torch indexes an empty tensor before it looks at the sizes: IndexError or RuntimeError by accident",
        other_class("select(): index", "index_select()", "index >= 0 && index <"),
        Example("nn.Embedding", (Option("num_embeddings", 0),)),
    ),
    Disagreement(
        "nn.ConvTranspose* nn.MaxUnpool*",
        "torch looks at output_size before the input's dimensions, and computes nonsense from the wrong ones",
        other_class("output_size", "output size"),
        Example("nn.ConvTranspose1d[output size]", (Rank(0, "more"),)),
    ),
    Disagreement(
        "nn.*Attention nn.Transformer*",
        "torch looks at the masks' dtypes before the inputs'",
        other_class("only bool and floating types"),
        Example("nn.TransformerEncoderLayer[masks]", (Dtype(0, "complex64"),)),
    ),
    # --- numbers ---
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


def _calls(reason: str, *calls: str) -> dict[str, str]:
    return dict.fromkeys(calls, reason)


# Wrong arguments, as the sweep of refusals writes them.
ARGUMENTS = {
    **_calls(
        "torch takes NaN, and computes with it",
        *("ConstantLR(factor=nan)", "LinearLR(start_factor=nan)", "LinearLR(end_factor=nan)"),
        *("OneCycleLR(pct_start=nan)", "SGD(lr=nan)", "SGD(momentum=nan)", "SGD(weight_decay=nan)"),
    ),
    **_calls(
        "torch looks at it in the first step; here the constructor does",
        *(f"LBFGS(line_search_fn={value})" for value in ("'no such'", "-1", "2.5", "nan")),
    ),
    **_calls(
        "torch stumbles over a missing attribute; here a TypeError says what was expected",
        *(
            f"{name}(optimizer={v})"
            for name in ("LambdaLR", "MultiplicativeLR")
            for v in ("'no such'", -1, 2.5, None, "nan")
        ),
        *(f"kaiming_{name}_(mode={v})" for name in ("normal", "uniform") for v in (-1, 2.5, None, "nan")),
    ),
    **_calls(
        "torch reads text as a number, and fails with a ValueError; here text is no number, a TypeError",
        *("CyclicLR(step_size_up='no such')", "CyclicLR(step_size_down='no such')", "OneCycleLR(pct_start='no such')"),
    ),
    **_calls("torch takes None for no milestones", "MultiStepLR(milestones=None)"),
    **_calls("torch fills nothing for a negative number of groups", "dirac_(groups=-1)"),
    **_calls(
        "torch draws complex numbers; scratch does not",
        *(
            f"{name}(tensor: complex64[3, 4])"
            for name in ("normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_")
        ),
        *(f"{name}(tensor: complex64[3, 4])" for name in ("xavier_normal_", "xavier_uniform_", "sparse_")),
    ),
    **_calls(
        "torch does not look at the dtype of an array without elements",
        *("normal_(tensor: int64[0])", "trunc_normal_(tensor: int64[0])"),
    ),
}

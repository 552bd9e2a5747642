"""What one engine refuses and the other computes, or both refuse with other errors."""

from __future__ import annotations

from typing import Any

from parity_tests.tests.properties.disagreement import (
    Disagreement,
    Holds,
    is_empty,
    other_class,
    scratch_refuses,
    torch_refuses,
)
from parity_tests.tests.properties.example import Cut, Dtype, Example, Layout, Option, Rank, Resize


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

REFUSED_BY_ONE = [
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
]

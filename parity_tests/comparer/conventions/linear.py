"""Conventions of linear maps and embeddings: layout, bias, scale, how indices count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from parity_tests.comparer.conventions.convention import ADDED, By, Deviation, Options, convention, function


@function("linear")
def linear(input: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    return F.linear(input, weight, bias)


@function("addmm")
def addmm(bias: Tensor, input: Tensor, weight: Tensor, beta: float = 1, alpha: float = 1) -> Tensor:
    return torch.addmm(bias, input, weight, beta=beta, alpha=alpha)


@function("matmul", "mm", "bmm")
def matmul(input: Tensor, weight: Tensor) -> Tensor:
    return input @ weight


@function("embedding")
def embedding(
    input: Tensor, weight: Tensor, padding_idx: Any = None, max_norm: Any = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    return F.embedding(input, weight, padding_idx, None, norm_type, scale_grad_by_freq)


@function("embedding_bag")
def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Any = None, max_norm: Any = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, per_sample_weights: Any = None,
    include_last_offset: bool = False, padding_idx: Any = None,
) -> Tensor:  # fmt: skip
    return F.embedding_bag(
        input, weight, offsets, None, norm_type, scale_grad_by_freq, mode, False, per_sample_weights,
        include_last_offset, padding_idx,
    )  # fmt: skip


@convention(
    "linear",
    "addmm",
    "bilinear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
)
def biases(o: Options) -> Iterator[Deviation]:
    if o.get("bias") is not None:
        none: Any = By(torch.zeros_like) if o.function == "addmm" else None
        yield Deviation("missing-bias", "without the bias", {"bias": none})
        yield Deviation("double-bias", "with the bias added twice", {"bias": By(lambda b: 2 * b)})


@convention("linear", "addmm", "matmul", "mm")
def layouts(o: Options) -> Iterator[Deviation]:
    w = o.weight
    if w.ndim != 2:
        return
    rows, columns = w.shape
    if rows == columns:
        text = "with x W in place of x W^T: the weight is transposed"
        yield Deviation("transposed-weight", text, {"weight": By(lambda w: w.T)})
    else:
        text = f"with the memory of the weight read as {columns} by {rows}"
        yield Deviation("transposed-weight", text, {"weight": By(lambda w: w.reshape(columns, rows).T)})
    inputs = columns if o.function == "linear" else rows
    for factor, text in (
        (inputs**-0.5, "divided by sqrt(in_features)"),
        (inputs**0.5, "times sqrt(in_features)"),
        ((2 / inputs) ** 0.5, "times sqrt(2 / in_features)"),
    ):
        yield Deviation("scaled-weight", f"with the weight {text}", {"weight": By(lambda w, f=factor: w * f)})


@convention("embedding")
def lookups(o: Options) -> Iterator[Deviation]:
    count, width = o.weight.shape
    for factor, text in ((width**0.5, "times sqrt(embedding_dim)"), (width**-0.5, "divided by sqrt(embedding_dim)")):
        yield Deviation("embedding-scale", f"with the embedding {text}", {"output": By(lambda y, f=factor: y * f)})
    for shift, text in ((-1, "counted from 1"), (1, "one too high, index + 1"), (2, "two too high, index + 2")):
        yield Deviation("index-shift", f"with indices {text}", {"input": By(lambda i, s=shift: (i + s) % count)})
    if o.padding_idx is not None:
        yield Deviation("padding-index", "with a gradient for the padding row", {"padding_idx": None})
        at = o.padding_idx % count
        text = "with zeros for the padding row"
        zeros = By(lambda w: w * (torch.arange(count) != at)[:, None])
        yield Deviation("padding-index", text, {"weight": zeros})
    else:
        yield Deviation("padding-index", "with row 0 as padding, without a gradient", {"padding_idx": 0})
    text = "with the gradient divided by the number of times a row is used (scale_grad_by_freq)"
    yield Deviation("embedding-frequency", text, {"scale_grad_by_freq": not o.scale_grad_by_freq})


@convention("embedding_bag")
def bags(o: Options) -> Iterator[Deviation]:
    for mode in ("mean", "sum", "max"):
        if mode != o.mode:
            yield Deviation("bag-mode", f"with mode='{mode}'", {"mode": mode})
    if o.mode == "sum" or o.mode == "mean":

        def rooted(o: Options) -> Tensor:
            total = embedding_bag(**{**_plain(o), "mode": "sum"})
            count = embedding_bag(**{**_plain(o), "mode": "sum", "weight": torch.ones_like(o.weight)})
            return total / count.sqrt()

        yield Deviation("bag-mode", "with the sum divided by the root of the count (sqrtn)", {"instead": rooted})


def _plain(o: Options) -> dict[str, Any]:
    return {key: value for key, value in o.items() if key not in ADDED}

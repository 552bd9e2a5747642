"""Conventions of linear maps, convolutions, embeddings, pooling and upsampling: layout, bias, padding, precision."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F

from parity_tests.comparer.conventions.variant import Variant, attribute, changed, convention, with_weights

CONVOLUTIONS = ("Conv1d", "Conv2d", "Conv3d")


@convention("Linear", "Bilinear", *CONVOLUTIONS, "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
def bias(layer: Any) -> Iterator[Variant]:
    if layer.bias is not None:
        yield attribute(layer, "missing-bias", "without the bias", parameters=False, bias=None)
        yield with_weights(layer, "double-bias", "with the bias added twice", bias=lambda b: 2 * b)


@convention("Linear")
def linear(layer: Any) -> Iterator[Variant]:
    o, i = layer.weight.shape
    if o == i:
        yield with_weights(
            layer, "transposed-weight", "with x W in place of x W^T: the weight is transposed", weight=lambda w: w.T
        )
    yield with_weights(
        layer, "transposed-weight", "with the weight's memory read as (in, out)", weight=lambda w: w.reshape(i, o).T
    )
    root = math.sqrt(i)
    yield Variant(
        "scaled-weight",
        "with the weight divided by sqrt(in_features)",
        lambda x: F.linear(x, layer.weight / root, layer.bias),
        layer,
    )


@convention(*CONVOLUTIONS)
def convolution(layer: Any) -> Iterator[Variant]:
    spatial = tuple(range(2, layer.weight.ndim))
    yield with_weights(
        layer,
        "flipped-kernel",
        "with the kernel flipped (convolution in place of correlation)",
        weight=lambda w: w.flip(spatial),
    )
    if layer.weight.shape[0] == layer.weight.shape[1]:
        yield with_weights(
            layer,
            "transposed-weight",
            "with the weight's in and out channels exchanged",
            weight=lambda w: w.transpose(0, 1),
        )
    if len(spatial) == 2 and layer.kernel_size[0] == layer.kernel_size[1]:
        yield with_weights(
            layer,
            "transposed-kernel",
            "with the kernel's height and width exchanged",
            weight=lambda w: w.transpose(2, 3),
        )
    yield with_weights(
        layer, "kernel-layout", "with the weight's memory read in layout (kernel, in, out)",
        weight=lambda w: w.reshape(*w.shape[2:], w.shape[1], w.shape[0]).permute(-1, -2, *range(w.ndim - 2)),
    )  # fmt: skip
    padded = tuple(p for size in reversed(layer.padding) for p in (size, size)) if layer.padding != "same" else ()
    for mode in ("zeros", "reflect", "replicate", "circular"):
        if mode != layer.padding_mode and any(padded):
            twin = changed(layer, padding_mode=mode, _reversed_padding_repeated_twice=padded)
            yield Variant("padding-mode", f"with padding_mode='{mode}'", twin, twin)
    if any(padded):
        twin = changed(layer, padding_mode="zeros", padding=(0,) * len(spatial))

        def after(x: torch.Tensor) -> torch.Tensor:
            """All padding at the end, as "same" does for even kernels with stride."""
            return twin(F.pad(x, tuple(2 * p if end else 0 for p in padded[::2] for end in (0, 1))))

        yield Variant("padding-side", "with all padding at the end", after, twin)


@convention("Embedding")
def embedding(layer: Any) -> Iterator[Variant]:
    root = math.sqrt(layer.embedding_dim)
    yield Variant("embedding-scale", "with the embedding times sqrt(embedding_dim)", lambda i: layer(i) * root, layer)
    yield Variant("index-shift", "with indices counted from 1", lambda i: layer((i - 1) % layer.num_embeddings), layer)
    if layer.padding_idx is not None:
        yield attribute(layer, "padding-index", "with a gradient for the padding row", padding_idx=None)
    else:
        yield attribute(layer, "padding-index", "with row 0 as padding, without a gradient", padding_idx=0)


@convention("AvgPool1d", "AvgPool2d", "AvgPool3d")
def average(layer: Any) -> Iterator[Variant]:
    word = "without" if layer.count_include_pad else "with"
    other = not layer.count_include_pad
    yield attribute(
        layer,
        "count-include-pad",
        f"with count_include_pad={other}, {word} padding in the mean",
        count_include_pad=other,
    )
    yield from _ceil(layer)
    single = isinstance(layer.kernel_size, int)
    dims = int(type(layer).__name__[-2])
    size = layer.kernel_size**dims if single else math.prod(layer.kernel_size)
    yield Variant("pool-sum", "with the sum in place of the mean", lambda x: layer(x) * size, layer)


@convention("MaxPool1d", "MaxPool2d", "MaxPool3d")
def largest(layer: Any) -> Iterator[Variant]:
    yield from _ceil(layer)
    dims = int(type(layer).__name__[-2])
    pads = (layer.padding,) * dims if isinstance(layer.padding, int) else tuple(layer.padding)
    if any(pads):
        twin = changed(layer, padding=0)
        around = tuple(p for size in reversed(pads) for p in (size, size))
        yield Variant("pool-padding", "with padding by zeros, not by -inf", lambda x: twin(F.pad(x, around)), twin)


def _ceil(layer: Any) -> Iterator[Variant]:
    yield attribute(layer, "ceil-mode", f"with ceil_mode={not layer.ceil_mode}", ceil_mode=not layer.ceil_mode)


@convention("Upsample")
def upsample(layer: Any) -> Iterator[Variant]:
    if layer.mode in ("linear", "bilinear", "bicubic", "trilinear"):
        yield attribute(
            layer,
            "align-corners",
            f"with align_corners={not layer.align_corners}",
            align_corners=not layer.align_corners,
        )
    elif layer.mode == "nearest":
        yield attribute(layer, "nearest-exact", "with mode='nearest-exact'", mode="nearest-exact")
    else:
        yield attribute(layer, "nearest-exact", "with mode='nearest'", mode="nearest")


@convention("PixelShuffle")
def pixel_shuffle(layer: Any) -> Iterator[Variant]:
    def depth_first(x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        r = layer.upscale_factor
        return x.reshape(n, r, r, c // r**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // r**2, h * r, w * r)

    yield Variant(
        "channel-order", "with the block's positions before the channels (depth_to_space, DCR)", depth_first, layer
    )

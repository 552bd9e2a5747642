"""Conventions of pooling, resizing, padding and shuffling."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from parity_tests.comparer.conventions.convention import ADDED, By, Deviation, Options, convention, function
from parity_tests.comparer.conventions.convolution import _each, _sides

AVERAGE: Any = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
LARGEST: Any = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
MEANS, MAXIMA = ("avg_pool1d", "avg_pool2d", "avg_pool3d"), ("max_pool1d", "max_pool2d", "max_pool3d")


@function(*MEANS)
def average(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None, *, around: Any = None,
) -> Tensor:  # fmt: skip
    D = len(kernel_size) if not isinstance(kernel_size, int) else input.ndim - 2
    if around is not None:
        input, padding = F.pad(input, around), 0
    rest = () if D == 1 else (divisor_override,)
    return AVERAGE[D](input, kernel_size, stride, padding, ceil_mode, count_include_pad, *rest)


@function(*MAXIMA)
def largest(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False, *, around: Any = None, filler: float = 0.0,
) -> Tensor:  # fmt: skip
    D = len(kernel_size) if not isinstance(kernel_size, int) else input.ndim - 2
    if around is not None:
        input, padding = F.pad(input, around, value=filler), 0
    return LARGEST[D](input, kernel_size, stride, padding, dilation, ceil_mode)


@convention(*MEANS, *MAXIMA)
def windows(o: Options) -> Iterator[Deviation]:
    D = o.input.ndim - 2
    kernel, pads = _each(o.kernel_size, D), _each(o.padding, D)
    mean = o.function in MEANS
    if mean:
        other = not o.count_include_pad
        text = f"with count_include_pad={other}, {'with' if other else 'without'} padding in the mean"
        yield Deviation("count-include-pad", text, {"count_include_pad": other})
    yield Deviation("ceil-mode", f"with ceil_mode={not o.ceil_mode}", {"ceil_mode": not o.ceil_mode})
    if mean:
        size = math.prod(kernel)
        yield Deviation("pool-sum", "with the sum in place of the mean", {"output": By(lambda y: y * size)})
    around = _sides([(p, p) for p in pads])
    if any(pads) and not mean:
        yield Deviation("pool-padding", "with padding by zeros, not by -inf", {"around": around})
    stride = kernel if o.stride is None or o.stride == [] else _each(o.stride, D)
    short = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(o.input.shape[2:], stride, kernel, strict=True)]
    filler = {} if mean else {"filler": -math.inf}
    for text, same in (
        ("with padding at the end first, TensorFlow's SAME", [(t // 2, t - t // 2) for t in short]),
        ("with all padding at the end", [(0, 2 * p) for p in pads]),
    ):
        yield Deviation("padding-side", text, {"around": _sides(same), **filler})
        if mean:
            instead = partial(_uncounted, around=_sides(same))
            yield Deviation("padding-side", f"{text}, not counted in the mean", {"instead": instead})
    yield Deviation("stride", "with stride 1", {"stride": 1})
    yield Deviation("stride", "with the kernel's size for a stride", {"stride": None})
    if not mean:
        shared, every = partial(_tied, shared=True), partial(_tied, shared=False)
        yield Deviation("kink", "with the gradient of a tie shared, not given to the first", {"instead": shared})
        yield Deviation("kink", "with the gradient of a tie given to all, not to the first", {"instead": every})
    said = f"with {'the largest value' if mean else 'the mean'} of each window"
    pool = LARGEST[D] if mean else AVERAGE[D]
    yield Deviation("pool-kind", said, {
        "instead": lambda o: pool(o.input, o.kernel_size, o.stride, o.padding, ceil_mode=o.ceil_mode)})  # fmt: skip


def _uncounted(o: Options, around: tuple[int, ...]) -> Tensor:
    pool = AVERAGE[o.input.ndim - 2]
    total, count = (pool(F.pad(x, around), o.kernel_size, o.stride) for x in (o.input, torch.ones_like(o.input)))
    return total / count


def _tied(o: Options, shared: bool) -> Tensor:
    """The largest value of each window, with a gradient for every value that equals it."""
    D = o.input.ndim - 2
    kernel = _each(o.kernel_size, D)
    stride = kernel if o.stride is None or o.stride == [] else _each(o.stride, D)
    x = F.pad(o.input, _sides([(p, p) for p in _each(o.padding, D)]), value=-math.inf)
    for i, (k, s) in enumerate(zip(kernel, stride, strict=True)):
        x = x.unfold(2 + i, k, s)
    rows = x.flatten(-D)
    y = rows.detach().amax(-1)
    at = rows.detach() == y[..., None]
    slope = torch.where(at, rows - rows.detach(), 0.0).sum(-1)
    return y + (slope / at.sum(-1) if shared else slope)


# --- resizing ---------------------------------------------------------------------------------------------------------


@function("interpolate", "upsample")
def resized(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Any = None,
    recompute_scale_factor: Any = None, antialias: bool = False,
) -> Tensor:  # fmt: skip
    smooth = mode not in ("nearest", "nearest-exact", "area")
    corners = {"align_corners": align_corners} if smooth else {}
    return F.interpolate(input, size, scale_factor, mode, **corners, antialias=antialias,
                         recompute_scale_factor=recompute_scale_factor)  # fmt: skip


@convention("interpolate", "upsample")
def resizes(o: Options) -> Iterator[Deviation]:
    D = o.input.ndim - 2
    linear = {1: "linear", 2: "bilinear", 3: "trilinear"}[D]
    if o.mode in ("linear", "bilinear", "bicubic", "trilinear"):
        corners = not o.align_corners
        yield Deviation("align-corners", f"with align_corners={corners}", {"align_corners": corners})
        if o.mode in ("bilinear", "bicubic"):
            text = f"with antialias={not o.antialias}"
            if not o.antialias:
                cubic = ", with a = -0.5 and the border left out, CUBIC_PYTORCH too" if o.mode == "bicubic" else ""
                text += f" (PIL, jax.image.resize{cubic})"
            yield Deviation("antialias", text, {"antialias": not o.antialias})
    out = resized(**{k: v for k, v in o.items() if k not in ADDED}).shape[2:]
    text = "without half pixels: output i from input i n / N (TensorFlow 1, asymmetric)"
    if o.mode in ("linear", "bilinear", "trilinear"):
        yield Deviation("half-pixel", text, {"instead": lambda o: _asymmetric(o.input, out)})
    for mode in ("nearest", "nearest-exact", linear, "bicubic" if D == 2 else linear, "area"):
        if mode != o.mode:
            name = "nearest-exact" if "nearest" in mode and "nearest" in o.mode else "resize-mode"
            aligned = None if mode in ("nearest", "nearest-exact", "area") else bool(o.align_corners)
            changes = {"mode": mode, "align_corners": aligned, "antialias": False}
            yield Deviation(name, f"with mode='{mode}'", changes)
    if o.scale_factor is not None and o.recompute_scale_factor is not True:
        text = "with the scale recomputed from the sizes"
        yield Deviation("scale-recomputed", text, {"recompute_scale_factor": True})
    if "nearest" in o.mode:
        for how, way in (("round", torch.round), ("ceil", torch.ceil)):
            instead = lambda o, way=way: _nearest(o.input, out, way)  # noqa: E731
            yield Deviation(
                "nearest-rounding", f"with the nearest pixel by {how}, corners aligned", {"instead": instead}
            )


def _asymmetric(x: Tensor, sizes: Any) -> Tensor:
    for axis, n in enumerate(sizes, 2):
        own = x.shape[axis]
        at = torch.arange(n, dtype=x.dtype) * (own / n)
        low = at.floor().long().clamp(max=own - 1)
        share = (at - low).view(*(-1 if i == axis else 1 for i in range(x.ndim)))
        x = x.index_select(axis, low) * (1 - share) + x.index_select(axis, (low + 1).clamp(max=own - 1)) * share
    return x


def _nearest(x: Tensor, sizes: Any, way: Any) -> Tensor:
    for axis, n in enumerate(sizes, 2):
        own = x.shape[axis]
        at = way(torch.arange(n, dtype=torch.float64) * ((own - 1) / max(n - 1, 1))).long().clamp(max=own - 1)
        x = x.index_select(axis, at)
    return x


# --- padding and shuffling --------------------------------------------------------------------------------------------


@function("pad")
def padded(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    return F.pad(input, tuple(pad), mode, value)


@convention("pad")
def paddings(o: Options) -> Iterator[Deviation]:
    for mode in ("constant", "reflect", "replicate", "circular"):
        if mode != o.mode:
            yield Deviation("padding-mode", f"with mode='{mode}'", {"mode": mode})
    pairs = list(zip(o.pad[::2], o.pad[1::2], strict=True))
    for text, order in (
        ("with before and after exchanged", [(b, a) for a, b in pairs]),
        ("with the axes in their own order, not the last one first", pairs[::-1]),
        ("with all of it at the end", [(0, a + b) for a, b in pairs]),
        ("with all of it at the start", [(a + b, 0) for a, b in pairs]),
    ):
        yield Deviation("padding-side", text, {"pad": tuple(p for pair in order for p in pair)})
    for value in (0.0, 1.0):
        if o.mode == "constant" and value != (o.value or 0.0):
            yield Deviation("padding-value", f"with {value:g} for the padding", {"value": value})


@function("pixel_shuffle")
def shuffled(input: Tensor, upscale_factor: int) -> Tensor:
    return F.pixel_shuffle(input, upscale_factor)


@function("pixel_unshuffle")
def unshuffled(input: Tensor, downscale_factor: int) -> Tensor:
    return F.pixel_unshuffle(input, downscale_factor)


@convention("pixel_shuffle")
def blocks(o: Options) -> Iterator[Deviation]:
    n, c, h, w = o.input.shape
    r = o.upscale_factor

    def depth_first(o: Options, order: tuple[int, ...] = (0, 3, 4, 1, 5, 2)) -> Tensor:
        return o.input.reshape(n, r, r, c // r**2, h, w).permute(order).reshape(n, c // r**2, h * r, w * r)

    text = "with the block's positions before the channels (depth_to_space, DCR)"
    yield Deviation("channel-order", text, {"instead": depth_first})
    text = "with rows and columns of a block exchanged"

    def exchanged(o: Options) -> Tensor:
        return o.input.reshape(n, c // r**2, r, r, h, w).permute(0, 1, 4, 3, 5, 2).reshape(n, -1, h * r, w * r)

    yield Deviation("block-order", text, {"instead": exchanged})


@convention("pixel_unshuffle")
def unblocks(o: Options) -> Iterator[Deviation]:
    n, c, h, w = o.input.shape
    r = o.downscale_factor

    def depth_first(o: Options) -> Tensor:
        return o.input.reshape(n, c, h // r, r, w // r, r).permute(0, 3, 5, 1, 2, 4).reshape(n, -1, h // r, w // r)

    text = "with the block's positions before the channels (space_to_depth)"
    yield Deviation("channel-order", text, {"instead": depth_first})

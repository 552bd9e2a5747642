"""Conventions of convolutions: the kernel's layout and sense, padding and its side, dilation, groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from parity_tests.comparer.conventions.convention import By, Deviation, Options, convention, function

CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
FORWARD: Any = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
BACKWARD: Any = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@function(*CONVOLUTIONS)
def convolution(
    input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1, *, around: Any = None, mode: str = "constant",
) -> Tensor:  # fmt: skip
    """`around` pads before, as F.pad has it, by `mode`."""
    if around is not None:
        input, padding = F.pad(input, around, mode=mode), 0
    return FORWARD[weight.ndim - 2](input, weight, bias, stride, padding, dilation, groups)


@function(*TRANSPOSED)
def transposed(
    input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    call = BACKWARD[weight.ndim - 2]
    return call(input, weight, bias, stride, padding, output_padding, groups, dilation)


def _each(value: Any, dims: int) -> tuple[int, ...]:
    return (value,) * dims if isinstance(value, int) else tuple(value) * (dims if len(value) == 1 else 1)


def _sides(pads: list[tuple[int, int]]) -> tuple[int, ...]:
    """(before, after) of each axis, in the order of F.pad: the last axis first."""
    return tuple(p for pair in reversed(pads) for p in pair)


@convention(*CONVOLUTIONS, *TRANSPOSED)
def kernels(o: Options) -> Iterator[Deviation]:
    w, D = o.weight, o.weight.ndim - 2
    spatial = tuple(range(2, w.ndim))
    text = "with the kernel flipped (convolution in place of correlation)"
    yield Deviation("flipped-kernel", text, {"weight": By(lambda w: w.flip(spatial))})
    for axis in spatial if D > 1 else ():
        text = f"with the kernel flipped along axis {axis} alone"
        yield Deviation("flipped-kernel", text, {"weight": By(lambda w, a=axis: w.flip(a))})
    if w.shape[0] == w.shape[1]:
        text = "with the in and out channels of the weight exchanged"
        yield Deviation("transposed-weight", text, {"weight": By(lambda w: w.transpose(0, 1))})
    if D == 2 and w.shape[2] == w.shape[3]:
        text = "with the kernel's height and width exchanged"
        yield Deviation("transposed-kernel", text, {"weight": By(lambda w: w.transpose(2, 3))})
    hwio = By(lambda w: w.reshape(*w.shape[2:], w.shape[1], w.shape[0]).permute(-1, -2, *range(w.ndim - 2)))
    yield Deviation("kernel-layout", "with the memory of the weight read in layout (kernel, in, out)", {"weight": hwio})
    if any(d != 1 for d in _each(o.dilation, D)):
        yield Deviation("dilation", "without dilation", {"dilation": 1})
        size = [(d - 1) * (k - 1) for d, k in zip(_each(o.dilation, D), w.shape[2:], strict=True)]
        if o.function in CONVOLUTIONS and all(s % 2 == 0 for s in size) and o.padding not in ("same", "valid"):
            smaller = tuple(p - s // 2 for p, s in zip(_each(o.padding, D), size, strict=True))
            if min(smaller) >= 0:
                yield Deviation("dilation", "without dilation, padding lessened", {"dilation": 1, "padding": smaller})
    if o.groups > 1:
        g = o.groups
        yield Deviation("groups-interleaved", "with the input channels of the groups interleaved, c mod G",
                        {"input": By(lambda x: _interleaved(x, g))})  # fmt: skip
        yield Deviation("groups-interleaved", "with the output channels of the groups interleaved",
                        {"output": By(lambda y: _interleaved(y, g))})  # fmt: skip
        yield Deviation("groups-interleaved", "with input and output channels of the groups interleaved",
                        {"input": By(lambda x: _interleaved(x, g)), "output": By(lambda y: _sorted(y, g))})  # fmt: skip


def _interleaved(x: Tensor, groups: int) -> Tensor:
    """Channel g of every block to block g."""
    return x.unflatten(1, (-1, groups)).transpose(1, 2).flatten(1, 2)


def _sorted(x: Tensor, groups: int) -> Tensor:
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


@convention(*CONVOLUTIONS)
def paddings(o: Options) -> Iterator[Deviation]:
    D, x = o.weight.ndim - 2, o.input
    kernel = [d * (k - 1) + 1 for d, k in zip(_each(o.dilation, D), o.weight.shape[2:], strict=True)]
    stride = _each(o.stride, D)
    if isinstance(o.padding, str):
        own = [((k - 1) // 2, k // 2) if o.padding == "same" else (0, 0) for k in kernel]
    else:
        own = [(p, p) for p in _each(o.padding, D)]
    sizes = x.shape[-D:]
    short = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(sizes, stride, kernel, strict=True)]
    trials = {
        "padding-side": [
            ("with all padding at the end", [(0, a + b) for a, b in own]),
            ("with all padding at the start (causal)", [(a + b, 0) for a, b in own]),
            ("with the odd place of padding before (p + 1, p)", [(b, a) for a, b in own]),
        ],
        "padding-same": [
            (f"with padding {_said(short)} before and after, TensorFlow's SAME", [(t // 2, t - t // 2) for t in short]),
            (f"with padding {_said(short, True)} before and after, SAME_LOWER", [(t - t // 2, t // 2) for t in short]),
        ],
        "padding-missing": [("without padding", [(0, 0)] * D)],
        "padding-size": [
            ("with one place of padding more on each side", [(a + 1, b + 1) for a, b in own]),
            ("with one place of padding less on each side", [(a - 1, b - 1) for a, b in own]),
        ],
    }
    for name, forms in trials.items():
        for text, pads in forms:
            if pads != own and min(min(p) for p in pads) >= 0:
                yield Deviation(name, text, {"around": _sides(pads)})
    if any(a + b for a, b in own):
        for mode in ("reflect", "replicate", "circular"):
            yield Deviation("padding-mode", f"with padding_mode='{mode}'", {"around": _sides(own), "mode": mode})
    if any(s > 1 for s in stride):
        yield Deviation("stride", "without the stride", {"stride": 1})


def _said(short: list[int], lower: bool = False) -> str:
    pairs = {(t - t // 2, t // 2) if lower else (t // 2, t - t // 2) for t in short}
    return ", ".join(f"{a} and {b}" for a, b in sorted(pairs))


@convention(*TRANSPOSED)
def crops(o: Options) -> Iterator[Deviation]:
    """Torch crops `padding` places at both ends and adds output_padding at the end."""
    D = o.weight.ndim - 2
    p, extra = _each(o.padding, D), _each(o.output_padding, D)

    def cropped(o: Options, starts: tuple[int, ...]) -> Tensor:
        whole = transposed(o.input, o.weight, None, o.stride, 0, tuple(extra), o.groups, o.dilation)
        own = [n - 2 * a for n, a in zip(whole.shape[2:], p, strict=True)]
        for i, (start, size) in enumerate(zip(starts, own, strict=True)):
            whole = whole.narrow(2 + i, start, size)
        return whole if o.bias is None else whole + o.bias.view(-1, *(1,) * D)

    if any(p):
        start = "with the output cropped at its end alone, where torch's padding crops both (TensorFlow's SAME)"
        yield Deviation("padding-side", start, {"instead": lambda o: cropped(o, (0,) * D)})
        end = "with the output cropped at its start alone, where torch's padding crops both"
        yield Deviation("padding-side", end, {"instead": lambda o: cropped(o, tuple(2 * a for a in p))})
        yield Deviation("padding-missing", "without padding", {"padding": 0})
    if any(extra):

        def zeros(o: Options) -> Tensor:
            y = transposed(o.input, o.weight, o.bias, o.stride, o.padding, 0, o.groups, o.dilation)
            return F.pad(y, _sides([(0, e) for e in extra]))

        yield Deviation("output-padding", "with zeros for output_padding", {"instead": zeros})

        def biased(o: Options) -> Tensor:
            y = transposed(o.input, o.weight, None, o.stride, o.padding, 0, o.groups, o.dilation)
            y = F.pad(y, _sides([(0, e) for e in extra]))
            return y if o.bias is None else y + o.bias.view(-1, *(1,) * D)

        text = "with zeros and the bias for output_padding"
        yield Deviation("output-padding", text, {"instead": biased})
        yield Deviation("output-padding", "with output_padding before, not after", {"instead": lambda o: cropped(
            Options({**o}), tuple(max(a - e, 0) for a, e in zip(p, extra, strict=True)))})  # fmt: skip


@convention(*CONVOLUTIONS)
def separable(o: Options) -> Iterator[Deviation]:
    if o.groups == o.input.shape[1] and o.weight.shape[0] > o.groups:
        m = o.weight.shape[0] // o.groups
        text = "with depthwise filters ordered multiplier first (TensorFlow: channel c, multiplier m at c M + m)"
        order = By(lambda w: torch.cat([w[i::m] for i in range(m)]))
        yield Deviation("depthwise-order", text, {"weight": order})

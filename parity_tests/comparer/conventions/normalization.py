"""Conventions of normalizations: the place and size of epsilon, the divisor of the variance, the axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from parity_tests.comparer.conventions.convention import By, Deviation, Options, convention, function

EPSILONS = (1e-3, 1e-5, 1e-6, 1e-8, 1e-7, 1e-12, 1e-2, 1e-4, 2.0**-23, 1e-10, 0.0)

# d is x without its mean, v the biased variance, e epsilon, n the number of values
ROOTS: dict[str, Callable[[Tensor, float, int], Tensor]] = {
    "inside": lambda v, e, n: (v + e).sqrt(),
    "outside": lambda v, e, n: v.sqrt() + e,
    "unbiased": lambda v, e, n: (v * n / max(n - 1, 1) + e).sqrt(),
    "unbiased-outside": lambda v, e, n: (v * n / max(n - 1, 1)).sqrt() + e,
    "none": lambda v, e, n: v + e,
    "maximum": lambda v, e, n: v.clamp(min=e).sqrt(),
    "sum": lambda v, e, n: (v * n + e).sqrt(),
}
TEXTS = {
    "outside": ("eps-place", "with epsilon outside the root, x / (sqrt(var) + eps)"),
    "unbiased": ("variance-unbiased", "with the unbiased variance, divided by n - 1"),
    "none": ("no-root", "with division by the variance, not its root"),
    "unbiased-outside": ("std-unbiased", "with the unbiased standard deviation and epsilon outside the root"),
    "maximum": ("eps-place", "with max(var, eps) in place of var + eps"),
    "sum": ("no-mean", "with the sum of squares, not their mean"),
}

ALL_TEXTS = {
    "inside": ("eps-place", "with epsilon inside the root, x / sqrt(var + eps), and the biased variance"),
    **TEXTS,
}


def normalized(x: Tensor, dims: Sequence[int], eps: float, root: str, center: bool) -> Tensor:
    d = x - x.mean(tuple(dims), keepdim=True) if center else x
    n = math.prod(x.shape[i] for i in dims)
    return d / ROOTS[root]((d * d).mean(tuple(dims), keepdim=True), eps, n)


def scaled(y: Tensor, weight: Tensor | None, bias: Tensor | None, channel: int | None = None) -> Tensor:
    """Weight and bias along the channel, or along the last dimensions."""
    shape = None if channel is None else tuple(-1 if i == channel else 1 for i in range(y.ndim))
    for value, apply in ((weight, torch.mul), (bias, torch.add)):
        if value is not None:
            y = apply(y, value if shape is None else value.view(shape))
    return y


@function("layer_norm")
def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, *,
    root: str = "inside", center: bool = True, dims: Any = None,
) -> Tensor:  # fmt: skip
    over = tuple(range(-len(normalized_shape), 0)) if dims is None else dims
    return scaled(normalized(input, over, eps, root, center), weight, bias)


@function("rms_norm")
def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Any = None, eps: Any = None, *,
    root: str = "inside", center: bool = False, dims: Any = None, bias: Any = None,
) -> Tensor:  # fmt: skip
    eps = 2.0**-23 if eps is None else eps
    return layer_norm(input, normalized_shape, weight, bias, eps, root=root, center=center, dims=dims)


@function("group_norm")
def group_norm(
    input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *,
    root: str = "inside", interleaved: bool = False, every: bool = True,
) -> Tensor:  # fmt: skip
    N, C = input.shape[:2]
    rows = input.reshape(N, C, -1)
    if interleaved:
        rows = rows.reshape(N, C // num_groups, num_groups, -1).transpose(1, 2)
    rows = rows.reshape(N, num_groups, C // num_groups, -1)
    y = normalized(rows, (-2, -1) if every else (-2,), eps, root, True)
    if interleaved:
        y = y.transpose(1, 2)
    return scaled(y.reshape(input.shape), weight, bias, 1)


@function("batch_norm")
def batch_norm(
    input: Tensor, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: Any = 0.1, eps: float = 1e-5, *, root: str = "inside", unbiased_running: bool = True,
    dims: Any = None, smoothed: bool = False,
) -> Tensor:  # fmt: skip
    """The running statistics are changed in place, as torch's are; `smoothed` normalizes by what they become."""
    over = tuple(i for i in range(input.ndim) if i != 1) if dims is None else dims
    if not training:
        shape = tuple(-1 if i == 1 else 1 for i in range(input.ndim))
        y = (input - running_mean.view(shape)) / ROOTS[root](running_var.view(shape), eps, 1)
        return scaled(y, weight, bias, 1)
    if running_mean is not None:
        mean, var = input.mean(over), input.var(over, correction=int(unbiased_running))
        new = [own.lerp(value.reshape(own.shape), momentum)
               for own, value in ((running_mean, mean), (running_var, var))]  # fmt: skip
        for own, value in zip((running_mean, running_var), new, strict=True):
            own.copy_(value.detach())
        if smoothed:
            shape = tuple(-1 if i == 1 else 1 for i in range(input.ndim))
            y = (input - new[0].view(shape)) / ROOTS[root](new[1].view(shape), eps, 1)
            return scaled(y, weight, bias, 1)
    return scaled(normalized(input, over, eps, root, True), weight, bias, 1)


@function("instance_norm")
def instance_norm(
    input: Tensor, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
    use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5, *, root: str = "inside",
    unbiased_running: bool = True, batch: bool = False,
) -> Tensor:  # fmt: skip
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps, root=root)
    over = tuple(range(2, input.ndim))
    if running_mean is not None:
        mean, var = input.mean(over).mean(0), input.var(over, correction=int(unbiased_running)).mean(0)
        for own, value in ((running_mean, mean), (running_var, var)):
            own.lerp_(value.detach(), momentum)
    return scaled(normalized(input, (0, *over) if batch else over, eps, root, True), weight, bias, 1)


@function("normalize")
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, *, place: str = "maximum") -> Tensor:
    size = input.norm(p, dim, keepdim=True)
    if place == "inside":
        return input / (input.pow(2).sum(dim, keepdim=True) + eps).sqrt()
    return input / (size + eps if place == "added" else size.clamp_min(eps))


@convention("layer_norm", "rms_norm", "group_norm", "batch_norm", "instance_norm")
def roots(o: Options) -> Iterator[Deviation]:
    own = 2.0**-23 if o.eps is None else o.eps
    for eps in EPSILONS:
        if eps != own:
            yield Deviation("eps-value", f"with eps={eps:g}", {"eps": eps})
    for root, (name, text) in ALL_TEXTS.items():
        if root != o.get("root", "inside"):
            yield Deviation(name, text, {"root": root})


@convention("layer_norm", "rms_norm")
def over_axes(o: Options) -> Iterator[Deviation]:
    if "bias" in o and o.get("center", True):
        yield Deviation("rms", "without subtracting the mean (RMSNorm)", {"center": False})
    else:
        yield Deviation("centered", "with the mean subtracted (LayerNorm)", {"center": True})
    own = tuple(range(-len(o.normalized_shape), 0))
    for dims in ((-1,), (-2,), (-3,), (-2, -1), (1,), (0,), tuple(range(1, o.input.ndim)), tuple(range(o.input.ndim))):
        if all(-o.input.ndim <= d < o.input.ndim for d in dims) and {d % o.input.ndim for d in dims} != {
            d % o.input.ndim for d in own
        }:
            yield Deviation("norm-axis", f"with the mean and variance over axes {dims}", {"dims": dims})
    if o.weight is not None:
        text = "with weight + 1 for the weight (Gemma, zero-centered weights)"
        yield Deviation("weight-offset", text, {"weight": By(lambda w: w + 1)})


@convention("group_norm")
def groups(o: Options) -> Iterator[Deviation]:
    C = o.input.shape[1]
    for count in sorted({1, C, C // max(o.num_groups, 1), 2, 4, 8, 32}):
        if 0 < count != o.num_groups and C % count == 0:
            yield Deviation("groups", f"with {count} groups", {"num_groups": count})
    if 1 < o.num_groups < C:
        text = "with interleaved groups: channel c belongs to group c mod G"
        yield Deviation("groups-interleaved", text, {"interleaved": True})
    yield Deviation("norm-axis", "with the mean and variance over the channels of each place alone", {"every": False})


@convention("batch_norm")
def statistics(o: Options) -> Iterator[Deviation]:
    if o.training and o.running_mean is not None:
        yield from _running(o)
        text = "with what the running statistics become in training, and a biased variance (Equinox's mode='ema')"
        yield Deviation("smoothed-statistics", text, {"smoothed": True, "unbiased_running": False})
        text = "with the running statistics in training"
        yield Deviation("running-statistics", text, {"training": False})
    elif not o.training and o.running_mean is not None:
        text = "with the batch's statistics in eval mode"
        yield Deviation("batch-statistics", text, {"training": True, "running_mean": None, "running_var": None})
    if o.input.ndim > 2 and o.training:
        yield Deviation("norm-axis", "with statistics of the batch axis alone", {"dims": (0,)})
        yield Deviation(
            "norm-axis", "with statistics of each image (InstanceNorm)", {"dims": tuple(range(2, o.input.ndim))}
        )


@convention("instance_norm")
def instances(o: Options) -> Iterator[Deviation]:
    if o.use_input_stats and o.running_mean is not None:
        yield from _running(o)
    yield Deviation("norm-axis", "with statistics over the batch too (BatchNorm)", {"batch": True})


def _running(o: Options) -> Iterator[Deviation]:
    yield Deviation("running-var-biased", "with the biased variance in running_var", {"unbiased_running": False})
    for momentum in (1 - o.momentum, 0.1, 0.01, 0.001, 0.05, 0.2, 0.003, 0.9, 1.0, 0.0):
        if momentum != o.momentum:
            yield Deviation("momentum", f"with momentum {momentum:g} on the new value", {"momentum": momentum})


@convention("layer_norm", "group_norm", "batch_norm", "instance_norm", "rms_norm")
def unscaled(o: Options) -> Iterator[Deviation]:
    """Without the bias, or without the scale."""
    if o.get("bias") is not None:
        yield Deviation("missing-bias", "without the bias", {"bias": None})
    if o.weight is not None:
        yield Deviation("missing-scale", "without the weight", {"weight": None})
        if o.get("bias") is not None:
            yield Deviation("missing-scale", "without weight and bias", {"weight": None, "bias": None})


@convention("normalize")
def lengths(o: Options) -> Iterator[Deviation]:
    yield Deviation("eps-place", "with epsilon added to the norm", {"place": "added"})
    yield Deviation("eps-place", "with epsilon inside the root", {"place": "inside"})
    for dim in range(o.input.ndim):
        if dim != o.dim % o.input.ndim:
            yield Deviation("norm-axis", f"with the norm over axis {dim}", {"dim": dim})
    yield Deviation("norm-order", "with the sum of absolute values for a norm", {"p": 1.0})
    for eps in EPSILONS:
        if eps != o.eps:
            yield Deviation("eps-value", f"with eps={eps:g}", {"eps": eps})


# --- var and std as functions -----------------------------------------------------------------------------------------


@function("var", "std")
def spread(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Tensor:
    raise NotImplementedError


@convention("var", "std")
def corrections(o: Options) -> Iterator[Deviation]:
    dim, keepdim = (None, False) if isinstance(o.dim, bool) else (o.dim, o.keepdim)
    own = o.correction if o.correction is not None else 1 if o.unbiased is None else int(o.unbiased)
    own = int(o.dim) if isinstance(o.dim, bool) else own

    def by(correction: int, root: bool, o: Options) -> Tensor:
        v = torch.var(o.input, dim, correction=correction, keepdim=keepdim)
        return v.sqrt() if root else v

    root = o.function == "std"
    nan = "with the gradient NaN where all values are equal, sqrt(0)"
    if root:
        rooted = lambda o: torch.var(o.input, dim, correction=own, keepdim=keepdim) ** 0.5  # noqa: E731
        yield Deviation("kink", nan, {"instead": rooted})
    word = "with the biased" if own else "with the unbiased"
    yield Deviation(
        "variance-unbiased" if not own else "variance-biased",
        f"{word} variance, divided by n{'' if own else ' - 1'}",
        {"instead": lambda o: by(0 if own else 1, root, o)},
    )
    name, text = ("no-root", "with the variance, not its root") if root else ("root", "with the standard deviation")
    yield Deviation(name, text, {"instead": lambda o: by(own, not root, o)})


# --- a standard deviation or root mean square by itself ---------------------------------------------------------------


@function("deviation")
def deviation(
    input: Tensor, axes: Sequence[int], eps: float, root: str, center: bool, inverse: bool, shape: Sequence[int]
) -> Tensor:  # fmt: skip
    d = input - input.mean(tuple(axes), keepdim=True) if center else input
    n = math.prod(input.shape[i] for i in axes)
    s = ROOTS[root]((d * d).mean(tuple(axes), keepdim=True), eps, n).view(tuple(shape))
    return 1 / s if inverse else s


@convention("deviation")
def deviations_by_hand(o: Options) -> Iterator[Deviation]:
    for eps in EPSILONS:
        if eps != o.eps:
            yield Deviation("eps-value", f"with eps={eps:g}", {"eps": eps})
    for root, (name, text) in ALL_TEXTS.items():
        if root != o.root:
            yield Deviation(name, text, {"root": root})
    for axis in range(o.input.ndim):
        if len(o.axes) == 1 and axis != o.axes[0] and o.input.shape[axis] == o.input.shape[o.axes[0]]:
            yield Deviation("norm-axis", f"with the variance over axis {axis}", {"axes": (axis,)})

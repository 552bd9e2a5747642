"""Conventions of normalization layers: where epsilon stands and how large it is, and what the variance divides by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from parity_tests.comparer.conventions.variant import Variant, attribute, convention, sized

EPSILONS = (1e-3, 1e-5, 1e-6, 1e-8, 1e-7, 1e-12, 1e-2, 1e-4, 0.0)


def _scaled(layer: Any, y: torch.Tensor, channel: int | None) -> torch.Tensor:
    """Weight and bias along the channel, or along the last dimensions."""
    for name, apply in (("weight", torch.mul), ("bias", torch.add)):
        value = getattr(layer, name, None)
        if value is not None:
            if channel is not None:
                value = value.view(*(-1 if d == channel else 1 for d in range(y.ndim)))
            y = apply(y, value)
    return y


Rule = Callable[[torch.Tensor, torch.Tensor, float, int], torch.Tensor]
RULES: dict[str, tuple[str, Rule]] = {
    "eps-place": ("with epsilon outside the root, x / (sqrt(var) + eps)", lambda d, v, e, n: d / (v.sqrt() + e)),
    "variance-unbiased": (
        "with the unbiased variance, divided by n - 1",
        lambda d, v, e, n: d / (v * n / max(n - 1, 1) + e).sqrt(),
    ),
    "no-root": ("with division by the variance, not its root", lambda d, v, e, n: d / (v + e)),
    "std-unbiased": (
        "with the unbiased standard deviation and epsilon outside the root",
        lambda d, v, e, n: d / ((v * n / max(n - 1, 1)).sqrt() + e),
    ),
}


@convention("LayerNorm")
def layer_norm(layer: Any) -> Iterator[Variant]:
    dims = tuple(range(-len(layer.normalized_shape), 0))
    n = 1
    for size in layer.normalized_shape:
        n *= size

    def by(rule: Rule, center: bool = True) -> Any:
        def compute(x: torch.Tensor) -> torch.Tensor:
            d = x - x.mean(dims, keepdim=True) if center else x
            return _scaled(layer, rule(d, (d * d).mean(dims, keepdim=True), layer.eps, n), None)

        return compute

    yield from _epsilons(layer)
    for name, (text, rule) in RULES.items():
        yield Variant(name, text, by(rule), layer)
    yield Variant(
        "rms", "without subtracting the mean (RMSNorm)", by(lambda d, v, e, n: d / (v + e).sqrt(), False), layer
    )
    yield from _unscaled(layer, by(lambda d, v, e, n: d / (v + e).sqrt()))


@convention("RMSNorm")
def rms_norm(layer: Any) -> Iterator[Variant]:
    for eps in (1e-5, 1e-6, 1e-8, 2.0**-23, 1e-3, 0.0):
        yield attribute(layer, "eps-value", f"with eps={sized(eps)}", eps=eps)
    dims = tuple(range(-len(layer.normalized_shape), 0))
    eps = 2.0**-23 if layer.eps is None else layer.eps

    def outside(x: torch.Tensor) -> torch.Tensor:
        return _scaled(layer, x / ((x * x).mean(dims, keepdim=True).sqrt() + eps), None)

    def centered(x: torch.Tensor) -> torch.Tensor:
        d = x - x.mean(dims, keepdim=True)
        return _scaled(layer, d / ((d * d).mean(dims, keepdim=True) + eps).sqrt(), None)

    yield Variant("eps-place", "with epsilon outside the root", outside, layer)
    yield Variant("centered", "with the mean subtracted (LayerNorm)", centered, layer)


@convention("GroupNorm")
def group_norm(layer: Any) -> Iterator[Variant]:
    def by(rule: Rule) -> Any:
        def compute(x: torch.Tensor) -> torch.Tensor:
            rows = x.reshape(x.shape[0], layer.num_groups, -1)
            d = rows - rows.mean(-1, keepdim=True)
            y = rule(d, (d * d).mean(-1, keepdim=True), layer.eps, d.shape[-1]).reshape(x.shape)
            return _scaled(layer, y, 1)

        return compute

    yield from _epsilons(layer)
    for name, (text, rule) in RULES.items():
        yield Variant(name, text, by(rule), layer)
    for groups in (1, layer.num_channels):
        yield attribute(layer, "groups", f"with {groups} groups", num_groups=groups)


@convention("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d")
def batch_norm(layer: Any) -> Iterator[Variant]:
    instance = type(layer).__name__.startswith("Instance")
    own_statistics = layer.training or layer.running_mean is None

    def statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
        dims = tuple(range(2, x.ndim)) if instance else (0, *range(2, x.ndim))
        if not own_statistics:
            shape = tuple(-1 if d == 1 else 1 for d in range(x.ndim))
            return layer.running_mean.view(shape), layer.running_var.view(shape), 1
        mean = x.mean(dims, keepdim=True)
        return mean, ((x - mean) ** 2).mean(dims, keepdim=True), x.numel() // mean.numel()

    def by(rule: Rule) -> Any:
        def compute(x: torch.Tensor) -> torch.Tensor:
            mean, var, n = statistics(x)
            return _scaled(layer, rule(x - mean, var, layer.eps, n), 1)

        return compute

    def running(momentum: float, unbiased: bool) -> Variant:
        """The buffers after one forward by another rule."""
        after: dict[str, torch.Tensor] = {}

        def compute(x: torch.Tensor) -> torch.Tensor:
            mean, var, n = statistics(x)
            factor = n / max(n - 1, 1) if unbiased else 1.0
            for name, value in (("running_mean", mean), ("running_var", var * factor)):
                value = value.detach().mean(0).flatten() if instance else value.detach().flatten()
                after[name] = (1 - momentum) * getattr(layer, name) + momentum * value
            return _scaled(layer, (x - mean) / (var + layer.eps).sqrt(), 1)

        text = "" if unbiased else "with the biased variance in running_var"
        if momentum != layer.momentum:
            text += (" and " if text else "") + f"with momentum {momentum:g} on the new value"
        name = "running-var-biased" if momentum == layer.momentum else "momentum"
        return Variant(name, text, compute, layer, lambda: after)

    if layer.training and layer.running_mean is not None and layer.momentum is not None:
        yield running(layer.momentum, False)
        for unbiased in (True, False):
            for momentum in (1 - layer.momentum, 0.1, 0.01, 0.001, 0.05, 0.2):
                if momentum != layer.momentum:
                    yield running(momentum, unbiased)
    yield from _epsilons(layer)
    for name, (text, rule) in RULES.items():
        yield Variant(name, text, by(rule), layer)
    if not layer.training and layer.running_mean is not None:
        yield attribute(
            layer, "batch-statistics", "with the batch's statistics in eval mode", running_mean=None, running_var=None
        )
    elif layer.running_mean is not None:
        own_statistics_before = own_statistics

        def eval_statistics(x: torch.Tensor) -> torch.Tensor:
            nonlocal own_statistics
            own_statistics = False
            try:
                return by(lambda d, v, e, n: d / (v + e).sqrt())(x)
            finally:
                own_statistics = own_statistics_before

        yield Variant("running-statistics", "with the running statistics in training", eval_statistics, layer)
    yield from _unscaled(layer, by(lambda d, v, e, n: d / (v + e).sqrt()))


def _epsilons(layer: Any) -> Iterator[Variant]:
    for eps in EPSILONS:
        if eps != layer.eps:
            yield attribute(layer, "eps-value", f"with eps={sized(eps)}", eps=eps)


def _unscaled(layer: Any, compute: Any) -> Iterator[Variant]:
    """Without the bias, or without the scale."""
    if getattr(layer, "bias", None) is not None:
        yield attribute(layer, "missing-bias", "without the bias", parameters=False, bias=None)
    if getattr(layer, "weight", None) is not None:
        yield attribute(layer, "missing-scale", "without weight and bias", parameters=False, weight=None, bias=None)

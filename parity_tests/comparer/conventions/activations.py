"""Conventions of activations, softmax, dropout and flattening."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F

from parity_tests.comparer.conventions.variant import Variant, attribute, convention


@convention("GELU")
def gelu(layer: Any) -> Iterator[Variant]:
    if layer.approximate == "none":
        yield attribute(layer, "gelu-tanh", "with approximate='tanh'", approximate="tanh")
    else:
        yield attribute(layer, "gelu-erf", "with the exact erf form, approximate='none'", approximate="none")
    yield Variant("gelu-sigmoid", "with x * sigmoid(1.702 x)", lambda x: x * torch.sigmoid(1.702 * x), layer)


@convention("LeakyReLU")
def leaky(layer: Any) -> Iterator[Variant]:
    for slope in (0.01, 0.2, 0.3, 0.1, 0.02, 1 / 3, 0.05, 0.0):
        if slope != layer.negative_slope:
            yield attribute(layer, "leaky-slope", f"with negative_slope={slope:g}", negative_slope=slope)


@convention("ELU", "CELU")
def elu(layer: Any) -> Iterator[Variant]:
    for alpha in (1.0, 0.1, 0.2, 0.3, 0.5, 1.5, 2.0, 1.6732632423543772):
        if alpha != layer.alpha:
            yield attribute(layer, "elu-alpha", f"with alpha={alpha:g}", alpha=alpha)


@convention("SELU")
def selu(layer: Any) -> Iterator[Variant]:
    yield Variant("selu-scale", "without SELU's outer scale 1.0507", lambda x: F.elu(x, 1.6732632423543772), layer)


@convention("Hardsigmoid")
def hardsigmoid(layer: Any) -> Iterator[Variant]:
    yield Variant("hardsigmoid-slope", "with clip(0.2 x + 0.5, 0, 1)", lambda x: (0.2 * x + 0.5).clamp(0, 1), layer)
    yield Variant("hardsigmoid-slope", "with clip(x / 4 + 0.5, 0, 1)", lambda x: (0.25 * x + 0.5).clamp(0, 1), layer)


@convention("Softplus")
def softplus(layer: Any) -> Iterator[Variant]:
    for beta in (1.0, 2.0, 0.5):
        if beta != layer.beta:
            yield attribute(layer, "softplus-beta", f"with beta={beta:g}", beta=beta)


@convention("Hardshrink", "Softshrink")
def shrink(layer: Any) -> Iterator[Variant]:
    for lambd in (0.5, 1.0, 0.1, 0.0):
        if lambd != layer.lambd:
            yield attribute(layer, "shrink-lambda", f"with lambd={lambd:g}", lambd=lambd)


@convention("Softmax", "LogSoftmax", "Softmin")
def softmax(layer: Any) -> Iterator[Variant]:
    form = {"Softmax": torch.softmax, "LogSoftmax": torch.log_softmax, "Softmin": lambda x, d: torch.softmax(-x, d)}
    own = form[type(layer).__name__]
    for dim in range(-1, -5, -1):
        yield Variant("softmax-axis", f"with the softmax over axis {dim}", lambda x, d=dim: own(x, d), layer)
    yield Variant("softmax-axis", "with the softmax over all elements", lambda x: own(x.flatten(), 0).view_as(x), layer)
    if own is torch.softmax:
        yield Variant("softmax-log", "with log_softmax", lambda x: torch.log_softmax(x, layer.dim), layer)
    elif own is torch.log_softmax:
        yield Variant("softmax-log", "with softmax, no logarithm", lambda x: torch.softmax(x, layer.dim), layer)

    def diagonal(x: torch.Tensor) -> torch.Tensor:
        y = torch.softmax(x, layer.dim).detach()
        return y + y * (1 - y) * (x - x.detach())

    if own is torch.softmax:
        yield Variant("softmax-diagonal", "with the diagonal of softmax's Jacobian alone", diagonal, layer)


@convention("Dropout", "Dropout1d", "Dropout2d", "Dropout3d")
def dropout(layer: Any) -> Iterator[Variant]:
    p = layer.p
    if layer.training:
        yield Variant(
            "dropout-scale", "without the division by 1 - p (not inverted)", lambda x: (1 - p) * layer(x), layer
        )
        if p:
            yield Variant(
                "dropout-scale", "with division by p in place of 1 - p", lambda x: layer(x) * (1 - p) / p, layer
            )
        yield Variant("dropout-off", "without dropout in training", lambda x: x * 1, layer)
        yield attribute(layer, "dropout-keep", "with p as the probability to keep", p=1 - p)
    else:
        yield Variant("dropout-scale", "with x * (1 - p) in eval mode (not inverted)", lambda x: x * (1 - p), layer)
        on = attribute(layer, "dropout-eval", "with dropout left on in eval mode")
        on.layer.train(True)
        yield on


@convention("Flatten")
def flatten(layer: Any) -> Iterator[Variant]:
    def channels_last(x: torch.Tensor) -> torch.Tensor:
        return x.movedim(1, -1).flatten(layer.start_dim, layer.end_dim)

    def fortran(x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, *range(x.ndim - 1, 0, -1)).flatten(layer.start_dim, layer.end_dim)

    yield Variant("channel-order", "with channels last (N, ..., C) before flattening", channels_last, layer)
    yield Variant("channel-order", "with the dimensions in reverse (Fortran) order", fortran, layer)


FORMS: dict[str, Any] = {
    "ReLU": F.relu, "GELU": F.gelu, "SiLU": F.silu, "Tanh": torch.tanh, "Sigmoid": torch.sigmoid, "ELU": F.elu,
    "LeakyReLU": F.leaky_relu, "Softplus": F.softplus, "SELU": F.selu, "Mish": F.mish, "ReLU6": F.relu6,
    "Hardswish": F.hardswish, "Hardsigmoid": F.hardsigmoid, "Softsign": F.softsign, "Identity": lambda x: x * 1,
}  # fmt: skip


@convention(*FORMS, "Hardtanh", "Tanhshrink", "LogSigmoid")
def another(layer: Any) -> Iterator[Variant]:
    for name, form in FORMS.items():
        if name != type(layer).__name__:
            yield Variant("other-activation", f"with {name} in place of {type(layer).__name__}", form, layer)

"""Conventions of activations: another form or constant, and gated halves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from parity_tests.comparer.conventions.convention import By, Deviation, Options, convention, function

SELU_ALPHA = 1.6732632423543772

FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "ReLU": F.relu, "GELU": F.gelu, "GELU in its tanh form": lambda x: F.gelu(x, approximate="tanh"), "SiLU": F.silu,
    "Tanh": torch.tanh, "Sigmoid": torch.sigmoid, "ELU": F.elu, "LeakyReLU": F.leaky_relu, "Softplus": F.softplus,
    "SELU": F.selu, "Mish": F.mish, "ReLU6": F.relu6, "Hardswish": F.hardswish, "Hardsigmoid": F.hardsigmoid,
    "Hardtanh": F.hardtanh, "Softsign": F.softsign, "LogSigmoid": F.logsigmoid, "the identity": lambda x: x * 1,
    "the squared ReLU": lambda x: F.relu(x) ** 2, "x sigmoid(1.702 x)": lambda x: x * torch.sigmoid(1.702 * x),
}  # fmt: skip

OWN = {
    "relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "tanh": "Tanh", "sigmoid": "Sigmoid", "elu": "ELU", "celu": "ELU",
    "leaky_relu": "LeakyReLU", "softplus": "Softplus", "selu": "SELU", "mish": "Mish", "relu6": "ReLU6",
    "hardswish": "Hardswish", "hardsigmoid": "Hardsigmoid", "hardtanh": "Hardtanh", "softsign": "Softsign",
    "logsigmoid": "LogSigmoid",
}  # fmt: skip


@function("relu")
def relu(input: Tensor) -> Tensor:
    return F.relu(input)


@function("gelu")
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    return F.gelu(input, approximate=approximate)


def _plain(form: str) -> Callable[..., Tensor]:
    def activation(input: Tensor) -> Tensor:
        return FORMS[form](input)

    return activation


for _name in ("silu", "tanh", "sigmoid", "selu", "mish", "relu6", "hardswish", "hardsigmoid", "softsign", "logsigmoid"):
    function(_name)(_plain(OWN[_name]))


@function("elu", "celu")
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    return F.elu(input, alpha)


@function("leaky_relu")
def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    return F.leaky_relu(input, negative_slope)


@function("softplus")
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    return F.softplus(input, beta, threshold)


@function("hardshrink", "softshrink")
def shrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    raise NotImplementedError


@function("hardtanh")
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    return F.hardtanh(input, min_val, max_val)


@function("clamp", "clip")
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    return torch.clamp(input, min, max)


@function("clamp_min")
def clamp_min(input: Tensor, min: Any) -> Tensor:
    return torch.clamp(input, min=min)


@function("clamp_max")
def clamp_max(input: Tensor, max: Any) -> Tensor:
    return torch.clamp(input, max=max)


@function("abs")
def absolute(input: Tensor) -> Tensor:
    return input.abs()


@function("glu")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    return F.glu(input, dim)


@function("prelu")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    return F.prelu(input, weight)


@convention("gelu")
def forms_of_gelu(o: Options) -> Iterator[Deviation]:
    if o.approximate == "none":
        yield Deviation("gelu-tanh", "with approximate='tanh'", {"approximate": "tanh"})
    else:
        yield Deviation("gelu-erf", "with the exact erf form, approximate='none'", {"approximate": "none"})
    sigmoid = "with x * sigmoid(1.702 x)"
    yield Deviation("gelu-sigmoid", sigmoid, {"instead": lambda o: o.input * torch.sigmoid(1.702 * o.input)})


@convention("leaky_relu")
def slopes(o: Options) -> Iterator[Deviation]:
    for slope in (0.01, 0.2, 0.3, 0.1, 0.02, 1 / 3, 0.05, 0.0, 0.25):
        if slope != o.negative_slope:
            yield Deviation("leaky-slope", f"with negative_slope={slope:g}", {"negative_slope": slope})


@convention("prelu")
def shared_slopes(o: Options) -> Iterator[Deviation]:
    if o.weight.numel() > 1:
        yield Deviation("prelu-shared", "with one slope, the first, for all channels", {"weight": By(lambda w: w[:1])})


@convention("elu", "celu")
def alphas(o: Options) -> Iterator[Deviation]:
    a = o.alpha
    if a != 1:
        yield Deviation("elu-celu", "with CELU, α (exp(x / α) - 1)", {"instead": lambda o: F.celu(o.input, a)})
        yield Deviation("elu-celu", "with ELU, α (exp(x) - 1)", {"instead": lambda o: F.elu(o.input, a)})
    for alpha in (1.0, 0.1, 0.2, 0.3, 0.5, 1.5, 2.0, SELU_ALPHA):
        if alpha != a:
            yield Deviation("elu-alpha", f"with alpha={alpha:g}", {"alpha": alpha})


@convention("selu")
def scale_of_selu(o: Options) -> Iterator[Deviation]:
    yield Deviation(
        "selu-scale", "without SELU's outer scale 1.0507", {"instead": lambda o: F.elu(o.input, SELU_ALPHA)}
    )


@convention("hardsigmoid")
def slope_of_hardsigmoid(o: Options) -> Iterator[Deviation]:
    for slope, text in ((0.2, "0.2 x"), (0.25, "x / 4"), (0.5, "x / 2")):
        instead = lambda o, slope=slope: (slope * o.input + 0.5).clamp(0, 1)  # noqa: E731
        yield Deviation("hardsigmoid-slope", f"with clip({text} + 0.5, 0, 1)", {"instead": instead})


@convention("hardswish")
def gate_of_hardswish(o: Options) -> Iterator[Deviation]:
    instead = lambda o: o.input * (0.2 * o.input + 0.5).clamp(0, 1)  # noqa: E731
    yield Deviation("hardsigmoid-slope", "with x clip(0.2 x + 0.5, 0, 1)", {"instead": instead})


@convention("silu")
def sharpness_of_silu(o: Options) -> Iterator[Deviation]:
    instead = lambda o: o.input * torch.sigmoid(1.702 * o.input)  # noqa: E731
    yield Deviation("silu-sharpness", "with x sigmoid(1.702 x), the approximation of GELU", {"instead": instead})
    yield Deviation("silu-gate", "with sigmoid(x), without the factor x", {"instead": lambda o: torch.sigmoid(o.input)})


@convention("softplus")
def sharpness_of_softplus(o: Options) -> Iterator[Deviation]:
    for beta in (1.0, 2.0, 0.5):
        if beta != o.beta:
            yield Deviation("softplus-beta", f"with beta={beta:g}", {"beta": beta})
    if o.beta != 1:
        instead = lambda o: F.softplus(o.input * o.beta)  # noqa: E731
        yield Deviation("softplus-beta", "without the division by beta", {"instead": instead})
    for threshold in (math.inf, 1.0, 10.0):
        yield Deviation("softplus-threshold", f"with threshold={threshold:g}", {"threshold": threshold})


@convention("hardshrink", "softshrink")
def thresholds(o: Options) -> Iterator[Deviation]:
    hard = lambda lambd: {"instead": lambda o: F.hardshrink(o.input, lambd)}  # noqa: E731
    soft = lambda lambd: {"instead": lambda o: F.softshrink(o.input, lambd)}  # noqa: E731
    for form, make in (("Hardshrink", hard), ("Softshrink", soft)):
        for lambd in (o.lambd, 0.5, 1.0, 0.1, 0.0):
            yield Deviation("shrink-lambda", f"with {form} and lambd={lambd:g}", make(lambd))


@convention("hardtanh")
def bounds(o: Options) -> Iterator[Deviation]:
    for low, high in ((-1.0, 1.0), (0.0, 6.0), (0.0, 1.0), (-2.0, 2.0)):
        if (low, high) != (o.min_val, o.max_val):
            text = f"with the bounds {low:g} and {high:g}"
            yield Deviation("bounds", text, {"min_val": low, "max_val": high})
    yield Deviation(
        "bounds", "without the upper bound", {"instead": lambda o: F.threshold(o.input, o.min_val, o.min_val)}
    )


@convention("glu")
def halves(o: Options) -> Iterator[Deviation]:
    def swapped(o: Options) -> Tensor:
        gate, value = o.input.chunk(2, o.dim)
        return value * torch.sigmoid(gate)

    def interleaved(o: Options) -> Tensor:
        pairs = o.input.unflatten(o.dim, (-1, 2))
        value, gate = pairs.unbind(o.dim if o.dim < 0 else o.dim + 1)
        return value * torch.sigmoid(gate)

    yield Deviation("glu-halves", "with the halves exchanged: the first one is the gate", {"instead": swapped})
    yield Deviation("glu-halves", "with value and gate interleaved", {"instead": interleaved})
    for name in ("SiLU", "GELU", "ReLU", "Tanh", "the identity"):

        def gated(o: Options, form: Any = FORMS[name]) -> Tensor:
            value, gate = o.input.chunk(2, o.dim)
            return value * form(gate)

        yield Deviation("other-activation", f"with the gate through {name}, not Sigmoid", {"instead": gated})
    for dim in range(-o.input.ndim, 0):
        if dim % o.input.ndim != o.dim % o.input.ndim and o.input.shape[dim] % 2 == 0:
            yield Deviation("glu-axis", f"with the halves of axis {dim}", {"dim": dim})


@convention(*OWN)
def another(o: Options) -> Iterator[Deviation]:
    for name, form in FORMS.items():
        yield Deviation("other-activation", f"with {name}", {"instead": lambda o, form=form: form(o.input)})

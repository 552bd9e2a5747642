"""torch: the gradients that it picks where a function has none, and constants of activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from parity_tests.conventions.statement import Table, which

TABLE = Table("torch")
shows = TABLE.shows


def slope(function: Callable[[Any], Any], *at: float) -> list[float]:
    """The gradient of a function of one number, at some numbers."""
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(function(x).sum(), x)
    return found.tolist()


@shows("The gradient of relu at 0 is 0.", [0.0], "nn.ReLU")
def relu_at_0() -> Any:
    return slope(F.relu, 0.0)


@shows("The gradient of leaky_relu at 0 is the slope of the left side.", [0.01], "nn.LeakyReLU nn.PReLU")
def leaky_relu_at_0() -> Any:
    return slope(F.leaky_relu, 0.0)


@shows("The gradient of elu at 0 is alpha, the left one.", [2.0], "nn.ELU")
def elu_at_0() -> Any:
    return slope(lambda x: F.elu(x, 2.0), 0.0)


@shows("The gradient of |x| at 0 is 0.", [0.0], "nn.L1Loss")
def abs_at_0() -> Any:
    return slope(torch.abs, 0.0)


@shows("The gradients of relu6 and hardtanh are 0 at both ends.", [0.0, 0.0, 0.0, 0.0], "nn.ReLU6 nn.Hardtanh")
def hardtanh_at_its_ends() -> Any:
    return slope(F.relu6, 0.0, 6.0) + slope(F.hardtanh, -1.0, 1.0)


@shows(
    "The gradient of clamp with numbers as bounds is 1 at both bounds.",
    [1.0, 1.0],
    "nn.Hardtanh nn.ReLU6 nn.HingeEmbeddingLoss nn.MarginRankingLoss",
    before="2.14",
    causes=("kink: before 2.14",),
)
def clamp_at_its_bounds() -> Any:
    return slope(lambda x: torch.clamp(x, -1.0, 1.0), -1.0, 1.0)


@shows(
    "The gradient of clamp with numbers as bounds is 0 at both bounds.",
    [0.0, 0.0],
    "nn.Hardtanh nn.ReLU6 nn.HingeEmbeddingLoss nn.MarginRankingLoss",
    since="2.14",
    causes=("kink: from 2.14 on",),
)
def clamp_at_its_bounds_now() -> Any:
    return slope(lambda x: torch.clamp(x, -1.0, 1.0), -1.0, 1.0)


@shows("clamp with a tensor as bound halves the gradient at a tie.", [0.5], "nn.Hardtanh", since="2.14")
def clamp_by_a_tensor() -> Any:
    return slope(lambda x: torch.clamp(x, max=torch.ones(1, dtype=torch.float64)), 1.0)


@shows("The gradients of hardswish are 0 at -3 and 1 at 3.", [0.0, 1.0], "nn.Hardswish")
def hardswish_at_its_ends() -> Any:
    return slope(F.hardswish, -3.0, 3.0)


@shows(
    "amax and max share the gradient among ties; max(dim) gives it to the first.",
    [[0.5, 0.5], [1.0, 0.0]],
    "nn.MaxPool?d",
)
def ties_of_the_maximum() -> Any:
    return [slope(torch.amax, 1.0, 1.0), slope(lambda x: x.max(0).values, 1.0, 1.0)]


@shows("torch.maximum halves the gradient at a tie.", [0.5], "nn.Hardtanh")
def tie_of_two() -> Any:
    return slope(lambda x: torch.maximum(x, torch.ones_like(x)), 1.0)


@shows("Max pooling gives the gradient to the first of equal numbers.", [1.0, 0.0], "nn.MaxPool?d")
def ties_of_pooling() -> Any:
    return slope(lambda x: F.max_pool1d(x[None], 2), 1.0, 1.0)


@shows("The gradient of a norm at 0 is 0, that of sqrt infinite.", [0.0, float("inf")], "nn.utils.clip_grad_norm_")
def norm_at_0() -> Any:
    return [*slope(torch.linalg.vector_norm, 0.0), *slope(torch.sqrt, 0.0)]


@shows("The gradient of hypot at (0, 0) is NaN, that of atan2 0.", ["nan", "0.0"])
def hypot_at_0() -> Any:
    zero = torch.zeros(1, dtype=torch.float64)
    return [str(slope(lambda x: torch.hypot(x, zero), 0.0)[0]), str(slope(lambda x: torch.atan2(x, zero), 0.0)[0])]


@shows("The gradient of the standard deviation of a constant is 0.", [0.0, 0.0], "nn.LayerNorm nn.BatchNorm?d")
def deviation_of_a_constant() -> Any:
    return slope(lambda x: x.std(unbiased=False), 3.0, 3.0)


@shows("LeakyReLU's slope is 0.01, PReLU's starts at 0.25.", [0.01, 0.25], "nn.LeakyReLU nn.PReLU")
def leaky_slopes() -> Any:
    return [torch.nn.LeakyReLU().negative_slope, torch.nn.PReLU().weight.item()]


@shows("ELU's alpha is 1.", 1.0, "nn.ELU")
def elu_alpha() -> Any:
    return torch.nn.ELU().alpha


@shows("SELU's numbers are 1.0507009873554805 and 1.6732632423543772.", "double", "nn.SELU nn.AlphaDropout")
def selu_numbers() -> Any:
    x = torch.tensor([1.0, -1e9], dtype=torch.float64)
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    return which(F.selu(x), 1e-14, double=[scale, -scale * alpha], single=[1.05070102, -1.05070102 * 1.67326319])


@shows("hardsigmoid is relu6(x + 3) / 6, of slope 1/6.", [2 / 3, 1.0], "nn.Hardsigmoid nn.Hardswish")
def hardsigmoid_slope() -> Any:
    return F.hardsigmoid(torch.tensor([1.0, 3.0], dtype=torch.float64)).tolist()


@shows("hardsigmoid's backward rounds 1/6 to float32, in float64 too: 3e-8 too steep.", "rounded", "nn.Hardsigmoid")
def hardsigmoid_gradient() -> Any:
    rounded = torch.tensor(1 / 6).double().item()
    return which(slope(F.hardsigmoid, 0.0), 1e-12, rounded=[rounded], exact=[1 / 6])


@shows("celu's backward divides by alpha rounded to float32, in float64 too.", "rounded", "nn.CELU")
def celu_gradient() -> Any:
    alpha = 0.1
    rate = 1 / torch.tensor(alpha).double().item()
    rounded, exact = alpha * rate * math.exp(-rate), math.exp(-1 / alpha)
    return which(slope(lambda x: F.celu(x, alpha), -1.0), 1e-12, rounded=[rounded], exact=[exact])


@shows("gelu is x Φ(x) by default; the tanh form is up to 4.7e-4 away.", ["erf", 4.73e-4], "nn.GELU")
def gelu_default() -> Any:
    x = torch.linspace(-5, 5, 100001, dtype=torch.float64)
    gap = (F.gelu(x) - F.gelu(x, approximate="tanh")).abs().max().item()
    phi = 0.5 * (1 + torch.erf(x / 2**0.5))
    return [
        which(F.gelu(x)[60000], erf=(x * phi)[60000], tanh=F.gelu(x, approximate="tanh")[60000]),
        float(f"{gap:.3g}"),
    ]


@shows(
    "gelu has no right digit in float32 from about -5.5 down: 1 + erf(x/√2) cancels. x, and the error relative to the "
    "true value.",
    [-6.0, 1.0],
    "nn.GELU",
)
def gelu_far_left() -> Any:
    x = torch.tensor(-6.0)
    true = 0.5 * x.double() * torch.erfc(-x.double() / 2**0.5)
    return [x.item(), round(abs(F.gelu(x).item() / true.item() - 1))]


@shows("softplus is x itself above beta x = 20.", [True, False], "nn.Softplus")
def softplus_threshold() -> Any:
    x = torch.tensor([20.0001, 19.9999], dtype=torch.float64)
    return (F.softplus(x) == x).tolist()


@shows("hardshrink's and softshrink's lambd is 0.5.", [0.5, 0.5], "nn.Hardshrink nn.Softshrink")
def shrinkage() -> Any:
    return [torch.nn.Hardshrink().lambd, torch.nn.Softshrink().lambd]


@shows(
    "silu is x / (1 + exp(-x)) in float32: -0 from -88.73 on, where the true value is -2.6e-37 and normal.",
    [-0.0],
    "nn.SiLU",
)
def silu_far_left() -> Any:
    return F.silu(torch.tensor([-89.0])).tolist()


@shows("torch keeps subnormal numbers: exp(-90) in float32.", 8.19e-40, "nn.Softmax nn.Sigmoid")
def subnormal_exp() -> Any:
    return float(f"{torch.exp(torch.tensor(-90.0)).item():.3g}")

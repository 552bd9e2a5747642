"""The functions, and what they are in truth: y and its slope, in float64 without cancellation, and in mpmath."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np
from scipy import special

Truth = Callable[[np.ndarray], np.ndarray]
S, ALPHA = 1.0507009873554805, 1.6732632423543772  # of SELU
K, C = math.sqrt(2 / math.pi), 0.044715  # of GELU's tanh form
SERIES = (1 / 3, -2 / 15, 17 / 315, -62 / 2835, 1382 / 155925, -21844 / 6081075, 929569 / 638512875)  # of x - tanh x


@dataclass(frozen=True)
class Function:
    """A component of one argument, elementwise.

    label      how results call it
    component  its dotted name, and the arguments with which it is made
    y, slope   the truth in float64, accurate to some 10^-15 of the value itself
    exact      y and slope in mpmath, for the worst inputs; None where float64 is exact enough by itself
    target     the second input of a loss
    """

    label: str
    component: str
    y: Truth
    slope: Truth
    exact: tuple[Callable[[Any], Any], Callable[[Any], Any]] | None = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    target: float | None = None


def _mish_n(x: np.ndarray) -> np.ndarray:
    e = np.exp(np.minimum(x, 150.0))
    return e * (e + 2)


def mish_gate(x: np.ndarray) -> np.ndarray:
    """tanh(log(1 + e)) = n / (n + 2), n = e (e + 2), e = exp(x)."""
    n = _mish_n(x)
    return n / (n + 2)


def mish_slope(x: np.ndarray) -> np.ndarray:
    """1 - t² = 4 (n + 1) / (n + 2)²."""
    n = _mish_n(x)
    return n / (n + 2) + x * special.expit(x) * 4 * (n + 1) / (n + 2) / (n + 2)


def tanhshrink(x: np.ndarray) -> np.ndarray:
    t = np.minimum(x * x, 0.04)
    near = x * t * np.polyval(SERIES[::-1], t)
    return np.where(np.abs(x) < 0.2, near, x - np.tanh(x))


def sech2(x: np.ndarray) -> np.ndarray:
    e = np.exp(-2 * np.abs(x))
    return 4 * e / (1 + e) ** 2


def normal_density(x: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def gelu_tanh_slope(x: np.ndarray) -> np.ndarray:
    z = 2 * K * (x + C * x**3)
    return special.expit(z) * (1 + x * special.expit(-z) * 2 * K * (1 + 3 * C * x * x))


mp = mpmath.mp
msig = lambda x: 1 / (1 + mp.exp(-x))  # noqa: E731
mphi = lambda x: mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)  # noqa: E731
mgate = lambda x: mp.tanh(mp.log1p(mp.exp(x)))  # noqa: E731


def _mp_gelu_tanh(x: Any) -> tuple[Any, Any]:
    """The gate and the slope of its argument."""
    k = mp.sqrt(2 / mp.pi)
    return msig(2 * k * (x + mp.mpf(C) * x**3)), 2 * k * (1 + 3 * mp.mpf(C) * x * x)


def _mp_gelu_tanh_slope(x: Any) -> Any:
    s, rate = _mp_gelu_tanh(x)
    return s + x * s * (1 - s) * rate


def logistic_loss(label: str, component: str, sign: float, target: float, **kwargs: Any) -> Function:
    """log(1 + exp(sign x))."""
    return Function(
        label,
        component,
        lambda x: np.logaddexp(0, sign * x),
        lambda x: sign * special.expit(sign * x),
        (lambda x: mp.log1p(mp.exp(sign * x)), lambda x: sign * msig(sign * x)),
        kwargs={"reduction": "none", **kwargs},
        target=target,
    )


def elu(label: str, component: str, s: float, alpha: float, r: float, args: tuple[float, ...] = ()) -> Function:
    """Linear above 0, s alpha (exp(r x) - 1) below."""
    low = lambda x: np.minimum(x, 0.0)  # noqa: E731
    return Function(
        label,
        component,
        lambda x: np.where(x > 0, s * x, s * alpha * np.expm1(r * low(x))),
        lambda x: np.where(x > 0, s, s * alpha * r * np.exp(r * low(x))),
        (
            lambda x: s * x if x > 0 else mp.mpf(s) * alpha * mp.expm1(r * x),
            lambda x: mp.mpf(s) if x > 0 else mp.mpf(s) * alpha * r * mp.exp(r * x),
        ),
        args,
    )


def piecewise(label: str, component: str, y: Truth, slope: Truth, *args: float, **more: Any) -> Function:
    return Function(label, component, y, slope, None, args, **more)


def on(where: Any) -> np.ndarray:
    """1 where this is true, else 0."""
    return np.where(where, 1.0, 0.0)


FUNCTIONS: tuple[Function, ...] = (
    Function(
        "GELU",
        "nn.GELU",
        lambda x: x * special.ndtr(x),
        lambda x: special.ndtr(x) + x * normal_density(x),
        (lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2, lambda x: mp.erfc(-x / mp.sqrt(2)) / 2 + x * mphi(x)),
    ),
    Function(
        "SiLU",
        "nn.SiLU",
        lambda x: x * special.expit(x),
        lambda x: special.expit(x) * (1 + x * special.expit(-x)),
        (lambda x: x * msig(x), lambda x: msig(x) * (1 + x * msig(-x))),
    ),
    Function(
        "Mish",
        "nn.Mish",
        lambda x: x * mish_gate(x),
        mish_slope,
        (lambda x: x * mgate(x), lambda x: mgate(x) + x * msig(x) * (1 - mgate(x) ** 2)),
    ),
    Function(
        "Sigmoid",
        "nn.Sigmoid",
        special.expit,
        lambda x: special.expit(x) * special.expit(-x),
        (msig, lambda x: msig(x) * msig(-x)),
    ),
    Function("Tanh", "nn.Tanh", np.tanh, sech2, (mp.tanh, lambda x: mp.sech(x) ** 2)),
    Function(
        "Softplus",
        "nn.Softplus",
        lambda x: np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20.0)))),
        lambda x: np.where(x > 20, 1.0, special.expit(x)),
        (lambda x: x if x > 20 else mp.log1p(mp.exp(x)), lambda x: mp.one if x > 20 else msig(x)),
    ),
    elu("ELU", "nn.ELU", 1.0, 1.0, 1.0),
    elu("SELU", "nn.SELU", S, ALPHA, 1.0),
    Function(
        "GELU tanh",
        "nn.GELU",
        lambda x: x * special.expit(2 * K * (x + C * x**3)),
        gelu_tanh_slope,
        (lambda x: x * _mp_gelu_tanh(x)[0], _mp_gelu_tanh_slope),
        ("tanh",),
    ),
    Function(
        "LogSigmoid",
        "nn.LogSigmoid",
        lambda x: -np.logaddexp(0, -x),
        lambda x: special.expit(-x),
        (lambda x: -mp.log1p(mp.exp(-x)), lambda x: msig(-x)),
    ),
    Function(
        "Tanhshrink",
        "nn.Tanhshrink",
        tanhshrink,
        lambda x: np.tanh(x) ** 2,
        (lambda x: x - mp.tanh(x), lambda x: mp.tanh(x) ** 2),
    ),
    Function(
        "Softsign",
        "nn.Softsign",
        lambda x: x / (1 + np.abs(x)),
        lambda x: 1 / (1 + np.abs(x)) ** 2,
        (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    ),
    elu("CELU 0.5", "nn.CELU", 1.0, 0.5, 2.0, (0.5,)),
    logistic_loss("BCEWithLogitsLoss 0", "nn.BCEWithLogitsLoss", 1.0, 0.0),
    logistic_loss("BCEWithLogitsLoss 1", "nn.BCEWithLogitsLoss", -1.0, 1.0),
    logistic_loss("SoftMarginLoss 1", "nn.SoftMarginLoss", -1.0, 1.0),
    Function(
        "PoissonNLLLoss 1",
        "nn.PoissonNLLLoss",
        lambda x: np.exp(x) - x,
        np.expm1,
        (lambda x: mp.exp(x) - x, mp.expm1),
        kwargs={"reduction": "none"},
        target=1.0,
    ),
    piecewise(
        "Hardswish",
        "nn.Hardswish",
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda x: np.where((x > -3) & (x < 3), (2 * x + 3) / 6, on(x >= 3)),
    ),
    piecewise(
        "Hardsigmoid", "nn.Hardsigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, lambda x: on((x > -3) & (x < 3)) / 6
    ),
    piecewise("Hardtanh", "nn.Hardtanh", lambda x: np.clip(x, -1, 1), lambda x: on(np.abs(x) < 1)),
    piecewise("ReLU6", "nn.ReLU6", lambda x: np.clip(x, 0, 6), lambda x: on((x > 0) & (x < 6))),
    piecewise("ReLU", "nn.ReLU", lambda x: np.maximum(x, 0), lambda x: on(x > 0)),
    piecewise("LeakyReLU", "nn.LeakyReLU", lambda x: np.where(x > 0, x, 0.01 * x), lambda x: np.where(x > 0, 1, 0.01)),
    piecewise("Threshold", "nn.Threshold", lambda x: np.where(x > 0.5, x, 7.0), lambda x: on(x > 0.5), 0.5, 7.0),
    piecewise("Hardshrink", "nn.Hardshrink", lambda x: np.where(np.abs(x) > 0.5, x, 0), lambda x: on(np.abs(x) > 0.5)),
    piecewise("Softshrink", "nn.Softshrink", lambda x: x - np.clip(x, -0.5, 0.5), lambda x: on(np.abs(x) > 0.5)),
    piecewise("L1Loss 0", "nn.L1Loss", np.abs, np.sign, kwargs={"reduction": "none"}, target=0.0),
    piecewise("MSELoss 0", "nn.MSELoss", np.square, lambda x: 2 * x, kwargs={"reduction": "none"}, target=0.0),
    piecewise(
        "HuberLoss 0",
        "nn.HuberLoss",
        lambda x: np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5),
        lambda x: np.clip(x, -1, 1),
        kwargs={"reduction": "none"},
        target=0.0,
    ),
    piecewise(
        "SmoothL1Loss 0",
        "nn.SmoothL1Loss",
        lambda x: np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5),
        lambda x: np.clip(x, -1, 1),
        kwargs={"reduction": "none"},
        target=0.0,
    ),
    piecewise(
        "HingeEmbeddingLoss -1",
        "nn.HingeEmbeddingLoss",
        lambda x: np.maximum(1 - x, 0),
        lambda x: -on(x < 1),
        kwargs={"reduction": "none"},
        target=-1.0,
    ),
)

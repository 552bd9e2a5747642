"""Weights whose variance keeps the size of values, or of gradients, from layer to layer."""

from __future__ import annotations

import math
import warnings

import numpy as np

from scratch.arguments import check_numbers, plain_options
from scratch.nn.init.distributions import normal_, uniform_
from scratch.nn.init.filled import T, array_to_fill
from scratch.nn.parameter import Parameter
from scratch.random import Generator

_GAINS = {"sigmoid": 1, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
_GAINS |= dict.fromkeys(["linear", *(f"conv{t}{d}d" for t in ("", "_transpose") for d in (1, 2, 3))], 1)


@plain_options
def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on the initial weights with which a layer followed by this nonlinearity keeps its variance.

    1 for linear, convolutions and sigmoid; 5/3 for tanh; √2 for relu; √(2 / (1 + slope²)) for leaky_relu, whose slope
    is `param` (0.01 if None); 3/4 for selu, an empirical value.
    """
    if nonlinearity != "leaky_relu":
        if nonlinearity not in _GAINS:
            known = ", ".join(sorted([*_GAINS, "leaky_relu"]))
            raise ValueError(f"calculate_gain: unsupported nonlinearity {nonlinearity!r}; it must be one of {known}.")
        return _GAINS[nonlinearity]
    slope = 0.01 if param is None else param
    if isinstance(slope, bool) or not isinstance(slope, int | float):
        raise ValueError(f"calculate_gain: the negative slope must be a number, got {param!r}.")
    return math.sqrt(2.0 / (1 + slope**2))


@plain_options
def xavier_uniform_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """Draw from U(-a, a), of a variance that is a compromise between the forward and the backward pass.

        W ~ U(-a, a)        a = gain √(6 / (fan_in + fan_out))

    Why       an output sums fan_in products, Var(y) = fan_in Var(W) E[x²]; a gradient of an input sums fan_out of them,
              Var(dx) = fan_out Var(W) E[dy²]. One variance cannot be 1 / fan_in and 1 / fan_out at once, so it is the
              inverse of their mean:
                  Var(W) = 2 / (fan_in + fan_out)
              gain makes up for what the activation between the layers takes away: see `calculate_gain`. The argument
              takes the activation to be nearly linear at 0, as tanh is; for relu see `kaiming_normal_`.
              U(-a, a) has variance a² / 3, which gives a.
    Torch     torch.nn.init.xavier_uniform_, its draws to the bit.
    Source    Glorot, Bengio 2010.
    """
    bound = math.sqrt(3.0) * _xavier_std("xavier_uniform_", tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


@plain_options
def xavier_normal_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """Draw from N(0, std²), of a variance that is a compromise between the forward and the backward pass.

        W ~ N(0, std²)        std = gain √(2 / (fan_in + fan_out))

    Why       an output sums fan_in products, Var(y) = fan_in Var(W) E[x²]; a gradient of an input sums fan_out of them,
              Var(dx) = fan_out Var(W) E[dy²]. One variance cannot be 1 / fan_in and 1 / fan_out at once, so it is the
              inverse of their mean:
                  Var(W) = 2 / (fan_in + fan_out)
              gain makes up for what the activation between the layers takes away: see `calculate_gain`. The argument
              takes the activation to be nearly linear at 0, as tanh is; for relu see `kaiming_normal_`.
    Torch     torch.nn.init.xavier_normal_, its draws to the bit.
    Source    Glorot, Bengio 2010.
    """
    return normal_(tensor, 0.0, _xavier_std("xavier_normal_", tensor, gain), generator)


@plain_options
def kaiming_uniform_(
    tensor: T,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> T:
    """Draw from U(-bound, bound), for layers followed by a rectifier of negative slope `a`.

        W ~ U(-bound, bound)        bound = gain √(3 / fan)

    Why       Var(y) = fan_in Var(W) E[x²]. A rectifier before the layer sets half of a symmetric input to 0, so that
              E[x²] = Var(y of the layer before) / 2, or (1 + a²) / 2 of it with negative slope a. The variance is kept
              by Var(W) = gain² / fan_in with
                  gain² = 2 / (1 + a²)
              mode "fan_out" keeps the variance of the gradients instead, by the same argument for dx = W^T dy.
              U(-bound, bound) has variance bound² / 3. With a = √5 the bound is 1 / √fan_in, torch's default for
              Linear and convolutions.
    Torch     torch.nn.init.kaiming_uniform_, its draws to the bit.
    Source    He et al. 2015, arXiv:1502.01852.
    """
    if _warned_empty("kaiming_uniform_", tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


@plain_options
def kaiming_normal_(
    tensor: T,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> T:
    """Draw from N(0, std²), for layers followed by a rectifier of negative slope `a`.

        W ~ N(0, std²)        std = gain / √fan

    Why       Var(y) = fan_in Var(W) E[x²]. A rectifier before the layer sets half of a symmetric input to 0, so that
              E[x²] = Var(y of the layer before) / 2, or (1 + a²) / 2 of it with negative slope a. The variance is kept
              by Var(W) = gain² / fan_in with
                  gain² = 2 / (1 + a²)
              mode "fan_out" keeps the variance of the gradients instead, by the same argument for dx = W^T dy.
    Torch     torch.nn.init.kaiming_normal_, its draws to the bit.
    Source    He et al. 2015, arXiv:1502.01852.
    """
    if _warned_empty("kaiming_normal_", tensor):
        return tensor
    return normal_(tensor, 0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator)


def _fans(call: str, tensor: Parameter | np.ndarray) -> tuple[int, int]:
    """The number of inputs per output, and of outputs per input, for a weight (out, in, *kernel)."""
    shape = array_to_fill(call, tensor).shape
    if len(shape) < 2:
        raise ValueError(f"{call}: fan in and fan out need a weight of 2 or more dimensions, got shape {shape}.")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def _xavier_std(call: str, tensor: Parameter | np.ndarray, gain: float) -> float:
    fan_in, fan_out = _fans(call, tensor)
    if fan_in + fan_out == 0:
        raise ZeroDivisionError(f"{call}: fan in and fan out are both 0, got shape {tensor.shape}.")
    check_numbers(call, gain=gain)
    return gain * math.sqrt(2.0 / float(fan_in + fan_out))


def _kaiming_std(call: str, tensor: Parameter | np.ndarray, a: float, mode: str, nonlinearity: str) -> float:
    if not isinstance(mode, str):
        raise TypeError(f"{call}: mode must be 'fan_in' or 'fan_out', got {mode!r}.")
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"{call}: mode must be 'fan_in' or 'fan_out', got {mode!r}.")
    fan_in, fan_out = _fans(call, tensor)
    fan = fan_in if mode.lower() == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _warned_empty(call: str, tensor: Parameter | np.ndarray) -> bool:
    empty = 0 in array_to_fill(call, tensor).shape
    if empty:
        warnings.warn(f"{call}: an array of shape {tensor.shape} has nothing to initialize.", stacklevel=4)
    return empty

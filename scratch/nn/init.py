"""torch.nn.init: fill a parameter in place, with torch's draws from the same seed, and return it.

Every function takes a Parameter or an array. Bounds and deviations are computed in Python floats, in the order of
operations that torch uses, since another order changes the last bit of every weight.
"""

from __future__ import annotations

import math
import warnings
from typing import TypeVar

import numpy as np

from scratch import random
from scratch.arguments import check_numbers, plain_options
from scratch.arrays import check_own_rules
from scratch.nn.module import Parameter
from scratch.random import Generator
from scratch.threads import one_blas_thread

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

T = TypeVar("T", Parameter, np.ndarray)

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
def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> T:
    """Draw every value from U(a, b).

        W ~ U(a, b)        E[W] = (a + b) / 2        Var(W) = (b - a)² / 12

    Why       an output y_o = Σ_i W_oi x_i sums fan_in products. With E[W] = 0 and independent weights
                  Var(y) = fan_in Var(W) E[x²]
              so U(-c, c), whose variance is c² / 3, keeps the size of x through a layer for c = sqrt(3 / fan_in). The
              default U(0, 1) has a mean: outputs grow by about fan_in / 2 in every layer.
    Torch     torch.nn.init.uniform_, its draws to the bit.
    """
    x = _array("uniform_", tensor)
    check_numbers("uniform_", a=a, b=b)
    random.uniform_(x, a, b, generator=generator)
    return tensor


@plain_options
def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> T:
    """Draw every value from N(mean, std²).

        W ~ N(mean, std²)        Var(W) = std²

    Why       an output y_o = Σ_i W_oi x_i sums fan_in products. With mean 0 and independent weights
                  Var(y) = fan_in std² E[x²]
              so std = 1 / sqrt(fan_in) keeps the size of x through a linear layer. The default std = 1 multiplies the
              variance by fan_in in every layer: 128^30 after 30 layers of 128 units.
    Torch     torch.nn.init.normal_, its draws to the bit.
    """
    x = _array("normal_", tensor)
    check_numbers("normal_", mean=mean, std=std)
    random.normal_(x, mean, std, generator=generator)
    return tensor


@plain_options
def trunc_normal_(
    tensor: T,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> T:
    """Draw every value from N(mean, std²) restricted to [a, b], by rejection.

    Where [a, b] holds more than 0.3 of the normal distribution, normal values are drawn and those outside are drawn
    again. Else a uniform value x on [a, b] is accepted with probability pdf(x) / max pdf. Either way each round draws
    the whole array and uses only the places still open: that is torch's stream, from release 2.12 on.
    """
    x = _array("trunc_normal_", tensor)
    check_numbers("trunc_normal_", mean=mean, std=std, a=a, b=b)
    mean, std, a, b = float(mean), float(std), float(a), float(b)
    if std == 0:
        raise ZeroDivisionError("trunc_normal_: std must not be 0. Use constant_ to give every weight one value.")
    if a > b:
        raise RuntimeError(f"trunc_normal_: the interval [a, b] needs a <= b, got [{a}, {b}]. Swap them?")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            f"trunc_normal_: mean {mean} is more than 2 std from [{a}, {b}]. Nearly all values come from the "
            "edge of the interval.",
            stacklevel=3,
        )
    if _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std) > 0.3:
        _redraw_outside(x, mean, std, a, b, generator)
    else:
        _accept_by_density(x, mean, std, a, b, generator)
    return tensor


def _redraw_outside(x: np.ndarray, mean: float, std: float, a: float, b: float, generator: Generator | None) -> None:
    low, high = x.dtype.type(a), x.dtype.type(b)
    random.normal_(x, mean, std, generator=generator)
    fresh = np.empty_like(x)
    while (outside := (x < low) | (x > high)).any():
        random.normal_(fresh, mean, std, generator=generator)
        np.copyto(x, fresh, where=outside)


def _accept_by_density(x: np.ndarray, mean: float, std: float, a: float, b: float, generator: Generator | None) -> None:
    log_peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    fresh, u = np.empty_like(x), np.empty_like(x)
    pending = np.ones(x.shape, bool)
    while pending.any():
        random.uniform_(fresh, a, b, generator=generator)
        np.copyto(x, fresh, where=pending)
        log_density = np.square((fresh - mean) / std) * -0.5 - log_peak
        random.uniform_(u, generator=generator)
        with np.errstate(divide="ignore"):  # log 0 = -inf accepts
            pending &= np.log(u, dtype=np.float64).astype(x.dtype) > log_density


def _normal_cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


@plain_options
def constant_(tensor: T, val: float) -> T:
    """Set every value to `val`.

        W = val        Var(W) = 0

    Why       equal weights stay equal: every unit of a layer computes the same output, y_o = val Σ_i x_i, and gets the
              same gradient, dW_oi = dy_o x_i with equal dy_o, so no step ever tells the units apart. Var(W) = 0 breaks
              no symmetry: constants are for biases and for scales, not for weights.
    Torch     torch.nn.init.constant_.
    Raises    RuntimeError if the dtype cannot hold val.
    """
    x = _array("constant_", tensor)
    check_numbers("constant_", val=val)
    if x.dtype.kind == "f" and float(np.finfo(x.dtype).max) < abs(val) < math.inf:
        raise RuntimeError(f"constant_: {val} does not fit into {x.dtype}.")
    x.fill(val)
    return tensor


@plain_options
def ones_(tensor: T) -> T:
    """Set every value to 1.

        W = 1        Var(W) = 0

    Why       as a scale, y = W * x, it passes on values and gradients unchanged: so normalization layers start. As the
              matrix of a layer it makes all units equal, y_o = Σ_i x_i, and they stay equal, as with `constant_`.
    Torch     torch.nn.init.ones_.
    """
    _array("ones_", tensor).fill(1)
    return tensor


@plain_options
def zeros_(tensor: T) -> T:
    """Set every value to 0.

        W = 0        Var(W) = 0

    Why       as a bias it shifts nothing. As the matrix of a layer it gives y = 0 and dx = W^T dy = 0: nothing passes
              forward, and no gradient reaches the layers before it. In the last layer of a residual branch that is
              wanted: the branch starts as the identity, and its own dW = dy x^T is not 0.
    Torch     torch.nn.init.zeros_.
    """
    _array("zeros_", tensor).fill(0)
    return tensor


@plain_options
def eye_(tensor: T) -> T:
    """The identity matrix, so that a Linear layer passes on as many of its inputs as it can.

        W_oi = 1 if o = i, 0 otherwise        y_o = x_o for o < I, 0 otherwise

    Why       Var(y) = Var(x) and dx = dy for a square matrix, at any depth: nothing shrinks or grows. There is no
              symmetry to break either, since every unit has another input.
    Torch     torch.nn.init.eye_.
    Raises    ValueError for other than 2 dimensions.
    """
    x = _matrix("eye_", tensor)
    x.fill(0)
    np.fill_diagonal(x, 1)
    return tensor


@plain_options
def dirac_(tensor: T, groups: int = 1) -> T:
    """One 1 in the middle of filter d for input channel d of its group, so that a convolution passes channels on.

        W_oik = 1 if o = i and k is the middle, 0 otherwise        y_o = x_o

    Why       the identity matrix for convolutions: with padding that keeps the size, Var(y) = Var(x) and dx = dy at any
              depth. With groups, o and i count within their group; filters beyond the input channels are 0.
    Torch     torch.nn.init.dirac_.
    Raises    ValueError for other than 3, 4 or 5 dimensions, or if groups does not divide the filters.
    """
    x = _array("dirac_", tensor)
    check_numbers("dirac_", groups=groups)
    if x.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: needs the weight of a convolution, with 3, 4 or 5 dimensions, got shape {x.shape}.")
    if groups < 1 or x.shape[0] % groups:
        raise ValueError(f"dirac_: dimension 0 must be divisible by groups, got {x.shape[0]} filters, {groups} groups.")
    if 0 in x.shape[2:] and 0 not in x.shape[:2]:
        raise IndexError(f"dirac_: a kernel without elements has no middle, got shape {x.shape}.")
    if x.size == 0:
        return tensor
    x.fill(0)
    per_group = x.shape[0] // groups
    middle: list[int] = [size // 2 for size in x.shape[2:]]
    channel = np.arange(min(per_group, x.shape[1]))
    for group in range(groups):
        x[(group * per_group + channel, channel, *middle)] = 1
    return tensor


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


@plain_options
def orthogonal_(tensor: T, gain: float = 1, generator: Generator | None = None) -> T:
    """A random (semi-)orthogonal matrix times gain; further dimensions are flattened into the columns.

    Q of a QR decomposition of normal values, each column times the sign of R's diagonal, which makes Q uniform
    (Mezzadri 2007, arXiv:math-ph/0609050). The normal values are torch's to the bit. Q is not, in its last bits: it
    depends on the installed LAPACK, as torch's own does between machines and thread counts. Saxe et al. 2013.
    """
    x = _array("orthogonal_", tensor)
    if x.ndim < 2:
        raise ValueError(f"orthogonal_: needs an array of 2 or more dimensions, got shape {x.shape}.")
    if x.size == 0:
        return tensor
    check_numbers("orthogonal_", gain=gain)
    rows = x.shape[0]
    flat = random.normal_(np.empty((rows, x.size // rows), x.dtype), generator=generator)
    wide = rows < flat.shape[1]
    with one_blas_thread:
        q, r = np.linalg.qr(flat.T if wide else flat)
    q *= np.sign(np.diagonal(r))
    x[...] = (q.T if wide else q).reshape(x.shape)
    x *= gain
    return tensor


@plain_options
def sparse_(tensor: T, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> T:
    """N(0, std²), then in every column the fraction `sparsity` of the rows, picked at random, is set to 0.

    As in torch the rows come from the default generator even if `generator` is given. Martens 2010.
    """
    x = _matrix("sparse_", tensor)
    check_numbers("sparse_", sparsity=sparsity, std=std)
    if math.isnan(sparsity):
        raise ValueError("sparse_: sparsity, the fraction of zeros, must not be NaN.")
    zeros = math.ceil(sparsity * x.shape[0])
    random.normal_(x, 0, std, generator=generator)
    for column in x.T:
        column[random.randperm(x.shape[0])[:zeros]] = 0
    return tensor


def _array(call: str, tensor: Parameter | np.ndarray) -> np.ndarray:
    x = tensor.data if isinstance(tensor, Parameter) else tensor
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{call}: expected a Parameter or an array to fill, got {type(tensor).__name__}.")
    check_own_rules(call, "what is filled", x)
    return x


def _matrix(call: str, tensor: Parameter | np.ndarray) -> np.ndarray:
    x = _array(call, tensor)
    if x.ndim != 2:
        raise ValueError(f"{call}: needs an array of 2 dimensions, got shape {x.shape}.")
    return x


def _fans(call: str, tensor: Parameter | np.ndarray) -> tuple[int, int]:
    """The number of inputs per output, and of outputs per input, for a weight (out, in, *kernel)."""
    shape = _array(call, tensor).shape
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
    empty = 0 in _array(call, tensor).shape
    if empty:
        warnings.warn(f"{call}: an array of shape {tensor.shape} has nothing to initialize.", stacklevel=4)
    return empty

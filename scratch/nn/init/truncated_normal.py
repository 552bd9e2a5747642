"""The normal distribution restricted to an interval, by rejection."""

from __future__ import annotations

import math
import warnings

import numpy as np

from scratch import random
from scratch.arguments import check_numbers, plain_options
from scratch.nn.init.filled import T, array_to_fill
from scratch.random import Generator


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
    x = array_to_fill("trunc_normal_", tensor)
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

"""exponential_, log_normal_, cauchy_ and geometric_: one float64 formula of one draw each, rounded to x's dtype.

u is a float64 unit (two words), and the functions are the C library's, as torch calls it.
Source    at::native::templates::cpu, the kernels of these names; at::core/TransformationHelper.h.
"""

import math
from collections.abc import Callable

import numpy as np

from scratch.random.generator import Generator, mersenne
from scratch.random.libm_float64 import apply
from scratch.random.memory_order import fill, store
from scratch.random.normals import single_normals
from scratch.random.rounding import multiply_add
from scratch.random.shape import check_array, check_floating


def exponential_(x: np.ndarray, lambd: float = 1.0, generator: Generator | None = None) -> np.ndarray:
    """Fill x with waiting times of rate lambd, in place; returns x.

        x = -1 / lambd * log1p(-u)

    Torch     torch.Tensor.exponential_.
    Raises    RuntimeError unless lambd > 0, or if x holds integers.
    """
    check_continuous("exponential_", x)
    check("exponential_", lambd > 0, f"the rate lambd must be above 0, got {lambd}")
    engine = mersenne("exponential_", generator)

    def sample(n: int) -> np.ndarray:
        z = apply("log1p", -engine.units(n, np.float64))
        z *= -1 / lambd
        return z

    return transform(x, sample, engine.block)


def log_normal_(x: np.ndarray, mean: float = 1.0, std: float = 2.0, generator: Generator | None = None) -> np.ndarray:
    """Fill x with exp of normals of this mean and std, in place; returns x. The normals come through the cache.

        x = exp(z std + mean)

    Torch     torch.Tensor.log_normal_.
    Raises    RuntimeError unless std > 0; NotImplementedError for integers.
    """
    check_floating("log_normal_", x)
    check("log_normal_", std > 0, f"the standard deviation must be above 0, got {std}")
    engine = mersenne("log_normal_", generator)

    def sample(n: int) -> np.ndarray:
        z = single_normals(engine, n)
        multiply_add(z, std, mean, engine.fuses)
        return apply("exp", z)

    return transform(x, sample, engine.block)


def cauchy_(x: np.ndarray, median: float = 0.0, sigma: float = 1.0, generator: Generator | None = None) -> np.ndarray:
    """Fill x with Cauchy numbers, in place; returns x.

        x = tan(pi (u - 1/2)) sigma + median

    Torch     torch.Tensor.cauchy_.
    Raises    RuntimeError unless sigma > 0, or if x holds integers.
    """
    check_continuous("cauchy_", x)
    check("cauchy_", sigma > 0, f"sigma must be above 0, got {sigma}")
    engine = mersenne("cauchy_", generator)

    def sample(n: int) -> np.ndarray:
        z = engine.units(n, np.float64)
        z -= 0.5
        z *= math.pi
        z = apply("tan", z)
        multiply_add(z, sigma, median, engine.fuses)
        return z

    return transform(x, sample, engine.block)


def geometric_(x: np.ndarray, p: float, generator: Generator | None = None) -> np.ndarray:
    """Fill x with the number of trials up to the first success, each of probability p, in place; returns x.

        x = ceil(log u / log1p(-p))

    Torch     torch.Tensor.geometric_.
    Raises    RuntimeError unless 0 < p < 1; NotImplementedError for booleans.
    """
    check_array("geometric_", x)
    if x.dtype.kind == "b":
        raise NotImplementedError("geometric_: a count does not fit a boolean. Draw integers or floats.")
    check("geometric_", 0 < p < 1, f"p must lie between 0 and 1, got {p}")
    engine = mersenne("geometric_", generator)

    def sample(n: int) -> np.ndarray:
        z = apply("log", engine.units(n, np.float64))
        z /= math.log1p(-p)
        return np.ceil(z, out=z)

    return transform(x, sample, engine.block)


def transform(x: np.ndarray, sample: Callable[[int], np.ndarray], block: int) -> np.ndarray:
    """Fill x in memory order with float64 samples."""

    def draw(out: np.ndarray) -> None:
        store(out, sample(out.size))

    return fill(x, draw, block)


def check_continuous(call: str, x: np.ndarray) -> None:
    check_array(call, x)
    check(call, x.dtype.kind == "f", f"draws real numbers, so x must be floating, got {x.dtype}")


def check(call: str, holds: bool, otherwise: str) -> None:
    if not holds:
        raise RuntimeError(f"{call}: {otherwise}.")

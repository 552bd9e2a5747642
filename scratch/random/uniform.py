"""Uniforms: uniform_, rand and rand_like."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.random.generator import Generator, engine_of
from scratch.random.memory_order import fill, store
from scratch.random.rounding import multiply_add
from scratch.random.shape import check_array, check_floating, computing_dtype, shape_of


def uniform_(x: np.ndarray, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> np.ndarray:
    """Fill x with uniforms in [a, b), in place; returns x.

        x = u (b - a) + a          and a where that rounds to b

    u is a unit of x's dtype (see the engine's `units`); a, b and b - a are rounded to that dtype first, and the product
    and sum round once (see arch.py). float16 computes in float32; its result is rounded before the comparison with b.

    Torch     torch.Tensor.uniform_.
    Raises    RuntimeError unless a <= b and a, b and b - a are finite in x's dtype; NotImplementedError for integers.
    Source    at::native::templates::cpu::uniform_kernel.
    """
    check_floating("uniform_", x)
    check_bounds(x.dtype, a, b)
    engine = engine_of(generator)
    wide = computing_dtype(x.dtype)
    if engine.device == "cuda" and x.dtype == np.float16:
        raise NotImplementedError("uniform_: the CUDA stream fills float32 and float64, not float16. Use astype.")
    low, high = wide(a), wide(b)

    def draw(out: np.ndarray) -> None:
        u = engine.units(out.size, wide)
        if (low, high) != (0, 1):
            multiply_add(u, float(high - low), float(low), engine.fuses)
        store(out, u)
        out[out == out.dtype.type(b)] = a

    return fill(x, draw, engine.block)


def check_bounds(dtype: np.dtype, a: float, b: float) -> None:
    largest = float(np.finfo(dtype).max)
    for bound in (a, b):
        if not abs(bound) <= largest:
            raise RuntimeError(f"uniform_: a bound must be finite in {dtype}, got [{a}, {b}).")
    if not a <= b:
        raise RuntimeError(f"uniform_: the interval [a, b) needs a <= b, got [{a}, {b}). Swap them?")
    if b - a > largest:
        raise RuntimeError(f"uniform_: b - a must be at most {dtype}'s largest number {largest:g}, got [{a}, {b}).")


def rand(*size: Any, generator: Generator | None = None, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Make an array of uniforms in [0, 1), of a size given as 3, 4 or as (3, 4)."""
    return uniform_(np.empty(shape_of("rand", size), dtype), generator=generator)


def rand_like(input: np.ndarray, *, generator: Generator | None = None, dtype: DTypeLike | None = None) -> np.ndarray:
    """Uniforms in [0, 1) with the shape, dtype and memory order of input."""
    check_array("rand_like", input)
    return uniform_(np.empty_like(input, dtype), generator=generator)

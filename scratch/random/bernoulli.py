"""Bernoulli draws: bernoulli_, bernoulli, and so every dropout mask."""

from typing import Any

import numpy as np

from scratch.random.generator import Generator, engine_of
from scratch.random.memory_order import fill
from scratch.random.philox import Philox
from scratch.random.shape import check_array, computing_dtype


def bernoulli_(x: np.ndarray, p: Any = 0.5, generator: Generator | None = None) -> np.ndarray:
    """Set each element of x to 1 with probability p, else to 0, in place; returns x.

        x = u < p

    A number p is compared with float64 units, two words each, for every dtype of x. An array p, which broadcasts to x,
    is compared with units of its own dtype (float32 for float16): one word each in float32, two in float64. The CUDA
    stream compares a number with units of x's dtype (float32 for all but float64), an array with float32 units, and by
    u <= p.

    Torch     torch.Tensor.bernoulli_.
    Raises    RuntimeError if a probability lies outside [0, 1] or is NaN, or if p does not broadcast to x;
              NotImplementedError if an array p does not hold floats.
    Source    at::native::templates::cpu::bernoulli_kernel and cuda::bernoulli_kernel.
    """
    check_array("bernoulli_", x)
    engine = engine_of(generator)
    check_probabilities("bernoulli_", np.asarray(p))
    if not isinstance(p, np.ndarray):
        wide = np.float64 if engine.device == "cpu" else computing_dtype(x.dtype)

        def draw(out: np.ndarray) -> None:
            out[...] = engine.units(out.size, wide) < wide(p)

        return fill(x, draw, engine.block)

    check_array_of_probabilities(p, x)
    if isinstance(engine, Philox):
        wide = computing_dtype(x.dtype)
        u = fill(np.empty_like(x, np.float32), lambda u: np.copyto(u, engine.units_in_fours(u.size)), engine.block)
        x[...] = u <= p.astype(wide, copy=False)
    else:
        wide = computing_dtype(p.dtype)
        u = fill(np.empty_like(x, wide), lambda u: np.copyto(u, engine.units(u.size, wide)), engine.block)
        x[...] = u < p.astype(wide, copy=False)
    return x


def bernoulli(input: np.ndarray, p: Any = None, *, generator: Generator | None = None) -> np.ndarray:
    """Make an array of Bernoulli draws: element i is 1 with probability input[i], or p if p is given."""
    check_array("bernoulli", input)
    return bernoulli_(np.empty(input.shape, input.dtype), input if p is None else p, generator)


def dropout_mask(input: np.ndarray, p: float, generator: Generator | None = None) -> np.ndarray:
    """The mask of torch's dropout(input, p): an array like input, 0 with probability p, else 1.

        on the CPU     bernoulli_(1 - p)
        on CUDA        its own kernel draws, see `Philox.dropout_units`; u < 1 - p

    Nothing is drawn for p = 0, p = 1 or an empty input. torch scales what is left by mask / (1 - p), see nn.Dropout.
    """
    check_array("dropout_mask", input)
    check_probabilities("dropout_mask", np.asarray(p))
    mask = np.empty_like(input)
    engine = engine_of(generator)
    if p in (0, 1) or not input.size:
        mask[...] = 1 - p
    elif isinstance(engine, Philox):
        wide = computing_dtype(input.dtype)

        def draw(out: np.ndarray) -> None:
            out[...] = engine.dropout_units(out.size, out.itemsize) < wide(1 - p)

        fill(mask, draw, engine.block)
    else:
        bernoulli_(mask, 1 - p, generator)
    return mask


def check_probabilities(call: str, p: np.ndarray) -> None:
    if not np.all((p >= 0) & (p <= 1)):
        raise RuntimeError(f"{call}: probabilities must lie in [0, 1], got {p}.")


def check_array_of_probabilities(p: np.ndarray, x: np.ndarray) -> None:
    if p.dtype.kind != "f":
        raise NotImplementedError(f"bernoulli_: an array of probabilities must hold floats, got {p.dtype}. Use astype.")
    try:
        np.broadcast_to(p, x.shape)
    except ValueError:
        raise RuntimeError(f"bernoulli_: p of shape {p.shape} does not broadcast to x of shape {x.shape}.") from None

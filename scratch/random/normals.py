"""Normal numbers by Box and Muller's transform: torch's two methods, and when it uses which."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.random import avx2_float32, libm_float32, libm_float64
from scratch.random.arch import get_arch
from scratch.random.generator import Generator, engine_of
from scratch.random.memory_order import fill, store
from scratch.random.mersenne import MersenneTwister
from scratch.random.philox import Philox
from scratch.random.rounding import multiply_add
from scratch.random.shape import check_array, check_floating, computing_dtype, shape_of
from scratch.threads import share_rows

BLOCK = 2**16  # numbers that one thread transforms while another transforms the next
ROW = 16  # Box-Muller in rows: 8 radii, then 8 angles


def normal_(x: np.ndarray, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> np.ndarray:
    """Fill x with normals, in place; returns x.

        x = z std + mean        z by `row_normals` if x is contiguous and has 16 elements or more, else `single_normals`

    On the CUDA stream z is always `Philox.normals`.

    Torch     torch.Tensor.normal_.
    Raises    RuntimeError if std is negative or NaN; NotImplementedError for integers.
    Source    Box and Muller 1958, Annals of Mathematical Statistics 29(2); at::native::templates::cpu::normal_kernel.
    """
    check_floating("normal_", x)
    if not std >= 0:
        raise RuntimeError(f"normal_: the standard deviation must be at least 0, got {std}.")
    engine = engine_of(generator)
    wide = computing_dtype(x.dtype)
    if isinstance(engine, MersenneTwister) and x.size >= ROW and x.flags.c_contiguous:
        row_normals(engine, x.reshape(-1), mean, std)
        return x

    def draw(out: np.ndarray) -> None:
        z = engine.normals(out.size, wide) if isinstance(engine, Philox) else single_normals(engine, out.size)
        multiply_add(z, std, mean, engine.fuses)
        store(out, z)

    return fill(x, draw, engine.block)


def row_normals(engine: MersenneTwister, x: np.ndarray, mean: float, std: float) -> None:
    """Fill the contiguous x of 16 elements or more, by rows of 16 units u of x's dtype:

        x[j] = r_j cos t_j     x[8 + j] = r_j sin t_j     r_j = sqrt(-2 log(1 - u[j]))     t_j = 2 pi u[8 + j]

    All n units are drawn first. If 16 does not divide n, 16 more are drawn and the last 16 elements are written, some
    for the second time, from these. z std + mean rounds once, on every machine. The cached normal is neither used nor
    set. float16 computes in float32 and does not draw the units of its unfinished row.
    """
    wide = computing_dtype(x.dtype)

    def write(out: np.ndarray, u: np.ndarray) -> None:
        z = transformed(u)
        multiply_add(z, std, mean)
        store(out, z)

    def draw(out: np.ndarray) -> None:
        share_rows(write, (out, engine.units(out.size, wide)), BLOCK)

    whole = x.size - x.size % ROW
    at_once = 4 * BLOCK if whole >= 8 * BLOCK else engine.block
    for start in range(0, whole, at_once):
        draw(x[start : min(start + at_once, whole)])
    if x.size > whole:
        if x.dtype != np.float16:
            engine.units(x.size - whole, wide)
        draw(x[-ROW:])


def transformed(u: np.ndarray) -> np.ndarray:
    """Box-Muller of whole rows: units in, standard normals out, in u's dtype."""
    radius_units, angle_units = u.reshape(-1, 2, ROW // 2).transpose(1, 0, 2).reshape(2, -1)
    if u.dtype == np.float64:
        log = libm_float64.apply("log", 1 - radius_units)
        angle = angle_units * (2 * np.pi)
        sin, cos = libm_float64.apply("sin", angle), libm_float64.apply("cos", angle)
    elif get_arch() == "avx2":
        log = avx2_float32.log(1 - radius_units)
        sin, cos = avx2_float32.sin_cos(angle_units * np.float32(2 * np.pi))
    else:
        log = libm_float32.log(1 - radius_units)
        sin, cos = libm_float32.sin_cos((angle_units.astype(np.float64) * (2 * np.pi)).astype(np.float32))
    log *= -2
    radius = np.sqrt(log, out=log)
    z = np.stack((cos.reshape(-1, ROW // 2), sin.reshape(-1, ROW // 2)), axis=1)
    z *= radius.reshape(-1, 1, ROW // 2)
    return z.reshape(-1)


def single_normals(engine: MersenneTwister, n: int) -> np.ndarray:
    """Draw n standard normals in float64, one after the other, through the cache.

        z, next = r cos t, r sin t        r = sqrt(-2 log1p(-u2))        t = 2 pi u1        u1 is drawn before u2

    The second of a pair waits in the engine for the next call that wants a single normal, of any dtype, mean and
    standard deviation; rand, randint and row_normals leave it there.
    """
    z = np.empty(n)
    rest = z
    if n and engine.next_normal is not None:
        z[0], engine.next_normal = engine.next_normal, None
        rest = z[1:]
    pairs = (rest.size + 1) // 2
    u1, u2 = engine.units(2 * pairs, np.float64).reshape(-1, 2).T.copy()
    log = libm_float64.apply("log1p", -u2)
    log *= -2
    radius = np.sqrt(log, out=log)
    u1 *= 2 * np.pi
    values = np.stack((libm_float64.apply("cos", u1), libm_float64.apply("sin", u1)), axis=1)
    values *= radius[:, None]
    rest[...] = values.reshape(-1)[: rest.size]
    if rest.size % 2:
        engine.next_normal = float(values[-1, 1])
    return z


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
) -> np.ndarray:
    """A new array of normals, either from one mean, one std and a size, or from arrays of means, stds or both.

        arrays of means and stds    z * std + mean           z ~ normal_(0, 1); two roundings, never one
        an array of means           z + mean                 z ~ normal_(0, std)
        an array of stds            z * std + mean           z ~ normal_(0, 1)

    Torch     torch.normal; dtype is for numbers and a size alone (float32 by default), arrays keep theirs.
    Raises    TypeError if neither an array nor a size is given; RuntimeError for a negative std or shapes that do not
              broadcast.
    """
    if size is not None:
        shape = shape_of("normal", (size,))
        return normal_(np.empty(shape, np.float32 if dtype is None else dtype), mean, std, generator)
    arrays = [a for a in (mean, std) if isinstance(a, np.ndarray)]
    if not arrays:
        raise TypeError("normal: needs an array of means or of stds, or else a size.")
    if not np.all(np.asarray(std) >= 0):
        raise RuntimeError("normal: every standard deviation must be at least 0.")
    z = np.empty(broadcast_shape(*arrays), arrays[0].dtype)
    if not isinstance(std, np.ndarray):
        normal_(z, 0.0, std, generator)
    else:
        normal_(z, generator=generator)
        z *= std
    z += mean
    return z


def broadcast_shape(*arrays: np.ndarray) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise RuntimeError(f"normal: means and stds of shapes {shapes} do not broadcast.") from None


def randn(*size: Any, generator: Generator | None = None, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Make an array of standard normals, of a size given as 3, 4 or as (3, 4)."""
    return normal_(np.empty(shape_of("randn", size), dtype), generator=generator)


def randn_like(input: np.ndarray, *, generator: Generator | None = None, dtype: DTypeLike | None = None) -> np.ndarray:
    """Standard normals with the shape, dtype and memory order of input."""
    check_array("randn_like", input)
    return normal_(np.empty_like(input, dtype), generator=generator)

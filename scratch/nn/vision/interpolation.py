"""Interpolation along one axis, as a sparse matrix: which inputs each output reads, and with which weights.

Output o of O lies at a coordinate of the input of size I, in units of its pixels, pixel 0 being at coordinate 0:

    aligned corners    c_o = o (I - 1) / (O - 1)        the first and last pixels of both sides coincide
    otherwise          c_o = (o + 1/2) s - 1/2          pixels are cells, and the outer borders coincide

with s = I / O, or 1 / scale_factor where one was given: then the last cells need not end together.

Numerics. Coordinates are computed in x's precision, as torch does; (o + 1/2) s - 1/2 is rounded once where torch's
kernels fuse the product and the difference (see scratch/random/arch.py). So even where a coordinate falls on the border
between two pixels, both libraries read the same one.
"""

from functools import lru_cache

import numpy as np

from scratch.nn.axis_matrix import AxisMatrix
from scratch.nn.windows import KEPT, adaptive_windows
from scratch.random.arch import get_arch
from scratch.random.rounding import multiply_add

CUBIC = -0.75  # the parameter of Keys' kernel; -1/2 would be exact for parabolas, torch and OpenCV take -3/4


def interpolation_matrix(
    mode: str, size: int, outputs: int, scale_factor: float | None, aligned: bool, dtype: np.dtype
) -> AxisMatrix:
    """The matrix of one axis. mode is nearest, nearest-exact, area, linear or cubic."""
    return _matrix(mode, size, outputs, scale_factor, aligned, dtype, get_arch() != "scalar")


@lru_cache(KEPT)
def _matrix(
    mode: str, size: int, outputs: int, scale_factor: float | None, aligned: bool, dtype: np.dtype, fused: bool
) -> AxisMatrix:
    if mode == "area":
        return area(size, outputs, dtype)
    if mode.startswith("nearest"):
        return nearest(size, outputs, scale_factor, mode == "nearest-exact", dtype, fused)
    coordinate = coordinates(size, outputs, scale_factor, aligned, dtype, fused)
    return linear(coordinate, size) if mode == "linear" else cubic(coordinate, size)


def nearest(
    size: int, outputs: int, scale_factor: float | None, exact: bool, dtype: np.dtype, fused: bool
) -> AxisMatrix:
    """Each output copies one input: floor(o s), or, for nearest-exact, the cell that contains the middle of its own.

    Torch takes the floor in float32 for every precision of x.
    """
    if exact:
        middle = np.maximum(coordinates(size, outputs, scale_factor, False, dtype, fused), 0).astype(np.float64) + 0.5
    else:
        middle = np.arange(outputs).astype(dtype) * step(size, outputs, scale_factor, dtype)
    column = np.minimum(np.floor(middle.astype(np.float32)).astype(np.int64), size - 1)
    return AxisMatrix(np.arange(outputs), column, None, (outputs, size))


def linear(coordinate: np.ndarray, size: int) -> AxisMatrix:
    """y_o = (1 - t) x_i + t x_(i+1)        i = floor(c_o), t = c_o - i

    The value is constant before the first pixel and after the last one. An axis that keeps its size is copied.
    """
    outputs = len(coordinate)
    if outputs == size:
        i = after = np.arange(size)
        t = np.zeros_like(coordinate)
    else:
        i, t = neighbor(np.maximum(coordinate, 0), size)
        after = np.minimum(i + 1, size - 1)
    rows, columns = np.tile(np.arange(outputs), 2), np.concatenate([i, after])
    return AxisMatrix(rows, columns, np.concatenate([1 - t, t]), (outputs, size))


def cubic(coordinate: np.ndarray, size: int) -> AxisMatrix:
    """y_o = Σ_k w(k - t) x_(i+k) for k = -1, 0, 1, 2        i = floor(c_o), t = c_o - i

    With a = -3/4, w(d) = ((a + 2) |d| - (a + 3)) d² + 1 for |d| <= 1, and a (((|d| - 5) |d| + 8) |d| - 4) up to 2.
    Beyond the ends the last pixel repeats.
    """
    outputs = len(coordinate)
    i, t = neighbor(coordinate, size)
    distance = np.stack([t + 1, t, 1 - t, 2 - t])
    inner, outer = distance[1:3], distance[0::3]
    weights = np.empty_like(distance)
    weights[1:3] = ((CUBIC + 2) * inner - (CUBIC + 3)) * inner * inner + 1
    weights[0::3] = ((CUBIC * outer - 5 * CUBIC) * outer + 8 * CUBIC) * outer - 4 * CUBIC
    columns = np.clip(np.stack([i - 1, i, i + 1, i + 2]), 0, size - 1)
    return AxisMatrix(np.tile(np.arange(outputs), 4), columns.reshape(-1), weights.reshape(-1), (outputs, size))


def area(size: int, outputs: int, dtype: np.dtype) -> AxisMatrix:
    """The mean of all inputs that an output's cell touches: adaptive average pooling."""
    windows = adaptive_windows(size, outputs)
    ones = windows.sums
    return AxisMatrix(ones.rows, ones.columns, (1 / windows.counts).astype(dtype)[ones.rows], ones.shape)


def coordinates(
    size: int, outputs: int, scale_factor: float | None, aligned: bool, dtype: np.dtype, fused: bool
) -> np.ndarray:
    """c_o of every output."""
    number = dtype.type
    if aligned:
        return np.arange(outputs).astype(dtype) * (number(size - 1) / number(max(outputs - 1, 1)))
    coordinate = np.arange(outputs).astype(dtype) + number(0.5)
    multiply_add(coordinate, step(size, outputs, scale_factor, dtype), -0.5, fused=fused)
    return coordinate


def step(size: int, outputs: int, scale_factor: float | None, dtype: np.dtype) -> float:
    """s, from one output to the next."""
    number = dtype.type
    return float(number(1 / scale_factor) if scale_factor else number(size) / number(outputs))


def neighbor(coordinate: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixel i at or before a coordinate, and the distance t in [0, 1] of the coordinate from it."""
    i = np.minimum(np.floor(coordinate).astype(np.int64), size - 1)
    return i, np.clip(coordinate - i.astype(coordinate.dtype), 0, 1)

"""Mean 0 and variance 1 over a set of axes, then a scale and a shift: what batch, group and instance norm share.

Each of them is a view of its input as (N, G, P, L), in which every group g of every sample n has a mean and a variance
over its p and l, and every (g, p) a weight and a bias:

    GroupNorm      (N, G, C/G, L)       a weight for each channel; L is the product of the spatial sizes
    InstanceNorm   (N, C, 1, L)         each channel is its own group
    BatchNorm      (N, C, 1, L)         the same, with one mean and one variance for all n
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from scratch.nn.module import Module, Parameter
from scratch.nn.normalization.rows import CENTERINGS, buffer_a_row, is_exact, variance
from scratch.nn.sums import sum_leading, sum_trailing, sums_of_blocks
from scratch.threads import share_rows

BLOCK = 2**19  # numbers: shorter statements make two threads wait for each other


class Normalized(NamedTuple):
    """What the backward needs; x̂ is (x - mean) * r."""

    x: np.ndarray  # (N, G, P, L): x, or x - μ where μ is large
    mean: np.ndarray  # μ, or what rounding left of it (N, G, 1, 1), or (1, G, 1, 1) if all n share it
    r: np.ndarray  # 1 / sqrt(σ² + eps), of the same shape
    constant: bool  # whether μ and r came from outside, so that they do not depend on x


def normalize(
    x: np.ndarray,
    weight: Parameter | None,
    bias: Parameter | None,
    eps: float,
    *,
    over_batch: bool = False,
    running: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, Normalized, np.ndarray, np.ndarray]:
    """Give y (N, G, P, L), what to save, and μ and σ² (N, G), which are (1, G) `over_batch` and if `running`.

        y = x̂ * weight + bias        x̂ = (x - μ) * r        r = 1 / sqrt(σ² + eps)        μ = <x>        σ² = <x²> - μ²

    <.> is the mean over p and l, and over n as well `over_batch`; `running` gives μ and σ² from outside.

    As long as no μ exceeds its σ, the difference <x²> - μ² loses a bit at most, and y is x times a factor plus a shift,
    both of them one number for all l. Otherwise x - μ takes the place of x, in which rounding has left a small mean: at
    mean 1000 <x²> - μ² would keep about one digit, and the rounded μ be off by up to 3e-5. So y is exact to an ulp. Of
    a constant x only that mean is left, and no σ, so that it is taken out too.
    """
    buffer_a_row(x)
    shape = (*x.shape[1:3], 1)
    mean, var = _moments(x, over_batch) if running is None else (z.reshape(1, -1, 1, 1) for z in running)
    rest, given = mean, x
    for _ in range(CENTERINGS):
        if is_exact(rest, var):
            break
        d = np.empty(x.shape, x.dtype) if x is given else x
        _by_samples(_subtract, x, d, rest)
        x = d
        rest, var = _moments(x, over_batch) if running is None else (np.zeros_like(mean), var)
    if x.size:
        r = np.reciprocal(np.sqrt(var + float(eps)))
    else:  # no mean, no variance, no gradient
        rest, r = np.zeros_like(mean), np.zeros_like(var)
    factor = r if weight is None else r * weight.data.reshape(shape)
    shift = rest * -factor if bias is None else bias.data.reshape(shape) - rest * factor
    y = np.empty(x.shape, x.dtype)
    _by_samples(_scale, x, y, factor, shift)
    return y, Normalized(x, rest, r, running is not None), mean[..., 0, 0], var[..., 0, 0]


def _moments(x: np.ndarray, over_batch: bool) -> tuple[np.ndarray, np.ndarray]:
    """μ and σ² = <x²> - μ²."""
    mean, square = (_mean(sums, x.shape, over_batch) for sums in _by_samples(lambda x: (_sums(x), _sums(x, x)), x))
    return mean, variance(mean, square)


def _subtract(x: np.ndarray, d: np.ndarray, mean: np.ndarray) -> None:
    np.subtract(x, mean, out=d)


def _scale(x: np.ndarray, y: np.ndarray, factor: np.ndarray, shift: np.ndarray | None) -> None:
    np.multiply(x, factor, out=y)
    if shift is not None:
        y += shift


def normalize_backward(
    dy: np.ndarray, saved: Normalized, weight: Parameter | None, bias: Parameter | None
) -> np.ndarray:
    """Give dx (N, G, P, L), and add dweight = Σ dy * x̂ and dbias = Σ dy, sums over n and l.

    With g = dy * weight, the gradient of x̂:

        dx = r * (g - <g> - x̂ * <g * x̂>)        or r * g, if μ and r are constants

    From x̂ = (x - μ) r follows dx̂ = (dx - dμ) r + (x - μ) dr. Here dμ = <dx>, and dσ² = 2 <(x - μ) dx> gives
    dr = -r³ dσ²/2 = -r² <x̂ dx>, so dx̂ = r (dx - <dx> - x̂ <x̂ dx>). This linear map is its own transpose. In words:
    shifting x changes nothing, so g loses its mean; stretching x changes nothing, so g loses its part along x̂.

    With x̂ = (x - mean) r, every sum needed is a small sum over Σ_l dy and Σ_l dy * x: two passes over dy, not four.
    """
    x, mean, r, constant = saved
    buffer_a_row(dy)
    n, groups, per_group, length = dy.shape
    terms = per_group * length
    sum_dy, sum_dyd = _by_samples(lambda dy, x: (sum_trailing(dy), sum_trailing(dy, x)), dy, x)  # (N, G, P)
    if len(r) < n and length == 1:  # 128 samples at a time: the next statement would take as long as the sums
        sum_dy, sum_dyd = (
            sums_of_blocks(sums.reshape(n, groups * per_group))[:, 0].reshape(-1, groups, per_group)
            for sums in (sum_dy, sum_dyd)
        )
    sum_dyd -= mean[..., 0] * sum_dy
    if len(r) < n:  # all n share one mean
        sum_dy, sum_dyd = (_sum_batch(sums) for sums in (sum_dy, sum_dyd))
        terms *= n
    if weight is not None:
        weight.accumulate(_sum_batch(sum_dyd * r[..., 0]).reshape(weight.shape))
    if bias is not None:
        bias.accumulate(_sum_batch(sum_dy).reshape(bias.shape))
    w = np.ones((groups, per_group), dy.dtype) if weight is None else weight.data.reshape(groups, per_group)
    slope, dx = r * w[..., np.newaxis], np.empty(dy.shape, dy.dtype)
    if constant:
        _by_samples(_scale, dy, dx, slope, None)
        return dx
    sum_g, sum_gd = (sum_trailing(sums, w)[..., np.newaxis, np.newaxis] for sums in (sum_dy, sum_dyd))
    along = r * (r * (r * sum_gd / terms))  # r³ alone is 0 from σ = 1e15 on
    _by_samples(_differentiate, dy, x, dx, slope, along, r * sum_g / terms - along * mean)
    return dx


def _differentiate(
    dy: np.ndarray, x: np.ndarray, dx: np.ndarray, slope: np.ndarray, along: np.ndarray, shift: np.ndarray
) -> None:
    """Write dx = slope dy - along x - shift."""
    np.multiply(dy, slope, out=dx)
    away = x * along
    away += shift
    dx -= away


def _by_samples(work: Callable[..., Any], *arrays: np.ndarray | None) -> Any:
    """What work(*arrays) returns, an array or several or nothing, computed for a few samples at a time."""
    x = arrays[0]
    assert x is not None
    if x.size <= BLOCK:
        return work(*arrays)
    parts = share_rows(work, arrays, max(BLOCK * len(x) // x.size, 1))
    if isinstance(parts[0], tuple):
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))
    return None if parts[0] is None else np.concatenate(parts)


def _sums(a: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """Σ a b, or Σ a without b, over p and l: (N, G)."""
    rows = (*a.shape[:2], math.prod(a.shape[2:]))
    return sum_trailing(a.reshape(rows), None if b is None else b.reshape(rows))


def _mean(sums: np.ndarray, shape: tuple[int, ...], over_batch: bool) -> np.ndarray:
    """The mean over p and l, and over n `over_batch`, from the sums over p and l (N, G): (N or 1, G, 1, 1)."""
    terms = math.prod(shape[2:])
    if over_batch:
        sums, terms = sum_leading(sums)[np.newaxis], len(sums) * terms
    return (sums / terms)[..., np.newaxis, np.newaxis]


def _sum_batch(a: np.ndarray) -> np.ndarray:
    """Σ_n of (N, G, P), as (1, G, P)."""
    return sum_leading(a.reshape(len(a), math.prod(a.shape[1:]))).reshape(1, *a.shape[1:])


def check_dtype(layer: Module, x: np.ndarray, *references: np.ndarray | Parameter | None) -> None:
    """Refuse x unless it is float32 or float64, and of the dtype of the layer's parameters and buffers."""
    if x.dtype.char not in "fd":
        raise RuntimeError(f"{layer}: the input must be float32 or float64, got {x.dtype}.")
    for reference in references:
        if reference is not None and reference.dtype != x.dtype:
            raise RuntimeError(
                f"{layer}: the input must be {reference.dtype} like the layer's arrays, got {x.dtype}. "
                "Convert it, or build the layer with that dtype."
            )

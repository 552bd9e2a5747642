"""Mean 0 and variance 1 over a set of axes, then a scale and a shift: what batch, layer, group and instance norm share.

Every one of them is a view of its input as (N, K, L), in which each k has its own mean and variance over n and l:

    BatchNorm      (N, C, L)            one k a channel; L is the product of the spatial sizes
    InstanceNorm   (1, N·C, L)          one k a channel of a sample
    GroupNorm      (1, N·G, L·C/G)      one k a group of channels of a sample
    LayerNorm      (1, rows, D)         one k a row

The scale and the shift are one number for each c of a view (N, C, L), where LayerNorm reads its rows as (rows, D, 1).
"""

import numpy as np

from scratch.nn.module import Parameter
from scratch.nn.reduction import sum_leading

BLOCK = 4096  # the longest dot product that BLAS may sum in one go: in float32 1 ulp at 4096, 25 ulp at 2^20


@np.errstate(divide="ignore", over="ignore", invalid="ignore")
def standardize(x: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x̂ (N, K, L) with mean 0 and variance 1 for each k, and r, μ, σ² (K).

        x̂ = (x - μ) * r        r = 1 / sqrt(σ² + eps)        μ = <x>        σ² = <(x - μ)²>

    <.> is the mean over n and l, so σ² is the biased variance. Centering comes first: E[x²] - E[x]² would keep about
    one digit at mean 1000.
    """
    n = x.shape[0] * x.shape[2]
    mean = dots(x, np.ones(x.shape[2], x.dtype)) / n
    x_hat = x - mean[:, np.newaxis]
    rest = dots(x_hat, np.ones(x.shape[2], x.dtype)) / n
    x_hat -= rest[:, np.newaxis]
    mean += rest
    var = dots(x_hat, x_hat) / n
    r = 1 / np.sqrt(var + float(eps))
    x_hat *= r[:, np.newaxis]
    return x_hat, r, mean, var


@np.errstate(divide="ignore", over="ignore", invalid="ignore")
def standardize_backward(g: np.ndarray, x_hat: np.ndarray, r: np.ndarray) -> np.ndarray:
    """dx (N, K, L) from g = dL/dx̂.

        dx = r * (g - <g> - x̂ * <g * x̂>)

    From x̂ = (x - μ) r follows dx̂ = (dx - dμ) r + (x - μ) dr. Here dμ = <dx>, and dσ² = 2 <(x - μ) dx> gives
    dr = -r³ dσ²/2 = -r² <x̂ dx>, so dx̂ = r (dx - <dx> - x̂ <x̂ dx>). This linear map is its own transpose. In words:
    shifting x changes nothing, so g loses its mean; stretching x changes nothing, so g loses its part along x̂.
    """
    n = g.shape[0] * g.shape[2]
    dx = x_hat * (dots(g, x_hat) / -n)[:, np.newaxis]
    dx += g
    dx -= (dots(g, np.ones(g.shape[2], g.dtype)) / n)[:, np.newaxis]
    dx *= r[:, np.newaxis]
    return dx


@np.errstate(over="ignore", invalid="ignore")
def scale_and_shift(x_hat: np.ndarray, weight: Parameter | None, bias: Parameter | None) -> np.ndarray:
    """y = x̂ * weight + bias, x̂ and y (N, C, L), with C numbers in weight and in bias; either may be missing."""
    if weight is None:
        return x_hat
    y = x_hat * weight.data.reshape(-1, 1)
    if bias is not None:
        y += bias.data.reshape(-1, 1)
    return y


@np.errstate(over="ignore", invalid="ignore")
def scale_and_shift_backward(
    dy: np.ndarray, x_hat: np.ndarray, weight: Parameter | None, bias: Parameter | None
) -> np.ndarray:
    """dx̂ = dy * weight; adds dweight = Σ dy * x̂ and dbias = Σ dy, summed over n and l."""
    if weight is None:
        return dy
    weight.accumulate(dots(dy, x_hat).reshape(weight.shape))
    if bias is not None:
        bias.accumulate(dots(dy, np.ones(dy.shape[2], dy.dtype)).reshape(bias.shape))
    return dy * weight.data.reshape(-1, 1)


def dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ_nl a * b for each k: (K) from (N, K, L), in BLAS dot products of at most BLOCK terms, and sums of those."""
    length = a.shape[2]
    if length == 1:
        rows = (a * b)[..., 0]
    elif length <= BLOCK:
        rows = np.vecdot(a, b)
    else:
        whole = length // BLOCK * BLOCK
        blocks_a, blocks_b = (z[..., :whole].reshape(*z.shape[:-1], whole // BLOCK, BLOCK) for z in (a, b))
        rows = np.vecdot(blocks_a, blocks_b).sum(axis=-1) + np.vecdot(a[..., whole:], b[..., whole:])
    return sum_leading(rows) if len(rows) != 1 else rows[0]


def check_dtype(layer: object, x: np.ndarray, *references: np.ndarray | Parameter | None) -> None:
    """x must be floating point, and of the dtype of the layer's parameters and buffers, if it has any."""
    if x.dtype.kind != "f":
        raise RuntimeError(f"{layer}: the input must be floating point, got {x.dtype}.")
    for reference in references:
        if reference is not None and reference.dtype != x.dtype:
            raise RuntimeError(
                f"{layer}: the input must be {reference.dtype} like the layer's arrays, got {x.dtype}. "
                "Convert it, or build the layer with that dtype."
            )

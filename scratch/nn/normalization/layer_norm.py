"""LayerNorm: normalize each row by its own mean and variance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module
from scratch.nn.normalization.normalize import check_dtype
from scratch.nn.normalization.rows import (
    CENTERINGS,
    as_shape,
    block_length,
    buffer_a_row,
    is_exact,
    joined,
    mean_of_rows,
    rows_to_normalize,
    times_weight,
    variance,
)
from scratch.nn.sums import sum_leading, sums_of_blocks
from scratch.products import matmul
from scratch.threads import share_rows


class LayerNorm(Module):
    """Normalize each row to mean 0 and variance 1, then scale and shift each of its elements.

        y = x̂ * weight + bias        x̂ = (x - μ) * r        r = 1 / sqrt(σ² + eps)

    Shapes    x, y (..., D); weight, bias (D); μ, σ², r one per row. D may be several dimensions, normalized_shape. σ²
              divides by D, not D - 1.
    Options   normalized_shape, the last dimensions; eps; elementwise_affine gives it weight and bias, bias=False leaves
              the bias out; dtype of both.
    Backward  with g = dy * weight and <.> the mean over D:
                  dx = r * (g - <g> - x̂ * <g * x̂>)      dweight = Σ dy * x̂      dbias = Σ dy
    Why       μ and r depend on every x of the row. Shifting the row changes nothing, so g loses its mean; stretching
              it changes nothing, so g loses its part along x̂. The derivation is in normalize.py.
    Saves     x, r and s = -μ r; x̂ = r x + s. For blocks with a larger μ, μ, and s = -r times what rounding left of it.
    Numerics  σ² = <x²> - μ² loses a bit at most as long as no μ of a block of rows exceeds its σ; in other blocks x - μ
              takes the place of x, so that at mean 1000 the output is exact to an ulp. A constant row is 0 exactly.
    Cost      28 times an array is read or written, forward and backward, where fused loops would do with 7: 2 times
              torch's time for 512 rows of 512 and 3 for 4096, one thread each; 3.5 on two, which share blocks of 2^18
              numbers. The 17 statements take 0.04 to 0.1 ns a number in the cache, 1.1 in all, and the memory 0.6,
              which is all that torch takes. Blocks that stay in the cache gain nothing on one thread and lose on two.
    Init      weight 1, bias 0.
    Torch     torch.nn.LayerNorm; same names and defaults.
    Raises    RuntimeError if the last dimensions of x are not normalized_shape, or its dtype is not the weight's.
    Source    Ba, Kiros, Hinton 2016, arXiv:1607.06450, section 3.

    >>> LayerNorm(2, dtype=np.float64)(np.array([[1.0, 3.0]])).round(4)
    array([[-1.,  1.]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.normalized_shape = as_shape(type(self).__name__, normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = self.new_parameter(*self.normalized_shape, dtype=dtype) if elementwise_affine else None
        self.bias = self.new_parameter(*self.normalized_shape, dtype=dtype) if elementwise_affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x: np.ndarray) -> np.ndarray:
        rows = x.reshape(rows_to_normalize(self, x, self.normalized_shape))
        check_dtype(self, x, self.weight, self.bias)
        buffer_a_row(rows)
        y, center, r, s = (np.empty((len(rows), width), x.dtype) for width in (rows.shape[1], 1, 1, 2))
        centered = share_rows(self._normalize, (rows, y, center, r, s), block_length(rows))
        return self.save(y.reshape(x.shape), rows, center if any(centered) else None, r, s)

    def _normalize(self, x: np.ndarray, y: np.ndarray, center: np.ndarray, r: np.ndarray, s: np.ndarray) -> bool:
        """Write y, center, r and s of some rows, and tell whether a center is not 0."""
        center[...] = 0
        rows, (mean, var) = x, moments(x)
        for _ in range(CENTERINGS):
            if is_exact(mean, var):
                break
            center += mean
            x = rows - center
            mean, var = moments(x)
        var += float(self.eps)
        np.reciprocal(np.sqrt(var), out=r)
        np.multiply(mean, -r, out=s[:, :1])
        s[:, 1] = 1
        weight = None if self.weight is None else self.weight.data.reshape(-1)
        times_weight(x, r, weight, y)
        if weight is None:
            y += s[:, :1]
        else:
            bias = np.zeros_like(weight) if self.bias is None else self.bias.data.reshape(-1)
            y += matmul(s, np.array([weight, bias]))
        return x is not rows

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, center, r, s = self.take(dy)
        rows, dx = dy.reshape(x.shape), np.empty(x.shape, x.dtype)
        buffer_a_row(rows)
        sums = share_rows(self._differentiate, (rows, x, center, r, s, dx), block_length(x))
        for parameter, parts in zip((self.weight, self.bias), zip(*sums, strict=True), strict=True):
            if parameter is not None:
                parameter.accumulate(sum_leading(joined(parts)).reshape(parameter.shape))
        return dx.reshape(dy.shape)

    def _differentiate(
        self, dy: np.ndarray, x: np.ndarray, center: np.ndarray | None, r: np.ndarray, s: np.ndarray, dx: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Write dx = r * g - r * (<g> + x̂ * q) of some rows, q = <g * x̂>; give sums of their dweight and dbias."""
        weight = None if self.weight is None else self.weight.data.reshape(-1)
        if center is not None:
            x = x - center
        away = dy * x
        by_s = sums_of_blocks(dy, s)
        dweight, dbias = sums_of_blocks(away, r)[:, 0] + by_s[:, 0], by_s[:, 1]
        mean_g, mean_gx, s = mean_of_rows(dy, weight), mean_of_rows(away, weight), s[:, :1]
        q = r * mean_gx + s * mean_g
        np.multiply(x, r * r * q, out=away)  # x̂ = r x + s
        away += r * (s * q + mean_g)
        times_weight(dy, r, weight, dx)
        dx -= away
        return dweight, dbias

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """<x> and <x²> - <x>² of each row, (N, 1)."""
    mean = mean_of_rows(x)
    return mean, variance(mean, mean_of_rows(x, x))

"""LayerNorm: normalize each row by its own mean and variance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module
from scratch.nn.normalization.normalize import check_dtype
from scratch.nn.normalization.rows import as_shape, block_length, rows_to_normalize
from scratch.nn.sums import sum_leading, sum_trailing
from scratch.products import outer
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
    Saves     x - μ and r; x̂ is their product.
    Numerics  centers first, then squares; at mean 1000 the output is exact to an ulp.
    Cost      29 passes over an array, forward and backward, where fused loops would do with 7; arrays of more
              than half a million numbers are taken in blocks of so many, which threads share out.
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
        N, D = rows.shape
        y, d, r = (np.empty((N, width), x.dtype) for width in (D, D, 1))
        share_rows(self._normalize, (rows, y, d, r), block_length(rows))
        return self.save(y.reshape(x.shape), d, r)

    def _normalize(self, x: np.ndarray, y: np.ndarray, d: np.ndarray, r: np.ndarray) -> None:
        """Write y, d = x - μ and r of some rows."""
        np.subtract(x, mean_of_rows(x), out=d)
        rest, var = mean_of_rows(d), mean_of_rows(d, d)
        if (np.square(rest) > var * np.finfo(x.dtype).eps ** 2).any():  # else it is below an ulp of x̂
            d -= rest
            var = mean_of_rows(d, d)
        np.divide(1, np.sqrt(var + float(self.eps)), out=r)
        outer(r, self._weight(x), out=y)  # by BLAS in two thirds of the time of a broadcast product
        y *= d
        if self.bias is not None:
            y += self.bias.data.reshape(-1)

    def _weight(self, like: np.ndarray) -> np.ndarray:
        """(1, D); ones without a weight."""
        return np.ones((1, like.shape[1]), like.dtype) if self.weight is None else self.weight.data.reshape(1, -1)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        d, r = self.take(dy)
        rows, dx = dy.reshape(d.shape), np.empty_like(d)
        sums = share_rows(self._differentiate, (rows, d, r, dx), block_length(d))
        dweight, dbias = zip(*sums, strict=True)
        if self.weight is not None:
            self.weight.accumulate(sum_leading(np.array(dweight)).reshape(self.weight.shape))
        if self.bias is not None:
            self.bias.accumulate(sum_leading(np.array(dbias)).reshape(self.bias.shape))
        return dx.reshape(dy.shape)

    def _differentiate(
        self, dy: np.ndarray, d: np.ndarray, r: np.ndarray, dx: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Write dx of some rows, r * weight * dy - d * r³ <g * d> - r * <g>, and give their dweight and dbias.

        d is written over.
        """
        weight, along = self._weight(dy), dy * d
        sums = sum_leading(along, r[:, 0]), sum_leading(dy)
        mean_g, mean_gd = mean_of_rows(dy, weight[0]), mean_of_rows(along, weight[0])
        outer(r, weight, out=dx)
        dx *= dy
        d *= mean_gd * r * r * r
        d += mean_g * r
        dx -= d
        return sums

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


def mean_of_rows(a: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """<a b>, or <a> without b, one per row: (rows, 1). b has a's shape, or is one row for all."""
    return sum_trailing(a, b)[:, np.newaxis] / a.shape[1]

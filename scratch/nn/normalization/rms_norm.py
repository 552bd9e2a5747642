"""RMSNorm: divide each row by its root mean square."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module
from scratch.nn.normalization.normalize import check_dtype
from scratch.nn.normalization.rows import as_shape, rows_to_normalize
from scratch.nn.sums import sum_leading, sum_trailing


class RMSNorm(Module):
    """Scale each row to mean square 1, then scale each of its elements.

        y = x̂ * weight        x̂ = x * r        r = 1 / sqrt(<x²> + eps)

    Shapes    x, y (..., D); weight (D); r one per row. D may be several dimensions, normalized_shape.
    Options   normalized_shape, the last dimensions; eps (None: the machine epsilon of the dtype); elementwise_affine
              gives it a weight; dtype of the weight.
    Backward  with g = dy * weight and <.> the mean over D:
                  dx = r * (g - x̂ * <g * x̂>)        dweight = Σ dy * x̂
    Why       dr = -r³ <x dx> = -r² <x̂ dx>, so dx̂ = r (dx - x̂ <x̂ dx>), its own transpose: stretching the row changes
              nothing, so g loses its part along x̂. Unlike in LayerNorm, shifting the row does change it.
    Saves     x̂ and r.
    Numerics  eps=None means the machine epsilon of the input's dtype.
    Init      weight 1.
    Torch     torch.nn.RMSNorm; a weight of another dtype than the input is refused here, torch mixes them.
    Raises    RuntimeError if the last dimensions of x are not normalized_shape, or its dtype is not the weight's;
              ValueError if x has fewer dimensions than normalized_shape.
    Source    Zhang, Sennrich 2019, arXiv:1910.07467, equation 4.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.normalized_shape = as_shape(type(self).__name__, normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = self.new_parameter(*self.normalized_shape, dtype=dtype) if elementwise_affine else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: np.ndarray) -> np.ndarray:
        if x.ndim < len(self.normalized_shape):
            raise ValueError(f"{self}: the input must end in dimensions {self.normalized_shape}, got shape {x.shape}.")
        rows = x.reshape(rows_to_normalize(self, x, self.normalized_shape))
        check_dtype(self, x, self.weight)
        eps = float(np.finfo(x.dtype).eps if self.eps is None else self.eps)
        r = 1 / np.sqrt(sum_trailing(rows, rows)[:, np.newaxis] / rows.shape[1] + eps)
        x_hat = rows * r
        y = x_hat if self.weight is None else x_hat * self.weight.data.reshape(-1)
        return self.save(y.reshape(x.shape), x_hat, r)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x_hat, r = self.take(dy)
        g = dy.reshape(x_hat.shape)
        if self.weight is not None:
            self.weight.accumulate(sum_leading(g * x_hat).reshape(self.weight.shape))
            g = g * self.weight.data.reshape(-1)
        dx = x_hat * (sum_trailing(g, x_hat)[:, np.newaxis] / -x_hat.shape[1])
        dx += g
        dx *= r
        return dx.reshape(dy.shape)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"

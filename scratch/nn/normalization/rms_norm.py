"""RMSNorm: divide each row by its root mean square."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module
from scratch.nn.normalization.normalize import check_dtype
from scratch.nn.normalization.rows import (
    as_shape,
    block_length,
    buffer_a_row,
    joined,
    mean_of_rows,
    rows_to_normalize,
    times_weight,
)
from scratch.nn.sums import sum_leading, sums_of_blocks
from scratch.threads import share_rows


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
    Saves     x and r.
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
        buffer_a_row(rows)
        y, r = np.empty(rows.shape, x.dtype), np.empty((len(rows), 1), x.dtype)
        share_rows(self._normalize, (rows, y, r), block_length(rows))
        return self.save(y.reshape(x.shape), rows, r)

    def _normalize(self, x: np.ndarray, y: np.ndarray, r: np.ndarray) -> None:
        """Write y and r of some rows."""
        square = mean_of_rows(x, x)
        square += float(np.finfo(x.dtype).eps if self.eps is None else self.eps)
        np.reciprocal(np.sqrt(square), out=r)
        times_weight(x, r, None if self.weight is None else self.weight.data.reshape(-1), y)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, r = self.take(dy)
        rows, dx = dy.reshape(x.shape), np.empty(x.shape, x.dtype)
        buffer_a_row(rows)
        sums = share_rows(self._differentiate, (rows, x, r, dx), block_length(x))
        if self.weight is not None:
            self.weight.accumulate(sum_leading(joined(sums)).reshape(self.weight.shape))
        return dx.reshape(dy.shape)

    def _differentiate(self, dy: np.ndarray, x: np.ndarray, r: np.ndarray, dx: np.ndarray) -> np.ndarray:
        """Write dx of some rows, r * g - r³ * <g * x> * x, and give sums of their dweight."""
        weight = None if self.weight is None else self.weight.data.reshape(-1)
        away = dy * x
        dweight = sums_of_blocks(away, r)[:, 0]
        np.multiply(x, r * (r * (r * mean_of_rows(away, weight))), out=away)  # r³ alone is 0 from x = 1e15 on
        times_weight(dy, r, weight, dx)
        dx -= away
        return dweight

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"

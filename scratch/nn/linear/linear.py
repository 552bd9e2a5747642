"""Linear: every output is a weighted sum of all inputs."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module
from scratch.nn.sums import sum_leading
from scratch.products import matmul
from scratch.random import Generator


class Linear(Module):
    """Multiply by a weight matrix and add a bias.

        y = x W^T + b

    Shapes    x (..., I); weight (O, I); bias (O,); y (..., O). I = in_features, O = out_features.
    Options   in_features I, out_features O; bias=False leaves b out; dtype of the parameters, float32 or float64;
              generator draws their initial values (None: the global one).
    Backward  with every leading dimension flattened into N rows:
                  dx = dy W        dW = dy^T x        db = Σ_n dy
              dx is None, and not computed, after requires_input_grad_(False)
    Why       y_o = Σ_i x_i W_oi + b_o, so x_i reaches every y_o through W_oi, and W_oi meets x_i once in every row.
    Saves     x.
    Numerics  one BLAS product each for y, dx and dW; db sums pairwise over the rows.
    Init      weight and bias ~ U(-1/sqrt(I), 1/sqrt(I)), torch's draws from the same seed to the bit.
    Torch     torch.nn.Linear; same names, layout (O, I) and defaults.
    Raises    RuntimeError if the last dimension of x is not I, or its dtype is not the weight's.

    >>> Linear(3, 2)(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        self.in_features = in_features
        self.out_features = out_features
        self.weight = self.new_parameter(out_features, in_features, dtype=dtype)
        self.bias = self.new_parameter(out_features, dtype=dtype) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        init.kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound, generator)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.check_input(x)
        y = matmul(x, self.weight.data.T)
        if self.bias is not None:
            y += self.bias.data
        return self.save(y, x)

    def backward(self, dy: np.ndarray) -> Any:
        x = self.take(dy)
        N = math.prod(x.shape[:-1])
        rows_x, rows_dy = x.reshape(N, self.in_features), dy.reshape(N, self.out_features)
        self.weight.accumulate_product(rows_dy.T, rows_x)
        if self.bias is not None:
            self.bias.accumulate(sum_leading(rows_dy))
        return matmul(dy, self.weight.data) if self.needs_input_grad else None

    def check_input(self, x: np.ndarray) -> None:
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            hint = " Flatten it first." if math.prod(x.shape[1:]) == self.in_features else ""
            raise RuntimeError(f"{self}: the input must end in {self.in_features} features, got shape {x.shape}.{hint}")
        if x.dtype != self.weight.dtype:
            raise RuntimeError(f"{self}: the input must be {self.weight.dtype} like the weight, got {x.dtype}.")

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"

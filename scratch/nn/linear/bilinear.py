"""Bilinear: every output is a weighted sum of all products of two inputs."""

import math

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module
from scratch.nn.sums import sum_leading
from scratch.products import matmul
from scratch.random import Generator


class Bilinear(Module):
    """A quadratic form for each output.

        y_o = x1^T W_o x2 + b_o = Σ_j a_oj x2_j + b_o        a_oj = Σ_i x1_i W_oij

    Shapes    x1 (..., I); x2 (..., J); weight (O, I, J); bias (O,); y (..., O).
    Options   in1_features, in2_features and out_features, the sizes I1, I2 and O; bias=False leaves b out; dtype of the
              parameters, float32 or float64; generator draws their initial values (None: the global one).
    Backward  dx1_i = Σ_o dy_o Σ_j W_oij x2_j        dx2_j = Σ_o dy_o a_oj
              dW_oij = Σ_n dy_o x1_i x2_j            db = Σ_n dy
    Why       y is linear in x1, in x2 and in W separately: each derivative leaves the other two factors.
    Saves     x1, x2, a (..., O, J).
    Numerics  the sums are grouped as torch groups them, so that an infinity cancels to NaN where it does in torch.
    Init      weight and bias ~ U(-1/sqrt(I), 1/sqrt(I)), torch's draws to the bit.
    Torch     torch.nn.Bilinear.
    Raises    RuntimeError if the last dimensions are not I and J, or the leading ones differ.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        if in1_features == 0:
            raise ValueError(f"Bilinear: in1_features must be positive, got {in1_features}.")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = self.new_parameter(out_features, in1_features, in2_features, dtype=dtype)
        self.bias = self.new_parameter(out_features, dtype=dtype) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound, generator)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound, generator)

    def forward(self, x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
        self.check_inputs(x1, x2)
        a = _times_weight(x1, self.weight.data)
        y = matmul(a, x2[..., np.newaxis])[..., 0]
        if self.bias is not None:
            y += self.bias.data
        return self.save(y, x1, x2, a)

    def backward(self, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x1, x2, a = self.take(dy)
        O, I, J = self.weight.shape
        row_dy = dy[..., np.newaxis, :]
        dx1 = matmul(row_dy, _times_weight(x2, self.weight.data.transpose(0, 2, 1)))[..., 0, :]
        dx2 = matmul(row_dy, a)[..., 0, :]
        N = math.prod(x1.shape[:-1])
        rows_dy = dy.reshape(N, O)
        if self.weight.requires_grad:
            products = (x1[..., :, np.newaxis] * x2[..., np.newaxis, :]).reshape(N, I * J)
            self.weight.accumulate(matmul(rows_dy.T, products).reshape(O, I, J))
        if self.bias is not None:
            self.bias.accumulate(sum_leading(rows_dy))
        return dx1, dx2

    def check_inputs(self, x1: np.ndarray, x2: np.ndarray) -> None:
        if x1.shape[:-1] != x2.shape[:-1]:
            raise RuntimeError(f"{self}: both inputs need the same leading dimensions, got {x1.shape} and {x2.shape}.")
        if x1.shape[-1:] != (self.in1_features,) or x2.shape[-1:] != (self.in2_features,):
            raise RuntimeError(
                f"{self}: the inputs must end in {self.in1_features} and {self.in2_features} features, "
                f"got {x1.shape} and {x2.shape}."
            )
        if not x1.dtype == x2.dtype == self.weight.dtype:
            raise RuntimeError(f"{self}: the inputs must be {self.weight.dtype}, got {x1.dtype} and {x2.dtype}.")

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


def _times_weight(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(..., O, J): Σ_i x_i W_oij, one BLAS product for each o."""
    a = np.moveaxis(matmul(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]), weight), 0, -2)
    return a.reshape(*x.shape[:-1], *a.shape[1:])

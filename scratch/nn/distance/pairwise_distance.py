"""PairwiseDistance: the p-norm of the difference of two vectors."""

import math
from typing import Any

import numpy as np

from scratch.nn.module import Module


class PairwiseDistance(Module):
    """The p-norm of the difference, row by row.

        d = x1 - x2 + eps        y = (Σ_i |d_i|^p)^(1/p)        p = inf: max |d_i|        p = 0: how many d_i are not 0

    Shapes    x1, x2 (..., D), the same; y (...), with keepdim (..., 1).
    Backward  dx1 = dy sign(d) |d|^(p-1) / y^(p-1)        dx2 = -dx1
              p = inf: dy shared equally by the elements of largest size        p = 0: 0
    Why       y^p = Σ |d_i|^p, so p y^(p-1) dy/dd_i = p |d_i|^(p-1) sign(d_i).
    Saves     d, y.
    Numerics  where y = 0, and for p < 1 where d = 0, the gradient is 0 by convention. eps, added before the norm, keeps
              equal vectors off that point.
    Torch     torch.nn.PairwiseDistance; torch broadcasts unequal shapes, here they are refused.
    Raises    RuntimeError for unequal shapes or dtypes, or integers.
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        self.norm = float(p)
        self.eps = float(eps)
        self.keepdim = keepdim

    @np.errstate(all="ignore")
    def forward(self, x1: np.ndarray, x2: np.ndarray) -> Any:
        self._check(x1, x2)
        d = x1 - x2 + self.eps
        rows = np.atleast_1d(d)
        if self.norm == 2:
            y = np.sqrt((rows * rows).sum(-1))
        elif self.norm == 1:
            y = np.abs(rows).sum(-1)
        elif self.norm == 0:
            y = (rows != 0).sum(-1).astype(d.dtype)
        elif self.norm == math.inf:
            y = np.abs(rows).max(-1, initial=0)
        else:
            y = (np.abs(rows) ** self.norm).sum(-1) ** (1 / self.norm)
        y = y[..., np.newaxis] if self.keepdim else y
        return self.save(y, d, y)

    @np.errstate(all="ignore")
    def backward(self, dy: Any) -> tuple[np.ndarray, np.ndarray]:
        d, y = self.take(dy)
        if not self.keepdim:
            dy, y = dy[..., np.newaxis], y[..., np.newaxis]
        if self.norm == 2:
            slope, dy = d, np.where(y == 0, 0, dy / y)
        elif self.norm == 0:
            slope = np.zeros_like(d)
        elif self.norm == 1:
            slope = np.sign(np.nan_to_num(d))
        elif self.norm == math.inf:
            largest = (np.abs(d) == y) | np.isnan(d)
            slope = np.sign(np.nan_to_num(d)) * largest / np.atleast_1d(largest).sum(-1, keepdims=True).astype(d.dtype)
        else:
            slope = np.sign(np.nan_to_num(d)) * np.abs(d) ** (self.norm - 1)
            if self.norm < 1:
                slope = np.where(d == 0, 0, slope)
            slope = slope * np.where(y == 0, 0, y ** (1 - self.norm))
        dx1 = (slope * dy).reshape(d.shape)
        return dx1, -dx1

    def _check(self, x1: np.ndarray, x2: np.ndarray) -> None:
        if x1.dtype.kind != "f":
            raise RuntimeError(f"{self}: the inputs must be floating point, got {x1.dtype}.")
        if x1.shape != x2.shape or x1.dtype != x2.dtype:
            raise RuntimeError(
                f"{self}: both inputs must have one shape and dtype, got {x1.dtype}{list(x1.shape)} and "
                f"{x2.dtype}{list(x2.shape)}."
            )

    def extra_repr(self) -> str:
        return f"p={self.norm}, eps={self.eps}, keepdim={self.keepdim}"

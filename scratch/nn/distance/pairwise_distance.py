"""PairwiseDistance: the p-norm of the difference of two vectors."""

import math
from typing import Any

import numpy as np

from scratch.nn.distance.broadcasting import broadcast, sum_repeated
from scratch.nn.module import Module


class PairwiseDistance(Module):
    """The p-norm of the difference, row by row.

        d = x1 - x2 + eps        y = (Σ_i |d_i|^p)^(1/p)
        p = inf: max |d_i|        p = -inf: min |d_i|        p = 0: how many d_i are not 0

    Shapes    x1, x2 (..., D), sizes of 1 repeat; y (...), with keepdim (..., 1).
    Backward  dx1 = dy sign(d) |d|^(p-1) / y^(p-1)        dx2 = -dx1
              p = ±inf: dy sign(d), shared equally by the elements that attain y        p = 0: 0
    Why       y^p = Σ |d_i|^p, so p y^(p-1) dy/dd_i = p |d_i|^(p-1) sign(d_i).
    Saves     d, y.
    Numerics  where y = 0, and for p < 1 where d = 0, the gradient is 0 by convention; the sign of NaN counts as 0. eps,
              added before the norm, keeps equal vectors off that point.
    Torch     torch.nn.PairwiseDistance; torch promotes unequal dtypes, here they are refused.
    Raises    RuntimeError for shapes that do not broadcast, unequal dtypes, integers, or the largest of no elements.
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-06, keepdim: bool = False) -> None:
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: np.ndarray, x2: np.ndarray) -> Any:
        p, shapes = float(self.norm), (x1.shape, x2.shape)
        x1, x2 = broadcast(self, x1, x2)
        d = x1 - x2 + self.eps
        axis = (-1,) if d.ndim else ()
        if p == 2:
            y = np.sqrt((d * d).sum(axis, keepdims=True))
        elif p == 0:
            y = (d != 0).sum(axis, keepdims=True, dtype=d.dtype)
        elif math.isinf(p):
            if d.shape[-1:] == (0,):
                raise RuntimeError(f"{self}: this norm is undefined for vectors without elements, got shape {d.shape}.")
            y = np.abs(d).max(axis, keepdims=True) if p > 0 else np.abs(d).min(axis, keepdims=True)
        else:
            y = (np.abs(d) ** p).sum(axis, keepdims=True) ** (1 / p)
        return self.save(y if self.keepdim else y.reshape(d.shape[:-1])[()], d, y, shapes)

    def backward(self, dy: Any) -> tuple[np.ndarray, np.ndarray]:
        d, y, shapes = self.take(dy)
        p, dy = float(self.norm), np.reshape(dy, y.shape)
        if p == 2:
            dx1 = d * np.where(y == 0, 0, dy / y)
        elif p == 0:
            dx1 = np.zeros_like(d)
        elif math.isinf(p):
            attains = ((np.abs(d) == y) | np.isnan(d)).astype(d.dtype)
            dx1 = sign(d) * attains * (dy / attains.sum((-1,) if d.ndim else (), keepdims=True))
        else:
            size = np.abs(d) ** (p - 1)
            if p < 1:
                size = np.where(d == 0, 0, size)
            dx1 = sign(d) * size * (dy * np.where(y == 0, 0, y ** (1 - p)))
        return sum_repeated(dx1, shapes[0]), sum_repeated(-dx1, shapes[1])

    def extra_repr(self) -> str:
        return f"p={self.norm}, eps={self.eps}, keepdim={self.keepdim}"


def sign(d: np.ndarray) -> np.ndarray:
    """-1, 0 or 1, and 0 for NaN, as in torch."""
    return np.where(np.isnan(d), 0, np.sign(d))

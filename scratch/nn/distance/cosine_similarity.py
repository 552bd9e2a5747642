"""CosineSimilarity: the cosine of the angle between two vectors."""

from typing import Any

import numpy as np

from scratch.arguments import check_fits
from scratch.nn.distance.broadcasting import broadcast, sum_repeated
from scratch.nn.module import Module


class CosineSimilarity(Module):
    """The inner product of two vectors, each divided by its length first.

        u = x1 / n1        n1 = max(|x1|, eps)        v, n2 likewise from x2        y = Σ_i u_i v_i

    Shapes    x1, x2 (..., D, ...) with the vectors along `dim`; sizes of 1 repeat. y has all dimensions but that one.
    Backward  dx1 = (dy v - u (dy y) n1 / |x1|) / n1        dx2 = (dy u - v (dy y) n2 / |x2|) / n2
              the second term is 0 where the vector is 0
    Why       du = dy v. Lengthening x1 does not change its direction, so dx1 loses its part along u, dy y, the
              sum of u dy v. Below eps the length n1 is constant, and this term should vanish; torch differentiates
              n1 = |x1| even there, and scratch does the same: hence the factor n1 / |x1|, which is 1 from eps on.
    Saves     u, v, n1, n2, |x1|, |x2| and y; the lengths are small, u and v are as large as the inputs.
    Numerics  dividing first keeps y within [-1, 1], where the product of two large lengths would overflow.
    Torch     torch.nn.CosineSimilarity; torch promotes unequal dtypes, here they are refused.
    Raises    IndexError for a dim that the inputs do not have, TypeError for one that is not an int; RuntimeError for
              shapes that do not broadcast, unequal dtypes, integers, or a negative eps.
    """

    def __init__(self, dim: int = 1, eps: float = 1e-08) -> None:
        self.dim = dim
        self.eps = eps

    def forward(self, x1: np.ndarray, x2: np.ndarray) -> Any:
        shapes = x1.shape, x2.shape
        x1, x2 = broadcast(self, x1, x2)
        axis = self.axis(x1.ndim)
        if not self.eps >= 0:
            raise RuntimeError(f"{self}: eps must not be negative or NaN.")
        check_fits(self, x1.dtype, eps=self.eps)
        (u, n1, length1), (v, n2, length2) = (unit(x, axis, self.eps) for x in (x1, x2))
        y = (u * v).sum(axis, keepdims=True)
        return self.save(np.squeeze(y, axis), (u, v, n1, length1), (v, u, n2, length2), y, axis, shapes)

    def backward(self, dy: Any) -> tuple[np.ndarray, np.ndarray]:
        first, second, y, axis, shapes = self.take(dy)
        dy = np.expand_dims(dy, axis)
        parts = [  # along u; where eps is infinite so is n, and nothing is left
            np.where((length == 0) | np.isinf(self.eps), 0, dy * y * (n / length))
            for _, _, n, length in (first, second)
        ]
        dx1, dx2 = ((dy * v - u * part) / n for (u, v, n, _), part in zip((first, second), parts, strict=True))
        return sum_repeated(dx1, shapes[0]), sum_repeated(dx2, shapes[1])

    def axis(self, dimensions: int) -> tuple[int, ...]:
        """The axis of the vectors; an empty tuple for two scalars."""
        size = max(dimensions, 1)
        if not -size <= self.dim < size:
            raise IndexError(f"{self}: dim must be in [{-size}, {size - 1}] for inputs of {dimensions} dimensions.")
        return (self.dim % size,) if dimensions else ()

    def extra_repr(self) -> str:
        return f"dim={self.dim}, eps={self.eps}"


def unit(x: np.ndarray, axis: tuple[int, ...], eps: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The vectors divided by their length, but at most by 1 / eps; that divisor, and the length."""
    length = np.sqrt((x * x).sum(axis, keepdims=True))
    n = np.maximum(length, x.dtype.type(eps))
    return x / n, n, length

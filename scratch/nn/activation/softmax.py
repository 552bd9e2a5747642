"""Softmax, Softmin, Softmax2d and LogSoftmax: numbers along a dimension become probabilities."""

import math
import warnings

import numpy as np

from scratch.nn.activation.activation import Activation
from scratch.nn.sums import sum_trailing


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    """exp(x_i) / Σ_j exp(x_j) along an axis."""
    y = np.exp(x, order="C") if is_moderate(x) else _exp_below_maximum(x, axis)[1]
    y /= sum_along(y, axis)
    return y


def softmax_backward(y: np.ndarray, dy: np.ndarray, axis: int) -> np.ndarray:
    """dx_i = y_i (dy_i - Σ_j dy_j y_j), from the output y."""
    dx = dy - sum_along(dy, axis, y)
    dx *= y
    return dx


def log_softmax(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The logarithm of softmax, and softmax itself."""
    if is_moderate(x):
        p = softmax(x, axis)
        return np.log(p), p
    y, p = _exp_below_maximum(x, axis)
    n = sum_along(p, axis)
    y -= np.log(n)
    p /= n
    return y, p


def is_moderate(x: np.ndarray) -> bool:
    """Whether exp(x) neither overflows nor underflows, with room to spare: |x| <= 22 in float32, 177 in float64.

    Then softmax needs no maximum subtracted, which on rows of 100 numbers would take as long as everything else; and
    the logarithm of a share, which did not underflow, is as accurate as a difference of logarithms.
    """
    bound = math.log(np.finfo(x.dtype).max) / 4
    return bool(x.max(initial=-bound) <= bound and x.min(initial=bound) >= -bound)


def _exp_below_maximum(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x - max x along an axis, and its exponential, which is at most 1; C-ordered, whatever x is."""
    y = np.subtract(x, x.max(axis, keepdims=True, initial=-np.inf), order="C")
    return y, np.exp(y)


def sum_along(a: np.ndarray, axis: int, b: np.ndarray | None = None) -> np.ndarray:
    """Σ a b, or Σ a without b, along an axis, which stays with length 1."""
    if axis in (-1, a.ndim - 1):
        return sum_trailing(a, b)[..., np.newaxis]
    return (a if b is None else a * b).sum(axis, keepdims=True)


class _AlongDim(Activation):
    """What the four share: the choice of the dimension.

    Without dim, torch takes dimension 0 of inputs with 0, 1 or 3 dimensions and dimension 1 of others, and warns;
    scratch does the same. A scalar counts as one number along one dimension.
    """

    def __init__(self, dim: int | None = None) -> None:
        self.dim = dim

    def rows(self, x: np.ndarray) -> tuple[np.ndarray, int]:
        """Return x with at least one dimension, and the axis along which its numbers belong together."""
        if self.dim is None:
            warnings.warn(
                f"{self}: pass dim. Without it, dim is 0 for inputs of 0, 1 or 3 dimensions, else 1.", stacklevel=6
            )
            return np.atleast_1d(x), 0 if x.ndim in (0, 1, 3) else 1
        return np.atleast_1d(x), self.axis(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """Probabilities in the ratio of exponentials.

        y_i = exp(x_i) / Σ_j exp(x_j)        along dim

    Shapes    x, y (...), any shape; i and j run along dim.
    Backward  dx_i = y_i (dy_i - Σ_j dy_j y_j)
    Why       ∂y_j/∂x_i = y_j (δ_ij - y_i): raising x_i raises y_i, and lowers all in proportion since they sum to 1. A
              constant added to all x changes nothing, so the dx sum to 0.
    Saves     y.
    Numerics  where an exponential might overflow or vanish, the largest x is subtracted first: then at least one term
              of the sum is 1. All -inf: NaN.
    Torch     torch.nn.Softmax; without dim, torch's choice and its warning. torch adds the exponentials of a long
              row less exactly: it is off by 6e-6 over 2^24 normal numbers and by 0.7 % over 2^27, y here by 3e-7.
    Raises    IndexError if there is no such dim, TypeError if it is not an integer.
    Source    Bridle 1990, Probabilistic interpretation of feedforward classification network outputs.

    >>> Softmax(-1)(np.zeros((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        rows, axis = self.rows(x)
        y = softmax(rows, axis)
        return self.save(y.reshape(x.shape), y, axis)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        y, axis = self.take(dy)
        return softmax_backward(y, dy.reshape(y.shape), axis).reshape(dy.shape)


class Softmin(_AlongDim):
    """Softmax of the negatives: the smallest number gets the largest share.

        y_i = exp(-x_i) / Σ_j exp(-x_j)        along dim

    Backward  dx_i = -y_i (dy_i - Σ_j dy_j y_j)
    Why       softmax of -x: the chain rule adds the sign.
    Saves     y.
    Torch     torch.nn.Softmin. Shapes, numerics and errors as Softmax.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        rows, axis = self.rows(x)
        y = softmax(-rows, axis)
        return self.save(y.reshape(x.shape), y, axis)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        y, axis = self.take(dy)
        return softmax_backward(y, -dy.reshape(y.shape), axis).reshape(dy.shape)


class Softmax2d(Softmax):
    """Softmax over the channels of every pixel.

        y_c = exp(x_c) / Σ_k exp(x_k)        at each place of an image

    Shapes    x, y (N, C, H, W) or (C, H, W).
    Backward  as Softmax along C.
    Torch     torch.nn.Softmax2d.
    Raises    ValueError for other than 3 or 4 dimensions.
    """

    def __init__(self) -> None:
        super().__init__(-3)

    def forward(self, x: np.ndarray) -> np.ndarray:
        if x.ndim not in (3, 4):
            raise ValueError(f"{self}: the input must be (N, C, H, W) or (C, H, W), got shape {x.shape}.")
        return super().forward(x)

    def extra_repr(self) -> str:
        return ""


class LogSoftmax(_AlongDim):
    """The logarithm of softmax.

        y_i = x_i - log Σ_j exp(x_j)        along dim

    Shapes    x, y (...), any shape; i and j run along dim.
    Backward  dx_i = dy_i - p_i Σ_j dy_j        p = softmax(x)
    Why       ∂y_j/∂x_i = δ_ij - p_i: x_i enters its own y directly, and every y by the logarithm, whose slope is p_i.
    Saves     p.
    Numerics  log(softmax(x)) would give log(0) where a share underflows. So where it might, the largest x is
              subtracted, and y = x - max - log Σ exp(x - max), the logarithm of a sum of at least 1.
    Torch     torch.nn.LogSoftmax; without dim, torch's choice and its warning.
    Raises    IndexError if there is no such dim, TypeError if it is not an integer.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        rows, axis = self.rows(x)
        y, p = log_softmax(rows, axis)
        return self.save(y.reshape(x.shape), p, axis)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        p, axis = self.take(dy)
        rows = dy.reshape(p.shape)
        dx = p * sum_along(rows, axis)
        return np.subtract(rows, dx, out=dx).reshape(dy.shape)

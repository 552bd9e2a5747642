"""LayerNorm: normalize each row by its own mean and variance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module, Parameter
from scratch.nn.normalization.normalize import check_dtype, normalize, normalize_backward


class LayerNorm(Module):
    """Normalize each row to mean 0 and variance 1, then scale and shift each of its elements.

        y = x̂ * weight + bias        x̂ = (x - μ) * r        r = 1 / sqrt(σ² + eps)

    Shapes    x, y (..., D); weight, bias (D); μ, σ², r one a row. D may stand for several dimensions, normalized_shape.
              σ² divides by D, not D - 1.
    Backward  with g = dy * weight and <.> the mean over D:
                  dx = r * (g - <g> - x̂ * <g * x̂>)      dweight = Σ dy * x̂      dbias = Σ dy
    Why       μ and r depend on every x of the row. Shifting the row changes nothing, so g loses its mean; stretching
              it changes nothing, so g loses its part along x̂. The derivation is in normalize.py.
    Saves     x - μ and r.
    Numerics  centers first, then squares; at mean 1000 the output is exact to an ulp.
    Init      weight 1, bias 0.
    Torch     torch.nn.LayerNorm; same names and defaults.
    Raises    RuntimeError if the last dimensions of x are not normalized_shape, or its dtype is not the weight's.
    Source    Ba, Kiros, Hinton 2016, arXiv:1607.06450, section 3.
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
        self.weight = Parameter(np.empty(self.normalized_shape, dtype)) if elementwise_affine else None
        self.bias = Parameter(np.empty(self.normalized_shape, dtype)) if elementwise_affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x: np.ndarray) -> np.ndarray:
        rows, size = rows_to_normalize(self, x, self.normalized_shape)
        check_dtype(self, x, self.weight, self.bias)
        y, normalized, _, _ = normalize(x.reshape(rows, 1, size, 1), self.weight, self.bias, self.eps)
        return self.save(y.reshape(x.shape), normalized)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        normalized = self.take(dy)
        dx = normalize_backward(dy.reshape(normalized.d.shape), normalized, self.weight, self.bias)
        return dx.reshape(dy.shape)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


def as_shape(call: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """The shape as a tuple; an int is the size of the last dimension alone."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int | np.integer) else normalized_shape
    if not isinstance(shape, Sequence):
        raise TypeError(f"{call}: normalized_shape must be an int or a sequence of ints, got {normalized_shape!r}.")
    if any(size < 0 for size in shape):
        raise RuntimeError(f"{call}: the sizes of normalized_shape must not be negative, got {normalized_shape!r}.")
    return tuple(shape)


def rows_to_normalize(layer: Module, x: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int]:
    """How many rows x holds, and how many elements each has, if its last dimensions are `shape`."""
    if not shape or x.shape[-len(shape) :] != shape:
        wanted = f"must end in dimensions {shape}" if shape else "cannot be normalized over no dimensions"
        raise RuntimeError(f"{layer}: the input {wanted}, got shape {x.shape}. normalized_shape counts from the end.")
    leading = x.shape[: -len(shape)]
    return int(np.prod(leading)), int(np.prod(shape))

"""LayerNorm: normalize each row by its own mean and variance."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module
from scratch.nn.normalization.normalize import check_dtype
from scratch.nn.reduction import sum_leading, sum_trailing

BLOCK_BYTES = 1 << 19


class LayerNorm(Module):
    """Normalize each row to mean 0 and variance 1, then scale and shift each of its elements.

        y = x̂ * weight + bias        x̂ = (x - μ) * r        r = 1 / sqrt(σ² + eps)

    Shapes    x, y (..., D); weight, bias (D); μ, σ², r one a row. D may stand for several dimensions, normalized_shape.
              σ² divides by D, not D - 1.
    Backward  with g = dy * weight and <.> the mean over D:
                  dx = r * (g - <g> - x̂ * <g * x̂>)      dweight = Σ dy * x̂      dbias = Σ dy
    Why       μ and r depend on every x of the row. Shifting the row changes nothing, so g loses its mean; stretching
              it changes nothing, so g loses its part along x̂. The derivation is in normalize.py.
    Saves     x̂ and r.
    Numerics  centers first, then squares; at mean 1000 the output is exact to an ulp.
    Cost      29 times an array is read or written, forward and backward, in blocks that stay in the cache; one fused
              loop would do with 7. 2 to 3 times torch's time at 10^4 to 10^6 numbers, one thread each.
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
        self.weight = self.new_parameter(*self.normalized_shape, dtype=dtype) if elementwise_affine else None
        self.bias = self.new_parameter(*self.normalized_shape, dtype=dtype) if elementwise_affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")
    def forward(self, x: np.ndarray) -> np.ndarray:
        rows = x.reshape(rows_to_normalize(self, x, self.normalized_shape))
        check_dtype(self, x, self.weight, self.bias)
        weight, bias = (None if p is None else p.data.reshape(-1) for p in (self.weight, self.bias))
        result, x_hat, r = np.empty_like(rows), np.empty_like(rows), np.empty((len(rows), 1), x.dtype)
        for block in blocks(rows):
            y = result[block]
            r[block] = self._standardize(rows[block], x_hat[block])
            np.multiply(x_hat[block], x.dtype.type(1) if weight is None else weight, out=y)
            if bias is not None:
                y += bias
        return self.save(result.reshape(x.shape), x_hat, r)

    def _standardize(self, x: np.ndarray, x_hat: np.ndarray) -> np.ndarray:
        """Write x̂ of some rows; return r."""
        mean = mean_of_rows(x, np.ones_like(x[:1]))  # a dot product a row: half the error of a matrix times ones
        np.subtract(x, mean, out=x_hat)
        rest, var = mean_of_rows(x_hat), mean_of_rows(x_hat, x_hat)
        if (np.square(rest) > var * np.finfo(x.dtype).eps ** 2).any():  # else it is below an ulp of x̂
            x_hat -= rest
            var = mean_of_rows(x_hat, x_hat)
        r = 1 / np.sqrt(var + float(self.eps))
        x_hat *= r
        return r

    @np.errstate(over="ignore", invalid="ignore")
    def backward(self, dy: np.ndarray) -> np.ndarray:
        x_hat, r = self.take(dy)
        rows = dy.reshape(x_hat.shape)
        weight = np.ones(rows.shape[1], dy.dtype) if self.weight is None else self.weight.data.reshape(-1)
        result, dweight, dbias = np.empty_like(rows), [], []
        for block in blocks(rows):
            dx, dy_block, along = result[block], rows[block], rows[block] * x_hat[block]
            if self.weight is not None:
                dweight.append(sum_leading(along))
            if self.bias is not None:
                dbias.append(sum_leading(dy_block))
            mean_g, mean_gx = mean_of_rows(dy_block, weight), mean_of_rows(along, weight)
            np.multiply(dy_block, weight, out=dx)
            np.multiply(x_hat[block], mean_gx, out=along)
            along += mean_g
            dx -= along
            dx *= r[block]
        if self.weight is not None:
            self.weight.accumulate(sum_leading(np.array(dweight)).reshape(self.weight.shape))
        if self.bias is not None:
            self.bias.accumulate(sum_leading(np.array(dbias)).reshape(self.bias.shape))
        return result.reshape(dy.shape)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


def blocks(rows: np.ndarray) -> Iterator[slice]:
    """The rows in blocks of 512 KB or one row, so that what is made on the way stays in the cache."""
    count = max(1, BLOCK_BYTES // max(1, rows.itemsize * rows.shape[1]))
    return (slice(start, start + count) for start in range(0, max(len(rows), 1), count))


def mean_of_rows(a: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """<a b>, or <a> without b, one a row: (rows, 1). b has a's shape, or is one row for all."""
    return sum_trailing(a, b)[:, np.newaxis] / a.shape[1]


def as_shape(call: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """The shape as a tuple; an int is the size of the last dimension alone."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int | np.integer) else normalized_shape
    if isinstance(shape, str) or not isinstance(shape, Sequence):
        raise TypeError(f"{call}: normalized_shape must be an int or a sequence of ints, got {normalized_shape!r}.")
    if any(size < 0 for size in shape):
        raise RuntimeError(f"{call}: the sizes of normalized_shape must not be negative, got {normalized_shape!r}.")
    return tuple(shape)


def rows_to_normalize(layer: Module, x: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int]:
    """How many rows x holds, and how many elements each has, if its last dimensions are `shape`."""
    if not shape or x.shape[-len(shape) :] != shape:
        wanted = f"must end in dimensions {shape}" if shape else "cannot be normalized over no dimensions"
        raise RuntimeError(f"{layer}: the input {wanted}, got shape {x.shape}. normalized_shape counts from the end.")
    return math.prod(x.shape[: -len(shape)]), math.prod(shape)

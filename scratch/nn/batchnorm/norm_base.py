"""What batch and instance normalization share: parameters, running statistics, forward and backward."""

import math

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module, Parameter
from scratch.nn.normalization.standardize import (
    check_dtype,
    scale_and_shift,
    scale_and_shift_backward,
    standardize,
    standardize_backward,
)


class NormBase(Module):
    """Standardize channels, by the statistics of the input or by running ones, then scale and shift each channel.

        y = x̂ * weight + bias        x̂ = (x - μ) * r        r = 1 / sqrt(σ² + eps)

    x is viewed as (N, C, L), L the product of the spatial sizes. Subclasses say which values share a mean, by naming
    the view (N', K, L) in which each k has its own, and how those means enter the running ones.

    Backward  with g = dy * weight and <.> the mean over the values that share a mean:
                  dx = r * (g - <g> - x̂ * <g * x̂>)      dweight = Σ dy * x̂      dbias = Σ dy
              with running statistics, which do not depend on x:  dx = r * g
    Why       derived in standardize.py.
    """

    dimensions: tuple[int, ...] = ()
    running_mean: np.ndarray | None
    running_var: np.ndarray | None
    num_batches_tracked: np.ndarray | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        dtype: DTypeLike,
        bias: bool,
    ) -> None:
        if num_features < 0:
            raise RuntimeError(f"{type(self).__name__}: num_features must not be negative, got {num_features}.")
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.weight = Parameter(np.empty(num_features, dtype)) if affine else None
        self.bias = Parameter(np.empty(num_features, dtype)) if affine and bias else None
        tracked = track_running_stats
        self.register_buffer("running_mean", np.empty(num_features, dtype) if tracked else None)
        self.register_buffer("running_var", np.empty(num_features, dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean.fill(0)
            self.running_var.fill(1)
            self.num_batches_tracked.fill(0)

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x: np.ndarray) -> np.ndarray:
        shape = self.check_input(x)
        own = self.training or self.running_mean is None
        if own:
            x_hat, r, mean, var = standardize(x.reshape(self.sharing_a_mean(shape)), self.eps)
            if self.running_mean is not None:
                self.update_running_stats(mean, var, shape)
        else:
            x_hat, r = self.by_running_stats(x.reshape(shape))
        y = scale_and_shift(x_hat.reshape(shape), self.weight, self.bias)
        return self.save(y.reshape(x.shape), x_hat, r, shape, own)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x_hat, r, shape, own = self.take(dy)
        g = scale_and_shift_backward(dy.reshape(shape), x_hat.reshape(shape), self.weight, self.bias)
        g = g.reshape(x_hat.shape)
        dx = standardize_backward(g, x_hat, r) if own else g * r[:, np.newaxis]
        return dx.reshape(dy.shape)

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")
    def by_running_stats(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x̂ and r from the running mean and variance."""
        r = 1 / np.sqrt(self.running_var + float(self.eps))
        x_hat = x - self.running_mean[:, np.newaxis]  # type: ignore[index]
        x_hat *= r[:, np.newaxis]
        return x_hat, r

    def sharing_a_mean(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The view (N', K, L) of (N, C, L) in which each k is standardized by itself."""
        raise NotImplementedError

    def update_running_stats(self, mean: np.ndarray, var: np.ndarray, shape: tuple[int, int, int]) -> None:
        """Let the statistics of one input enter the running ones."""
        raise NotImplementedError

    def blend(self, mean: np.ndarray, unbiased_var: np.ndarray, momentum: float) -> None:
        """running = (1 - momentum) * running + momentum * new, in place."""
        for running, new in ((self.running_mean, mean), (self.running_var, unbiased_var)):
            running *= 1 - momentum
            running += momentum * new

    def check_input(self, x: np.ndarray) -> tuple[int, int, int]:
        """Refuse what torch refuses; return (N, C, L)."""
        raise NotImplementedError

    def check_arrays(self, x: np.ndarray, channels: int) -> None:
        for array in (self.running_mean, self.running_var, self.weight, self.bias):
            if array is not None and channels != self.num_features:
                raise RuntimeError(f"{self}: the input must have {self.num_features} channels, got shape {x.shape}.")
        check_dtype(self, x, self.running_mean, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


def flat_positions(x: np.ndarray) -> tuple[int, int, int]:
    """(N, C, L) of a batch (N, C, ...)."""
    return x.shape[0], x.shape[1], math.prod(x.shape[2:])

"""What batch and instance normalization share: parameters, running statistics, forward and backward."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module
from scratch.nn.normalization.normalize import check_dtype, normalize, normalize_backward


class NormBase(Module):
    """Normalize channels, by the statistics of the input or by running ones, then scale and shift each channel.

    A subclass says which inputs it takes, whether one mean is shared by the whole batch, and how the means and
    variances of one input enter the running ones.
    """

    over_batch: bool = False
    dimensions: tuple[int, ...] = ()
    running_mean: Any  # arrays, or None without track_running_stats
    running_var: Any
    num_batches_tracked: Any

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
        self.weight = self.new_parameter(num_features, dtype=dtype) if affine else None
        self.bias = self.new_parameter(num_features, dtype=dtype) if affine and bias else None
        self.register_buffer("running_mean", np.empty(num_features, dtype) if track_running_stats else None)
        self.register_buffer("running_var", np.empty(num_features, dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        if self.track_running_stats:
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
        n, channels, length = self.check_input(x)
        own = self.uses_own_statistics()
        y, normalized, mean, var = normalize(
            x.reshape(n, channels, 1, length),
            self.weight,
            self.bias,
            self.eps,
            over_batch=self.over_batch,
            running=None if own else (self.running_mean, self.running_var),
        )
        if own and self.track_running_stats and self.running_mean is not None:
            self.update_running_stats(mean, var, n, length)
        return self.save(y.reshape(x.shape), normalized)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        normalized = self.take(dy)
        dx = normalize_backward(dy.reshape(normalized.x.shape), normalized, self.weight, self.bias)
        return dx.reshape(dy.shape)

    def update_running_stats(self, mean: np.ndarray, var: np.ndarray, n: int, length: int) -> None:
        """Update the running statistics with those of one input of n samples with `length` positions."""
        raise NotImplementedError

    def blend(self, mean: np.ndarray, unbiased_var: np.ndarray, momentum: float) -> None:
        """Move the running mean and variance to (1 - momentum) * running + momentum * new, in place."""
        for running, new in ((self.running_mean, mean), (self.running_var, unbiased_var)):
            running *= 1 - momentum
            running += momentum * new

    def uses_own_statistics(self) -> bool:
        return self.training or not self.track_running_stats

    def check_input(self, x: np.ndarray) -> tuple[int, int, int]:
        """Refuse what torch refuses; return (N, C, L)."""
        raise NotImplementedError

    def check_arrays(self, x: np.ndarray, channels: int) -> None:
        """The parameters and buffers must fit the input: the number of channels, and the dtype."""
        arrays = (self.weight, self.bias, self.running_mean, self.running_var)
        if channels != self.num_features and any(array is not None for array in arrays):
            raise RuntimeError(f"{self}: the input must have {self.num_features} channels, got shape {x.shape}.")
        check_dtype(self, x, *arrays)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


def flat_positions(x: np.ndarray) -> tuple[int, int, int]:
    """(N, C, L) of a batch (N, C, ...)."""
    return x.shape[0], x.shape[1], math.prod(x.shape[2:])

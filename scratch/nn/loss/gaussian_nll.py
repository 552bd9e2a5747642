"""GaussianNLLLoss: a predicted mean and its predicted variance."""

import math
from typing import Any

import numpy as np

from scratch.nn.loss.loss import Loss, real_target


class GaussianNLLLoss(Loss):
    """Negative log-likelihood of targets t under a normal distribution of predicted mean x and variance var.

        l_i = (log v_i + (x_i - t_i)² / v_i) / 2        v = max(var, eps)        full adds log(2π) / 2

    Shapes    x, target (...), the same; var: as x, or with its last dimension missing, or with one dimension of size 1,
              or a float; y () or (...).
    Options   full adds the constant; eps, the least variance; reduction, "mean", "sum" or "none".
    Backward  dx = (d / v) dl        dvar = (1 - d² / v) / (2 v) dl, summed where var was broadcast        d = x - t
    Why       dx is the squared error's gradient in units of the variance. For v, d/dv log v = 1 / v and
              d/dv (d² / v) = -d² / v²: the variance grows while it is smaller than the error's square.
              torch lets the gradient of var pass the maximum unchanged, so a variance below eps can still recover.
    Saves     d, v and var's shape.
    Numerics  eps keeps 1 / v finite; a mean over all elements, not over rows.
    Torch     torch.nn.GaussianNLLLoss. Its backward gives dx, None for the target, and dvar (None for a float).
    Raises    ValueError for a negative variance or one of another shape; RuntimeError for unequal shapes or dtypes;
              TypeError for a variance that is neither an array nor a float.
    Source    Nix, Weigend 1994, Estimating the mean and variance of the target probability distribution.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full = full
        self.eps = float(eps)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        if len(inputs) == 3 and _is_constant(
            inputs[2], getattr(inputs[0], "dtype", None)
        ):  # torch takes a plain float too
            return super().__call__(*inputs[:2], var=inputs[2], **options)
        return super().__call__(*inputs, **options)

    def forward(self, x: np.ndarray, target: np.ndarray, var: np.ndarray | float) -> Any:
        v = np.maximum(self._check_variance(x, var), self.eps)
        d = x - real_target(self, x, target)
        losses = 0.5 * (np.log(v) + d * d / v)
        if self.full:
            losses += 0.5 * math.log(2 * math.pi)
        return self.save(self.reduce(losses), d, v, None if _is_constant(var, x.dtype) else np.shape(var))

    def backward(self, dloss: Any = None) -> tuple[np.ndarray, None, np.ndarray | None]:
        d, v, var_shape = self.take(dloss)
        dl = self.spread(dloss, d.size, d.dtype)
        dx = d / v * dl
        if var_shape is None:
            return dx, None, None
        dv = (1 - d * d / v) / (2 * v) * dl
        shared = tuple(axis for axis in range(d.ndim) if v.shape[axis] != d.shape[axis])
        return dx, None, dv.sum(shared, keepdims=True).reshape(var_shape) if shared else dv.reshape(var_shape)

    def _check_variance(self, x: np.ndarray, var: np.ndarray | float) -> np.ndarray:
        """The variance in as many dimensions as x, each of x's size or 1."""
        constant = _is_constant(var, x.dtype)
        if not (constant or isinstance(var, np.ndarray | np.generic)):
            raise TypeError(f"{self}: var must be an array or a float, got {type(var).__name__}.")
        var = np.full(x.shape, var, x.dtype) if constant else np.asarray(var)
        if (var < 0).any():
            raise ValueError(f"{self}: the variance must not be negative, got {var.min()}. Predict its logarithm.")
        if var.dtype != x.dtype:
            raise RuntimeError(f"{self}: var must be {x.dtype} like the input, got {var.dtype}. Convert it.")
        if var.shape == x.shape:
            return var
        if var.shape == x.shape[:-1]:
            return var[..., np.newaxis]
        if var.ndim != x.ndim or [v for d, v in zip(x.shape, var.shape, strict=True) if d != v] != [1]:
            raise ValueError(
                f"{self}: var must have the input's shape {x.shape}, or lack its last dimension, or have size 1 in one "
                f"dimension; got {var.shape}."
            )
        return var

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, full={self.full}, eps={self.eps}"


def _is_constant(var: Any, dtype: Any) -> bool:
    """Whether it is a number rather than an array. An np.float64 beside float64 inputs is an array's element."""
    return isinstance(var, float) and not (isinstance(var, np.generic) and var.dtype == dtype)

"""BatchNorm1d, 2d and 3d: normalize each channel over the batch and its positions."""

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.normalization.norm_base import NormBase, flat_positions


class _BatchNorm(NormBase):
    """Normalize each channel by the mean and variance of the batch, and in eval mode by running ones.

        y = x̂ * weight + bias        x̂ = (x - μ) * r        r = 1 / sqrt(σ² + eps)
        running = (1 - momentum) * running + momentum * (μ, or σ² n / (n - 1))

    Shapes    x, y (N, C) or (N, C, L) in 1d, (N, C, H, W) in 2d, (N, C, D, H, W) in 3d; weight, bias, μ, σ², r and the
              running statistics (C). n = values in a channel.
    Options   num_features C; eps inside the root; momentum of the running statistics; affine gives it weight and bias,
              and bias=False leaves the bias out; track_running_stats keeps running statistics; dtype of the parameters,
              float32 or float64.
    Backward  with g = dy * weight and <.> the mean over the batch and the positions of a channel:
                  dx = r * (g - <g> - x̂ * <g * x̂>)      dweight = Σ dy * x̂      dbias = Σ dy
              in eval mode, where μ and r are constants:  dx = r * g
    Why       shifting a channel changes nothing, so g loses its mean; stretching it changes nothing, so g loses its
              part along x̂. The derivation is in normalize.py.
    Saves     x, or x - μ if some |μ| > σ; what is left of μ there, and r.
    Numerics  exact to an ulp at any mean: see normalize.py. Where dy has a mean too, dweight cancels, as in torch. The
              output uses the biased variance (divided by n), the running variance is the unbiased one (by n - 1).
              momentum=None weights all batches equally: momentum = 1 / batches so far.
    Init      weight 1, bias 0, running mean 0, running variance 1.
    Torch     torch.nn.BatchNorm1d, 2d, 3d; the buffers too, with num_batches_tracked an int64 scalar array. Without
              track_running_stats, eval mode uses the batch as well.
    Raises    ValueError for another number of dimensions, one value per channel in training, or a bad eps;
              RuntimeError for another number of channels or another dtype.
    Source    Ioffe, Szegedy 2015, arXiv:1502.03167, algorithms 1 and 2.

    >>> BatchNorm1d(1, dtype=np.float64)(np.array([[1.0], [3.0]])).round(4).ravel()
    array([-1.,  1.])
    """

    over_batch = True

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: DTypeLike = np.float32,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias)

    def update_running_stats(self, mean: np.ndarray, var: np.ndarray, n: int, length: int) -> None:
        self.num_batches_tracked += 1
        values = n * length
        if values:
            momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.blend(mean[0], var[0] * (values / (values - 1)), momentum)

    def check_input(self, x: np.ndarray) -> tuple[int, int, int]:
        if x.ndim not in self.dimensions:
            wanted = " or ".join(str(d) for d in self.dimensions)
            raise ValueError(f"{self}: the input must have {wanted} dimensions, (N, C, ...), got shape {x.shape}.")
        shape = flat_positions(x)
        own = self.uses_own_statistics()
        if own and shape[0] * shape[2] == 1:
            raise ValueError(f"{self}: one value per channel has no variance to train with, got shape {x.shape}.")
        if self.eps < 0 or (own and self.eps == 0):
            raise ValueError(f"{self}: eps must be positive, or 0 in eval mode.")
        self.check_arrays(x, shape[1])
        return shape


class BatchNorm1d(_BatchNorm):
    __doc__ = _BatchNorm.__doc__
    dimensions = (2, 3)


class BatchNorm2d(_BatchNorm):
    __doc__ = _BatchNorm.__doc__
    dimensions = (4,)


class BatchNorm3d(_BatchNorm):
    __doc__ = _BatchNorm.__doc__
    dimensions = (5,)

"""InstanceNorm1d, 2d and 3d: normalize each channel of each sample over its positions."""

import warnings

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.normalization.norm_base import NormBase, flat_positions
from scratch.nn.sums import sum_leading


class _InstanceNorm(NormBase):
    """Normalize each channel of each sample by its own mean and variance, in training and in eval mode.

        y = x̂ * weight + bias        x̂ = (x - μ) * r        r = 1 / sqrt(σ² + eps)

    Shapes    x, y (N, C, L) in 1d, (N, C, H, W) in 2d, (N, C, D, H, W) in 3d, each also without N; weight, bias and the
              running statistics (C); μ, σ², r (N, C).
    Options   num_features C; eps inside the root; momentum of the running statistics; affine gives it weight and bias,
              and bias=False leaves the bias out; track_running_stats keeps running statistics; dtype of the parameters,
              float32 or float64.
    Backward  with g = dy * weight and <.> the mean over the positions of one channel of one sample:
                  dx = r * (g - <g> - x̂ * <g * x̂>)      dweight = Σ dy * x̂      dbias = Σ dy
              with running statistics, which are constants:  dx = r * g
    Why       as in BatchNorm, with one channel of one sample in place of a channel of the batch; the derivation is in
              normalize.py.
    Saves     x, or x - μ if some |μ| > σ; what is left of μ there, and r.
    Numerics  exact to an ulp at any mean: see normalize.py. With track_running_stats, eval mode uses running
              statistics, the mean over the batch of μ and of σ² L / (L - 1), where L is the number of positions.
    Init      weight 1, bias 0, running mean 0, running variance 1.
    Torch     torch.nn.InstanceNorm1d, 2d, 3d. As in torch, num_batches_tracked stays 0, and with momentum=None the
              running statistics do not change; without affine another number of channels is accepted with a warning.
    Raises    ValueError for another number of dimensions, for one position per channel, or for another number of
              channels if affine; RuntimeError for another dtype; IndexError for an empty batch if affine, as in torch.
    Source    Ulyanov, Vedaldi, Lempitsky 2016, arXiv:1607.08022, equation 2.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        dtype: DTypeLike = np.float32,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias)

    def update_running_stats(self, mean: np.ndarray, var: np.ndarray, n: int, length: int) -> None:
        if length:
            unbiased = var * (length / (length - 1))
            self.blend(sum_leading(mean) / n, sum_leading(unbiased) / n, self.momentum or 0.0)

    def check_input(self, x: np.ndarray) -> tuple[int, int, int]:
        unbatched, batched = self.dimensions
        if x.ndim not in self.dimensions:
            raise ValueError(f"{self}: the input must have {unbatched} or {batched} dimensions, got shape {x.shape}.")
        batch, channels, length = flat_positions(x if x.ndim == batched else x[np.newaxis])
        if channels != self.num_features:
            text = f"{self}: the input should have {self.num_features} channels, got shape {x.shape}."
            if self.affine:
                raise ValueError(text)
            warnings.warn(f"{text} Without affine it makes no difference.", stacklevel=5)
        if length == 1 and self.uses_own_statistics():
            raise ValueError(f"{self}: one position per channel has no variance, got shape {x.shape}.")
        self.check_arrays(x, channels)
        if self.affine and not batch:
            raise IndexError(f"{self}: the batch is empty, got shape {x.shape}. torch refuses it too if affine=True.")
        return batch, channels, length


class InstanceNorm1d(_InstanceNorm):
    __doc__ = _InstanceNorm.__doc__
    dimensions = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    __doc__ = _InstanceNorm.__doc__
    dimensions = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    __doc__ = _InstanceNorm.__doc__
    dimensions = (4, 5)

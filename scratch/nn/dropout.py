"""Torch's six dropouts. They differ in which elements share one Bernoulli draw and in what a dropped value becomes."""

import math
import warnings

import numpy as np

from scratch import random
from scratch.nn.module import Module


class _Dropout(Module):
    """What all kinds share: p, the identity cases, and the backward dx = dy * scale.

    Random numbers. One Bernoulli draw with P(1) = 1 - p for each element of the noise array, from the global generator,
    in the memory order of the noise, as torch draws them; nothing is drawn for p = 0, p = 1, empty input, or in eval
    mode.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        if p < 0.0 or p > 1.0:
            raise ValueError(f"{type(self).__name__}: the dropout probability p must be in [0, 1], got {p}.")
        self.p = p

    def forward(self, x: np.ndarray) -> np.ndarray:
        if x.dtype.char not in "fd":
            raise RuntimeError(f"{self}: the input must be float32 or float64, got {x.dtype}. Convert it first.")
        if not self.training or self.p == 0 or x.size == 0:
            return self.save(x, None)
        if self.p == 1:
            return self.save(x * x.dtype.type(0), x.dtype.type(0))
        if math.isnan(self.p):
            raise RuntimeError(f"{self}: the dropout probability p must be in [0, 1], got nan.")
        return self._drop(x, random.bernoulli_(self._noise(x), 1 - self.p))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        scale = self.take(dy)
        return dy if scale is None else dy * scale

    def _noise(self, x: np.ndarray) -> np.ndarray:
        return np.empty_like(x)

    def _drop(self, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
        scale = np.divide(mask, x.dtype.type(1 - self.p), out=mask)
        return self.save(x * scale, scale)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout(_Dropout):
    """Zero each element with probability p, and divide the others by 1 - p.

        y = x * m        m_i = b_i / (1 - p),  b_i ~ Bernoulli(1 - p)        in training;  y = x in eval mode

    Shapes    x, y (...), any shape.
    Backward  dx = dy * m
    Why       m is constant with respect to x. E[m] = 1, so eval mode needs no rescaling ("inverted" dropout).
    Saves     m.
    Numerics  torch's order of roundings: the noise is divided first, then multiplied. An infinity that is dropped
              becomes inf * 0 = NaN, as in torch.
    Torch     torch.nn.Dropout; from one seed the masks are equal bit for bit. `inplace` is accepted and ignored.
    Raises    ValueError unless 0 <= p <= 1; RuntimeError for integer input.
    Source    Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting.

    >>> Dropout(0.5).eval()(np.ones(3))
    array([1., 1., 1.])
    """


class _FeatureDropout(_Dropout):
    """One Bernoulli draw for each channel of each sample: the noise has shape (N, C, 1, ...)."""

    def _noise(self, x: np.ndarray) -> np.ndarray:
        if x.ndim < 2:
            raise RuntimeError(f"{self}: the input needs a batch and a channel dimension, got shape {x.shape}.")
        return np.empty(x.shape[:2] + (1,) * (x.ndim - 2), x.dtype)

    def _unbatched(self, x: np.ndarray) -> np.ndarray:
        """Add the batch dimension of an unbatched input, drop it again at the end."""
        y = super().forward(x[np.newaxis])
        if self.saved is not None:
            (scale,) = self.saved.values
            return self.save(y[0], scale[0] if isinstance(scale, np.ndarray) else scale)
        return y[0]


class Dropout1d(_FeatureDropout):
    """Zero whole channels of (N, C, L) or (C, L): neighbors along L are too alike to drop one by one.

        y = x * m        one m for each sample and channel, drawn and scaled as in Dropout

    Options   p, the probability of being dropped; inplace is accepted and ignored.
    Backward  dx = dy * m
    Saves     m (N, C, 1).
    Torch     torch.nn.Dropout1d.
    Raises    RuntimeError for other than 2 or 3 dimensions; ValueError unless 0 <= p <= 1.
    Source    Tompson et al. 2015, arXiv:1411.4280.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        if x.ndim not in (2, 3):
            raise RuntimeError(f"{self}: the input must be (N, C, L) or (C, L), got shape {x.shape}.")
        return self._unbatched(x) if x.ndim == 2 else super().forward(x)


class Dropout2d(_FeatureDropout):
    """Zero whole channels of (N, C, H, W).

        y = x * m        one m for each sample and channel, drawn and scaled as in Dropout

    Options   p, the probability of being dropped; inplace is accepted and ignored.
    Backward  dx = dy * m
    Saves     m (N, C, 1, 1).
    Torch     torch.nn.Dropout2d, its quirk included: three dimensions are read as (N, C, L), with a warning.
    Raises    RuntimeError for fewer than 2 dimensions in training; ValueError unless 0 <= p <= 1.
    Source    Tompson et al. 2015, arXiv:1411.4280.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        if x.ndim == 3:
            warnings.warn(f"{self}: an input of 3 dimensions is read as (N, C, L), as torch does.", stacklevel=4)
        elif x.ndim != 4:
            warnings.warn(f"{self}: made for (N, C, H, W), got shape {x.shape}. Use Dropout.", stacklevel=4)
        return super().forward(x)


class Dropout3d(_FeatureDropout):
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W).

        y = x * m        one m for each sample and channel, drawn and scaled as in Dropout

    Options   p, the probability of being dropped; inplace is accepted and ignored.
    Backward  dx = dy * m
    Saves     m (N, C, 1, 1, 1).
    Torch     torch.nn.Dropout3d; any other number of dimensions warns and is read as unbatched, as in torch.
    Raises    ValueError unless 0 <= p <= 1.
    Source    Tompson et al. 2015, arXiv:1411.4280.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        if x.ndim == 5:
            return super().forward(x)
        if x.ndim != 4:
            warnings.warn(f"{self}: made for (N, C, D, H, W), got shape {x.shape}. Use Dropout.", stacklevel=4)
        return self._unbatched(x)


ALPHA = 1.7580993408473766  # SELU's scale * alpha: what SELU tends to at minus infinity, with the sign turned


class AlphaDropout(_Dropout):
    """Set elements to SELU's lower limit with probability p, and restore mean 0 and variance 1.

        y = x * m a + b_m        m ~ Bernoulli(1 - p)        a = 1 / sqrt((α² p + 1)(1 - p))
        b_m = (m - 1) α a + α a p                            α = 1.758..., so that SELU's floor is -α

    Shapes    x, y (...), any shape.
    Options   p, the probability of being dropped; inplace is accepted and ignored.
    Backward  dx = dy * m a
    Why       a kept element becomes a x + α a p, a dropped one α a (p - 1). With E[x] = 0, E[x²] = 1 the mean of y is
              (1-p) α a p + p α a (p-1) = 0, and a makes its variance 1.
    Saves     m a.
    Torch     torch.nn.AlphaDropout; the same masks from one seed, the same order of roundings.
    Raises    ValueError unless 0 <= p <= 1.
    Source    Klambauer et al. 2017, arXiv:1706.02515, section 2.
    """

    def _drop(self, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
        number = x.dtype.type
        a = 1 / math.sqrt((ALPHA**2 * self.p + 1) * (1 - self.p))
        shift = (mask - 1) * number(ALPHA * a) + number(ALPHA * a * self.p)
        scale = np.multiply(mask, number(a), out=mask)
        return self.save(x * scale + shift, scale)


class FeatureAlphaDropout(AlphaDropout, _FeatureDropout):
    """AlphaDropout with one Bernoulli draw for each channel of each sample.

        y = x * m a + b_m        m (N, C, 1, ...), a and b_m as in AlphaDropout

    Shapes    x, y (N, C, ...), at least 2 dimensions in training.
    Options   p, the probability of being dropped; inplace is accepted and ignored.
    Backward  dx = dy * m a
    Saves     m a.
    Torch     torch.nn.FeatureAlphaDropout.
    Raises    ValueError unless 0 <= p <= 1; RuntimeError for fewer than 2 dimensions.
    Source    Klambauer et al. 2017, arXiv:1706.02515.
    """

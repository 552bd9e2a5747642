"""LocalResponseNorm: each channel is damped by the energy of its neighbors."""

import math

import numpy as np

from scratch.nn.module import Module


class LocalResponseNorm(Module):
    """Divide each value by a power of the mean square of the channels around it.

        y_c = x_c / s_c^beta        s_c = k + alpha * (Σ_j x_j²) / size        j from c - size//2 to c + (size-1)//2

    Shapes    x, y (N, C, ...), at least 3 dimensions. Channels that do not exist count as 0, and are counted in size.
    Backward  dx_c = t_c - (2 alpha beta / size) x_c Σ_j t_j x_j / s_j        t = dy / s^beta
              where j now runs over the channels whose window holds c: from c - (size-1)//2 to c + size//2
    Why       x_c enters y_c directly, with slope s_c^-beta, and every s_j whose window holds it, with slope
              2 alpha x_c / size; and y_j falls with s_j as -beta x_j s_j^(-beta-1).
    Saves     x, s and s^beta.
    Numerics  size - 1 shifted additions over the channels, rather than a running sum that would lose digits.
    Torch     torch.nn.LocalResponseNorm; floating point input only.
    Raises    ValueError for fewer than 3 dimensions; RuntimeError for a size below 1 or an input of integers.
    Source    Krizhevsky, Sutskever, Hinton 2012, ImageNet classification, section 3.3.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, x: np.ndarray) -> np.ndarray:
        if x.ndim < 3:
            raise ValueError(f"{self}: the input must be (N, C, ...) with 3 or more dimensions, got shape {x.shape}.")
        if self.size < 1 or x.dtype.char not in "fd":
            raise RuntimeError(f"{self}: needs a size of 1 or more and float32 or float64 input, got {x.dtype}.")
        channels = x.reshape(x.shape[0], x.shape[1], math.prod(x.shape[2:]))
        s = _window_sum(np.square(channels), self.size // 2, (self.size - 1) // 2)
        s *= self.alpha / self.size
        s += self.k
        power = np.power(s, self.beta)
        return self.save((channels / power).reshape(x.shape), channels, s, power)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, s, power = self.take(dy)
        t = dy.reshape(x.shape) / power
        through_s = t * x
        through_s /= s
        dx = _window_sum(through_s, (self.size - 1) // 2, self.size // 2)
        dx *= x
        dx *= -2 * self.alpha * self.beta / self.size
        dx += t
        return dx.reshape(dy.shape)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _window_sum(v: np.ndarray, before: int, after: int) -> np.ndarray:
    """Σ_j v_j for j from c - before to c + after, over axis 1; what lies outside counts as 0."""
    total = v.copy()
    for shift in range(1, before + 1):
        total[:, shift:] += v[:, :-shift]
    for shift in range(1, after + 1):
        total[:, :-shift] += v[:, shift:]
    return total

"""CrossMapLRN2d: the older relative of LocalResponseNorm, with exactly torch's windows."""

import numpy as np

from scratch.nn.module import Module


class CrossMapLRN2d(Module):
    """Divide each value by a power of the mean square of the channels around it.

        y_c = x_c / s_c^beta        s_c = k + (alpha / size) Σ_j x_j²        j from c - p + 1 to c + p - 1, and 0

    Shapes    x, y (N, C, H, W). p = int((size - 1) / 2 + 1), so the window of an even size is one channel narrower.
    Backward  dx_c = dy_c / s_c^beta - (2 alpha beta / size) x_c Σ_j dy_j y_j / s_j
              j from c - q to c - q + size - 1, with q = int(size - (size - 1) / 2)
    Why       as in LocalResponseNorm, where j runs over the channels whose window holds c. torch's sum runs over a
              window that lies about one channel too low, which is not the derivative of the forward. scratch follows it
              to give torch's numbers; LocalResponseNorm has the true gradient.
    Saves     x, y, s and s^-beta.
    Numerics  running sums, as in torch: a NaN in one channel spoils the later ones. The square of channel 0 is never
              removed from the running sum, so it counts for every channel from p on.
    Torch     torch.nn.CrossMapLRN2d, with the two oddities above. Its backward refuses size 1; scratch does the same.
    Raises    ValueError unless x has 4 dimensions; ZeroDivisionError for size 0; IndexError without channels;
              RuntimeError for a negative size, and in the backward for size 1.
    Source    Krizhevsky, Sutskever, Hinton 2012, ImageNet classification, section 3.3.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.check_input(x)
        reach = int((self.size - 1) / 2 + 1) - 1
        s = _running_sum(np.square(x), reach, reach, first_to_leave=1)
        s *= self.alpha / self.size
        s += self.k
        power = np.power(s, -self.beta)
        y = x * power
        return self.save(y, x, y, s, power)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, y, s, power = self.take(dy)
        if self.size == 1:
            raise RuntimeError(f"{self}.backward: size 1 has no gradient, as in torch. Use LocalResponseNorm.")
        below = int(self.size - (self.size - 1) / 2)
        dx = _running_sum(dy * y / s, below, self.size - 1 - below, first_to_leave=0)
        dx *= x
        dx *= -2 * self.alpha * self.beta / self.size
        dx += dy * power
        return dx

    def check_input(self, x: np.ndarray) -> None:
        if x.ndim != 4:
            raise ValueError(f"{self}: the input must be (N, C, H, W), got shape {x.shape}.")
        if self.size == 0:
            raise ZeroDivisionError(f"{self}: a window of size 0 has no mean. Use a size of 2 or more.")
        if x.shape[1] == 0:
            raise IndexError(f"{self}: the input has no channels, got shape {x.shape}.")
        if self.size < 0 or x.dtype.char not in "fd":
            raise RuntimeError(f"{self}: needs a size of 1 or more and float32 or float64 input, got {x.dtype}.")

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _running_sum(v: np.ndarray, before: int, after: int, first_to_leave: int) -> np.ndarray:
    """Σ_j v_j for j from c - before to c + after, over axis 1, from the sum for c - 1: one enters, one leaves.

    Channels before `first_to_leave` are never removed.
    """
    total = np.empty_like(v)
    v[:, : after + 1].sum(axis=1, out=total[:, 0])
    for c in range(1, v.shape[1]):
        total[:, c] = total[:, c - 1]
        if c + after < v.shape[1]:
            total[:, c] += v[:, c + after]
        if c - 1 - before >= first_to_leave:
            total[:, c] -= v[:, c - 1 - before]
    return total

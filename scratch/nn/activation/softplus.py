"""Softplus, LogSigmoid and Mish: log(1 + exp(x)) and functions built on it."""

import numpy as np

from scratch.nn.activation.elementwise import Elementwise
from scratch.nn.activation.select import choose
from scratch.nn.activation.sigmoid import far_left, sigmoid, sigmoid_and_far, times_exp


def softplus(x: np.ndarray) -> np.ndarray:
    """ζ(x) = log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)), whose exponential cannot overflow."""
    y = np.abs(x, out=np.empty_like(x))
    np.negative(y, out=y)
    np.exp(y, out=y)
    np.log1p(y, out=y)
    y += x.clip(0, np.inf)
    return y


class Softplus(Elementwise):
    """A smooth ReLU.

        y = ζ(beta x) / beta        ζ(z) = log(1 + exp(z));        y = x where beta x > threshold

    Shapes    x, y (...), any shape.
    Backward  dx = dy e / (1 + e), or dy where beta x > threshold        e = exp(beta x)
    Why       ζ' = exp(z) / (1 + exp(z)), and beta cancels.
    Saves     e, and where beta x > threshold.
    Numerics  y is within 3.4 ulp of its own value, dx within 3.7, torch's are within 1.5 and 2.5: of these NumPy's
              float32 exp alone takes up to 2.6, its log1p 1.8, torch's exp 1. exp overflows if a threshold above 88
              lets it (709 in float64): y is infinite then and dx NaN, as in torch.
    Torch     torch.nn.Softplus.
    Source    Dugas et al. 2001, Incorporating second-order functional knowledge for better option pricing.
    """

    costly = True

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = beta
        self.threshold = threshold

    def forward(self, x: np.ndarray) -> np.ndarray:
        e = np.multiply(x, self.beta, out=np.empty_like(x))
        linear = e > self.threshold
        np.exp(e, out=e)
        y = np.log1p(e)
        y /= self.beta
        return self.save(choose(linear, x, y, x.dtype), e, linear)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        e, linear = self.take(dy)
        slope = e / (1 + e)
        return dy * choose(linear, 1, slope, dy.dtype)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class LogSigmoid(Elementwise):
    """The logarithm of the logistic function.

        y = log σ(x) = -ζ(-x)        ζ(z) = log(1 + exp(z))

    Shapes    x, y (...), any shape.
    Backward  dx = dy σ(-x)
    Why       ζ' = σ, and the two signs cancel.
    Saves     x.
    Numerics  log(sigmoid(x)) would give log(0) from x = -104 on; -ζ(-x) = min(x, 0) - log1p(exp(-|x|)) gives x. y is
              within 3.4 ulp of its own value, dx within 3.7, torch's are within 1.6 and 2.5: as in Softplus.
    Torch     torch.nn.LogSigmoid.
    """

    costly = True

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.save(-softplus(-x), x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x = self.take(dy)
        return dy * sigmoid(-x)


class Mish(Elementwise):
    """The input, gated by the tanh of its softplus.

        y = x t        t = tanh(ζ(x)),  ζ(x) = log(1 + exp(x))

    Shapes    x, y (...), any shape.
    Backward  dx = dy (t + x σ(x) (1 - t²))
    Why       the product rule: t + x t', with t' = (1 - t²) ζ' and ζ' = σ.
    Saves     x, t.
    Numerics  on the far left t is exp(x), which is subnormal and has lost digits where y is still a normal number, down
              to -91.9: there y is x exp(x), and dx is dy (1 + x) exp(x). dx cancels near its zero, -1.192. An infinite
              x gives inf * 0 = NaN somewhere, as in torch: y is NaN at -inf, dx is NaN at both ends.
    Torch     torch.nn.Mish; `inplace` is accepted and ignored.
    Source    Misra 2019, arXiv:1908.08681.
    """

    costly = True

    def __init__(self, inplace: bool = False) -> None:
        pass

    def forward(self, x: np.ndarray) -> np.ndarray:
        t = np.tanh(softplus(x))
        y = x * t
        far = far_left(x)
        if far is not None:
            y[far] = times_exp(x[far], x[far])
        return self.save(y, x, t)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, t = self.take(dy)
        dx = 1 - t * t
        slope, far = sigmoid_and_far(x)
        dx *= slope
        dx *= x
        dx += t
        if far is not None:
            dx[far] = times_exp(1 + x[far], x[far])
        dx *= dy
        return dx

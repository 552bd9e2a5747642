"""Sigmoid, SiLU and GLU: the logistic function, and the functions that it gates."""

import numpy as np

from scratch.nn.activation.activation import Activation
from scratch.nn.activation.elementwise import Elementwise

FAR = {"f": -87.0, "d": -708.0}  # exp(x) is a normal number down to here, in float32 and float64
RAISE = {"f": 64.0, "d": 512.0}


def sigmoid(x: np.ndarray) -> np.ndarray:
    """σ(x) = 1 / (1 + exp(-x)), and exp(x) on the far left, where exp(-x) would be infinite.

    Small values keep all their digits, which ½ + ½ tanh(x/2) would lose.
    """
    return sigmoid_and_far(x)[0]


def sigmoid_and_far(x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """σ(x), and where exp(x) is subnormal."""
    y = np.negative(x, out=np.empty_like(x))
    np.exp(y, out=y)
    y += 1
    np.divide(1, y, out=y)
    far = far_left(x)
    if far is not None:
        y[far] = np.exp(x[far])
    return y, far


def far_left(x: np.ndarray) -> np.ndarray | None:
    """Where exp(x) is subnormal, so that it has lost digits; None if that is nowhere."""
    bound = FAR[x.dtype.char]
    return None if x.size == 0 or x.min() >= bound else x < bound


def times_exp(factor: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Factor times exp(x) of such x, with all digits where the product is a normal number: x is raised meanwhile."""
    up = RAISE[x.dtype.char]
    return factor * np.exp(x + up) * np.exp(np.array(-up, x.dtype))


class Sigmoid(Elementwise):
    """The logistic function.

        y = σ(x) = 1 / (1 + exp(-x))

    Shapes    x, y (...), any shape.
    Backward  dx = dy y (1 - y)
    Why       with e = exp(-x): σ' = e / (1 + e)² = σ · e / (1 + e), and e / (1 + e) = 1 - σ.
    Saves     y.
    Numerics  y is within 3.7 ulp of its own value, torch's within 2.5: NumPy's float32 exp alone is off by up to 2.6,
              torch's by 1. dx is not, on the right: 1 - y has one digit less for each 2.3 that x grows, and none from
              17 on. To save exp(-x) too would take a third more time; torch does as here.
    Torch     torch.nn.Sigmoid. Below -88.72 torch's float32 y is 0, where the true value is a subnormal number.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        y = sigmoid(x)
        return self.save(y, y)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        y = self.take(dy)
        dx = 1 - y
        dx *= y
        dx *= dy
        return dx


class SiLU(Elementwise):
    """The input, gated by its own sigmoid; also called swish.

        y = x σ(x)

    Shapes    x, y (...), any shape.
    Backward  dx = dy (σ + y (1 - σ))
    Why       the product rule: σ + x σ', with σ' = σ (1 - σ) and x σ = y.
    Saves     y, σ.
    Numerics  on the far left σ is subnormal and has lost digits where y is still a normal number, down to -91.9: there
              y is x exp(x). dx cancels near its zero, -1.278. An infinite x gives inf * 0 = NaN somewhere, as in torch:
              y is NaN at -inf, dx is NaN at both ends.
    Torch     torch.nn.SiLU; `inplace` is accepted and ignored. Below -88.72 torch's float32 y is 0.
    Source    Elfwing, Uchibe, Doya 2017, arXiv:1702.03118; Hendrycks, Gimpel 2016, arXiv:1606.08415.
    """

    costly = True

    def __init__(self, inplace: bool = False) -> None:
        pass

    def forward(self, x: np.ndarray) -> np.ndarray:
        s, far = sigmoid_and_far(x)
        y = x * s
        if far is not None:
            y[far] = times_exp(x[far], x[far])
        return self.save(y, y, s)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        y, s = self.take(dy)
        dx = 1 - s
        dx *= y
        dx += s
        dx *= dy
        return dx


class GLU(Activation):
    """Gated linear unit: the second half of the channels decides how much of the first half passes.

        y = a σ(b)        a, b the halves of x along dim

    Shapes    x (..., 2H, ...), y (..., H, ...), 2H and H along dim.
    Backward  da = dy σ        db = dy y (1 - σ)        dx holds both, as x holds a and b
    Why       y is linear in a. σ' = σ (1 - σ), and a σ = y.
    Saves     y, σ.
    Torch     torch.nn.GLU.
    Raises    RuntimeError for a scalar, or an odd length along dim; IndexError if there is no such dim.
    Source    Dauphin et al. 2017, arXiv:1612.08083, section 2.
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: np.ndarray) -> np.ndarray:
        a, b = self._halves(x)
        s = sigmoid(b)
        y = a * s
        return self.save(y, y, s)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        y, s = self.take(dy)
        axis = self.dim % y.ndim
        dx = np.empty((*y.shape[:axis], 2 * y.shape[axis], *y.shape[axis + 1 :]), y.dtype)
        da, db = self._halves(dx)
        np.multiply(dy, s, out=da)
        np.subtract(1, s, out=db)
        db *= y
        db *= dy
        return dx

    def _halves(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Views of the first and the second half along dim."""
        if x.ndim == 0:
            raise RuntimeError(f"{self}: a scalar has no halves. The input needs a dimension of even length.")
        axis = self.axis(x, self.dim)
        if x.shape[axis] % 2:
            raise RuntimeError(f"{self}: dimension {axis} must be of even length to be halved, got shape {x.shape}.")
        before, middle = (slice(None),) * axis, x.shape[axis] // 2
        return x[(*before, slice(None, middle))], x[(*before, slice(middle, None))]

    def extra_repr(self) -> str:
        return f"dim={self.dim}"

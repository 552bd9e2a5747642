"""GELU: the input, times the chance that a normal variable lies below it."""

import math

import numpy as np

from scratch.nn.activation.activation import Activation
from scratch.special import erf

SLOPE = math.sqrt(2 / math.pi)
CUBIC = 0.044715


class GELU(Activation):
    """Gaussian error linear unit.

        none:  y = x Φ(x)                 Φ(x) = ½ (1 + erf(x / √2)), the normal distribution function
        tanh:  y = x ½ (1 + t)            t = tanh(k (x + c x³)),  k = sqrt(2/π),  c = 0.044715

    Shapes    x, y (...), any shape.
    Backward  none:  dx = dy (Φ + x φ)                                φ(x) = exp(-x²/2) / sqrt(2π), the normal density
              tanh:  dx = dy (½ (1 + t) + ½ x (1 - t²) k (1 + 3c x²))
    Why       the product rule. Φ' = φ; tanh' = 1 - tanh², times the slope of its argument.
    Saves     x, and Φ or t.
    Numerics  the two differ by up to 4.7e-4: tanh approximates Φ, it is not a faster way to it. 1 + erf cancels on the
              far left, and y becomes 0 below -5.6 in float32 and -8.3 in float64, as in torch. An infinite x gives
              inf * 0 = NaN somewhere: y is NaN at -inf, dx at both ends.
    Cost      erf takes 13 passes, and NumPy's exp alone a third of the time that torch takes for both directions: about
              twice torch's time in float32, one thread each; the tanh form half of it.
    Torch     torch.nn.GELU. In float32 torch's kernel gives NaN at +inf too (its float64 kernel inf); here it is inf.
    Raises    RuntimeError if approximate is neither none nor tanh.
    Source    Hendrycks, Gimpel 2016, arXiv:1606.08415, section 2.
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise RuntimeError(f"GELU: approximate must be 'none' or 'tanh', got {approximate!r}.")
        self.approximate = approximate

    def forward(self, x: np.ndarray) -> np.ndarray:
        if self.approximate == "none":
            cdf = erf(x * math.sqrt(0.5))
            cdf += 1
            cdf *= 0.5
            return self.save(x * cdf, x, cdf)
        t = np.square(x, out=np.empty_like(x))
        t *= SLOPE * CUBIC
        t += SLOPE
        t *= x
        np.tanh(t, out=t)
        y = 1 + t
        y *= 0.5
        y *= x
        return self.save(y, x, t)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, gate = self.take(dy)
        return self._backward_erf(dy, x, gate) if self.approximate == "none" else self._backward_tanh(dy, x, gate)

    def _backward_erf(self, dy: np.ndarray, x: np.ndarray, cdf: np.ndarray) -> np.ndarray:
        dx = np.square(x, out=np.empty_like(x))
        dx *= -0.5
        np.exp(dx, out=dx)
        dx *= 1 / math.sqrt(2 * math.pi)
        dx *= x
        dx += cdf
        dx *= dy
        return dx

    def _backward_tanh(self, dy: np.ndarray, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        bend = x * x
        bend *= 3 * SLOPE * CUBIC
        bend += SLOPE
        dx = np.square(t, out=np.empty_like(t))
        np.subtract(1, dx, out=dx)
        dx *= bend
        dx *= x
        dx += t
        dx += 1
        dx *= 0.5
        dx *= dy
        return dx

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"

"""GELU: the input, times the chance that a normal variable lies below it."""

import math

import numpy as np

from scratch.grad_mode import is_grad_enabled
from scratch.nn.activation.elementwise import Elementwise
from scratch.normal_tail import tail

SLOPE = math.sqrt(2 / math.pi)
CUBIC = 0.044715
BLOCK = 2**17  # numbers: with everything made on the way to a result they stay in the cache
FAR = 40.0  # e is 0 from here on; infinity times it would be NaN on the right, where y is infinite


class GELU(Elementwise):
    """Gaussian error linear unit.

        none:  y = x Φ(x)                 Φ(x) = ½ erfc(-x / √2), the normal distribution function
        tanh:  y = x ½ (1 + t)            t = tanh(k (x + c x³)),  k = sqrt(2/π),  c = 0.044715

    Shapes    x, y (...), any shape.
    Backward  none:  dx = dy (Φ + x φ)                                φ(x) = e(x) / sqrt(2π), the normal density
              tanh:  dx = dy (½ (1 + t) + ½ x (1 - t²) k (1 + 3c x²))
    Why       the product rule. Φ' = φ; tanh' = 1 - tanh², times the slope of its argument.
    Saves     Φ + x φ; or x and t.
    Numerics  none: ½ (1 + erf) would cancel on the left and leave no digit from -5.5 down, as in torch. With u = |x|,
              e(x) = exp(-x²/2) and H = 1 where x > 0, else 0, Φ = H ∓ R(u) e(u) is 1 - a tail or the tail itself:
                  y = H x - u R e        Φ + x φ = H ± e (u / sqrt(2π) - R)        + where x > 0, - elsewhere
              y is within 8 ulp of its own value, down to -13.2, where it is subnormal; so is the slope, but near its
              zero, -0.7518, where the two terms of the bracket cancel.
              tanh: up to 4.7e-4 from the other; an approximation, not a faster way to it. 1 + t cancels on the left
              and leaves no digit from -5.4 down, in dx too, as in torch. x / (1 + exp(-2z)), z the argument of tanh,
              would keep five digits at 1.15 to 1.3 times the time; float64 all, at 1.8. dx also cancels near its zero,
              -0.7525.
              An infinite x gives inf * 0 = NaN somewhere: y is NaN at -inf, dx at both ends.
    Cost      none: 32 passes over blocks that stay in the cache, one of them a float64 exp, and one in backward: 1.5
              times the time of ½ (1 + erf), since the decay needs an argument of 28 bits, and R 11 passes. The tanh
              form takes a third of it.
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
            y, slope = normal_gate(x.reshape(-1), is_grad_enabled())
            return self.save(y.reshape(x.shape), slope)
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
        if self.approximate == "none":
            slope = self.take(dy)
            return slope.reshape(dy.shape) * dy
        return self._backward_tanh(dy)

    def _backward_tanh(self, dy: np.ndarray) -> np.ndarray:
        x, t = self.take(dy)
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


def normal_gate(x: np.ndarray, with_slope: bool) -> tuple[np.ndarray, np.ndarray]:
    """The product x Φ(x) of a flat array and, if it is asked for, its slope."""
    y, slopes = np.empty_like(x), np.empty_like(x) if with_slope else np.empty(0, x.dtype)
    work, wide = np.empty((4, min(BLOCK, x.size)), x.dtype), np.empty(min(BLOCK, x.size))
    for start in range(0, x.size, BLOCK):
        part = slice(start, start + BLOCK)
        bits = x[part].view(f"i{x.itemsize}")
        rows = iter(work[:, : bits.size])
        u = np.abs(x[part], out=next(rows))
        r, e = tail(u, next(rows), next(rows), wide[: bits.size])
        right = np.greater_equal(bits, 0, out=next(rows))  # H
        if with_slope:
            slope = np.multiply(u, 1 / math.sqrt(2 * math.pi), out=slopes[part])
            slope -= r
            slope *= e
            signed = slope.view(bits.dtype)
            signed ^= bits & np.iinfo(bits.dtype).min  # times the sign of x
            slope += right
        u.clip(0, FAR, out=u)
        r *= u
        r *= e
        right *= x[part]
        np.subtract(right, r, out=y[part])
    return y, slopes

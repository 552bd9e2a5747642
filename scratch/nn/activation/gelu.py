"""GELU: the input, times the chance that a normal variable lies below it."""

import math

import numpy as np

from scratch.grad_mode import is_grad_enabled
from scratch.nn.activation.elementwise import Elementwise
from scratch.normal_tail import EDGE, left_tail, tail
from scratch.threads import share_rows

SLOPE = math.sqrt(2 / math.pi)
CUBIC = 0.044715
BLOCK = 2**17  # numbers, at least: with everything made on the way to a result they stay in the cache
DENSITY = 1 / math.sqrt(2 * math.pi)  # of a normal variable at 0


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
              e(x) = exp(-x²/2) and H = 1 where x > 0, else 0, Φ = |H - R(u) e(u)| is 1 - a tail or the tail itself.
              In float32 y is within 8 ulp of its own value, down to -13.2, where it is subnormal; so is the slope, but
              near its zero, -0.7518, where its two terms cancel. float64: down to -37.5, where Φ is subnormal.
              tanh: up to 4.7e-4 from the other; an approximation, not a faster way to it. 1 + t cancels on the left
              and leaves no digit from -5.4 down, in dx too, as in torch. x / (1 + exp(-2z)), z the argument of tanh,
              would keep five digits there, but on the right its slope is up to 25 ulp from that of torch's float64,
              where 8 are allowed; float64 would keep all, at 1.8 times the time. dx also cancels near its zero,
              -0.7525, and is NaN where x² is infinite, from 1.8e19 on in float32, in torch too.
              An infinite x gives inf * 0 = NaN somewhere: y is NaN at -inf, dx at both ends.
    Cost      none: 25 passes over blocks that stay in the cache and one in backward: as long as ½ (1 + erf) takes for
              (4096, 768) normal numbers, 1.3 times as long for (64, 256), 54 µs. There exp alone takes 6, the other
              statements 1.2 each, and the 1.2 % of numbers below -2.25, which are computed once more in float64, 10;
              if all are, it takes 3.5 times as long. The tanh form takes half of it. Two threads take 0.7 of the time
              from 262,144 numbers on.
    Torch     torch.nn.GELU. In float32 torch's kernel gives NaN at +inf too (its float64 kernel inf); here it is inf.
    Raises    RuntimeError if approximate is neither none nor tanh.
    Source    Hendrycks, Gimpel 2016, arXiv:1606.08415, section 2.
    """

    costly = True

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise RuntimeError(f"GELU: approximate must be 'none' or 'tanh', got {approximate!r}.")
        self.approximate = approximate

    def gains_from_blocks(self, size: int) -> bool:
        return self.approximate == "tanh" and super().gains_from_blocks(size)  # the other form has blocks of its own

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
            dx = self.take(dy).reshape(dy.shape)
            dx *= dy
            return dx
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


def normal_gate(x: np.ndarray, with_slope: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """The product x Φ(x) of a flat array and, if it is asked for, its slope."""
    y, slope = np.empty_like(x), np.empty_like(x) if with_slope else None
    share_rows(_gate, (x, y, slope), -(-x.size // max(x.size // BLOCK, 1)))  # blocks of equal size
    return y, slope


def _gate(x: np.ndarray, y: np.ndarray, slope: np.ndarray | None) -> None:
    """Write y and the slope, which serve for R, then Φ, and for e until then."""
    u, e = np.abs(x), np.empty_like(x) if slope is None else slope
    tail(u, y, e)
    y *= e
    right = np.greater(x, 0, out=u)  # H
    np.subtract(right, y, out=y)
    np.abs(y, out=y)
    if slope is not None:
        slope *= DENSITY
        slope *= x
        slope += y
    y *= x
    if x.dtype == np.float32:
        far = np.less(x, -EDGE).nonzero()[0]
        if far.size:
            z, chance, e = left_tail(x[far])
            y[far] = z * chance
            if slope is not None:
                e *= DENSITY
                e *= z
                e += chance
                slope[far] = e

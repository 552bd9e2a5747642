"""ELU, CELU and SELU: linear for positive numbers, an exponential that saturates for negative ones."""

import math

import numpy as np

from scratch.arguments import check_fits
from scratch.nn.activation.elementwise import Elementwise
from scratch.nn.activation.select import choose


class _ExponentialLinear(Elementwise):
    """What the three share; they differ in three numbers.

        y = s x                          x > 0
        y = s α (exp(r x) - 1)           x <= 0

    Backward  dx = dy s where x > 0, else dy s α r exp(r x)
    Why       (exp(r x))' = r exp(r x). At 0 the left slope s α r counts, as in torch.
    Numerics  the sum of both branches, each with the other's half of the line clipped to 0, unless α is not finite:
              then inf * 0 would make NaN of all positive x. exp(x) - 1 would lose all digits of a small x; expm1 keeps
              them. The slope is computed as a separate exponential: computed from y it would be y + s α, which cancels
              where exp(r x) is small. NumPy's float32 expm1 is within 2.4 ulp, its exp within 2.6.
    """

    costly = True
    s = 1.0
    alpha: float

    def rates(self) -> tuple[float, float]:
        """The rate r in forward, and in backward."""
        return 1.0, 1.0

    def forward(self, x: np.ndarray) -> np.ndarray:
        s, height, (r, _) = self.s, self.s * self.alpha, self.rates()
        check_fits(self, x.dtype, alpha=height, reciprocal=r)
        if not math.isfinite(height) or not math.isfinite(r):
            return self.save(np.where(x < 0, np.expm1(x * r) * height, x * s), x)
        y = np.empty_like(x)
        x.clip(-np.inf, 0, out=y)
        y *= r
        np.expm1(y, out=y)
        y *= height
        y += x.clip(0, np.inf) * s
        return self.save(y, x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, (_, r) = self.take(dy), self.rates()
        slope = np.empty_like(x)
        x.clip(-np.inf, 0, out=slope)
        slope *= r
        np.exp(slope, out=slope)
        slope *= self.s * self.alpha * r
        return dy * choose(x > 0, self.s, slope, x.dtype)


class ELU(_ExponentialLinear):
    """Exponential linear unit.

        y = x                       x > 0
        y = α (exp(x) - 1)          x <= 0

    Shapes    x, y (...), any shape.
    Options   alpha, the size of the limit on the left; inplace is accepted and ignored.
    Backward  dx = dy where x > 0, else dy α exp(x)
    Why       the slope of exp is exp. At 0 it is α, the left one, as in torch.
    Saves     x.
    Numerics  y is within 2.4 ulp of its own value, dx within 2.6, torch's are within 1: NumPy's float32 expm1 and exp
              alone are off by as much. In float64 they would take several times as long.
    Torch     torch.nn.ELU; `inplace` is accepted and ignored. torch's gradient of NaN is dy in the last few elements of
              an array, which its vector loop does not cover; in all others, and here, it is NaN.
    Source    Clevert, Unterthiner, Hochreiter 2016, arXiv:1511.07289, section 3.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class CELU(_ExponentialLinear):
    """ELU whose argument is divided by α, so that its slope is 1 on both sides of 0 for every α.

        y = x                         x > 0
        y = α (exp(x/α) - 1)          x <= 0

    Shapes    x, y (...), any shape.
    Backward  dx = dy where x > 0, else dy exp(x/α)
    Why       the α in front and the 1/α within cancel in the derivative.
    Saves     x.
    Numerics  y is within 2.4 ulp of its own value, dx within 2.6, torch's are within 1: as in ELU.
    Torch     torch.nn.CELU; `inplace` is accepted and ignored. NaN as in ELU. torch's backward divides by α rounded to
              float32, in float64 too: 4e-8 off where α is not a float32 number. scratch does the same.
    Raises    RuntimeError for alpha = 0, and in forward if alpha or 1/α does not fit into the dtype of x.
    Source    Barron 2017, arXiv:1704.07483.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha
        self.rates()

    def rates(self) -> tuple[float, float]:
        alpha = self.alpha
        if alpha == 0:
            raise RuntimeError("CELU: alpha must not be 0, since the input is divided by it. For α towards 0 use ReLU.")
        rounded = float(np.array(alpha).astype(np.float32)) if math.isfinite(alpha) else alpha
        return 1 / alpha, 1 / rounded if rounded else math.copysign(math.inf, alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class SELU(_ExponentialLinear):
    """ELU, scaled so that layer after layer keeps mean 0 and variance 1.

        y = s x                       x > 0        s = 1.0507009873554805
        y = s α (exp(x) - 1)          x <= 0       α = 1.6732632423543772

    Shapes    x, y (...), any shape.
    Backward  dx = dy s where x > 0, else dy s α exp(x)
    Why       as ELU. s and α solve E[y] = 0, E[y²] = 1 for x ~ N(0, 1).
    Saves     x.
    Numerics  y is within 3.3 ulp of its own value, dx within 3.1, torch's are within 2: as in ELU, and the product
              with s α is rounded too.
    Torch     torch.nn.SELU; `inplace` is accepted and ignored. NaN as in ELU.
    Source    Klambauer et al. 2017, arXiv:1706.02515, section 2.
    """

    s = 1.0507009873554805
    alpha = 1.6732632423543772

    def __init__(self, inplace: bool = False) -> None:
        pass

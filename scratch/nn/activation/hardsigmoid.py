"""Hardsigmoid and Hardswish: sigmoid and SiLU with straight lines for exponentials."""

import numpy as np

from scratch.nn.activation.elementwise import Elementwise
from scratch.nn.activation.select import keep

SIXTH = float(np.float32(1 / 6))  # torch's slope of Hardsigmoid, in either precision


class Hardsigmoid(Elementwise):
    """Sigmoid by three straight lines.

        y = min(max(x + 3, 0), 6) / 6

    Shapes    x, y (...), any shape.
    Backward  dx = dy / 6 where -3 < x < 3, else 0
    Why       the slope is 1/6 inside and 0 outside; at both ends torch takes 0.
    Saves     x.
    Numerics  y is within 1 ulp of its own value, which a product with 1/6 would exceed. The gradient of NaN is 0.
    Torch     torch.nn.Hardsigmoid; `inplace` is accepted and ignored. torch's kernel rounds the slope 1/6 to float32,
              3e-8 too steep in float64; scratch does the same.
    Source    Howard et al. 2019, arXiv:1905.02244, section 5.2.
    """

    def __init__(self, inplace: bool = False) -> None:
        pass

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.save(hardsigmoid(x), x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x = self.take(dy)
        return keep((x > -3) & (x < 3), dy * SIXTH)


class Hardswish(Elementwise):
    """SiLU with a hard sigmoid.

        y = x h(x)        h(x) = min(max(x + 3, 0), 6) / 6

    Shapes    x, y (...), any shape.
    Backward  dx = dy (h + x h')        h' = 1/6 where -3 < x < 3, else 0
    Why       the product rule. So the slope is 0 on the left, 1 on the right and x/3 + ½ between: a parabola that meets
              the lines at an angle, with slopes -½ and 3/2. At ±3 torch takes the slopes of the lines, 0 and 1.
    Saves     x, h.
    Numerics  y is within 1.9 ulp of its own value, torch's within 2. dx cancels near its zero, -1.5, as in torch.
              -inf gives -inf * 0 = NaN, as in torch.
    Cost      12 passes, each at the speed of a product, where one fused loop each way would do with 2: 1.1 to 3 times
              torch's time at 10^4 to 10^6 numbers, one thread each. x h' takes six of them: trunc(x/3) in place of two
              comparisons, or 2h - ½ in place of h + x/6, take as long, and 2h - ½ is wrong just below 3.
    Torch     torch.nn.Hardswish; `inplace` is accepted and ignored. torch's gradient of NaN is dy in the last few
              elements of an array, which its vector loop does not cover; in all others, and here, it is NaN.
    Source    Howard et al. 2019, arXiv:1905.02244, section 5.2.
    """

    costly = True

    def __init__(self, inplace: bool = False) -> None:
        pass

    def forward(self, x: np.ndarray) -> np.ndarray:
        h = hardsigmoid(x)
        return self.save(x * h, x, h)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, h = self.take(dy)
        dx = keep((x > -3) & (x < 3), x)
        dx *= 1 / 6
        dx += h
        dx *= dy
        return dx


def hardsigmoid(x: np.ndarray) -> np.ndarray:
    """min(max(x + 3, 0), 6) / 6."""
    y = np.add(x, 3, out=np.empty_like(x))
    y.clip(0, 6, out=y)
    y /= 6
    return y

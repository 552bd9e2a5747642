"""Tanh and Tanhshrink."""

import numpy as np

from scratch.nn.activation.elementwise import Elementwise


class Tanh(Elementwise):
    """The hyperbolic tangent.

        y = tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))

    Shapes    x, y (...), any shape.
    Backward  dx = dy (1 - y²)
    Why       with s and c for sinh and cosh: (s/c)' = (c² - s²) / c² = 1 - (s/c)².
    Saves     y.
    Numerics  y is within 1.4 ulp of its own value, torch's within 0.6: it is NumPy's float32 tanh. dx is not: 1 - y²
              has one digit less for each 1.2 that |x| grows, and none from 9 on; torch does as here. sech² by an
              exponential of its own would take three times the time of backward.
    Torch     torch.nn.Tanh.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        y = np.tanh(x)
        return self.save(y, y)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        y = self.take(dy)
        dx = y * y
        dx = 1 - dx
        dx *= dy
        return dx


class Tanhshrink(Elementwise):
    """The input minus its tanh.

        y = x - t        t = tanh(x)

    Shapes    x, y (...), any shape.
    Backward  dx = dy t²
    Why       1 - t' = 1 - (1 - t²).
    Saves     t.
    Numerics  near 0 y is x³/3, and the difference keeps few of its digits, none from 3e-4 down, in torch too; the
              series below 0.2 would keep them, at more than twice the time. dx is within 3.3 ulp of its own value.
    Torch     torch.nn.Tanhshrink.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        t = np.tanh(x)
        return self.save(x - t, t)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        t = self.take(dy)
        dx = t * t
        dx *= dy
        return dx

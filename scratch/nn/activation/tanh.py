"""Tanh and Tanhshrink."""

import numpy as np

from scratch.nn.activation.activation import Activation


class Tanh(Activation):
    """The hyperbolic tangent.

        y = tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))

    Shapes    x, y (...), any shape.
    Backward  dx = dy (1 - y²)
    Why       with s and c for sinh and cosh: (s/c)' = (c² - s²) / c² = 1 - (s/c)².
    Saves     y.
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


class Tanhshrink(Activation):
    """The input minus its tanh.

        y = x - t        t = tanh(x)

    Shapes    x, y (...), any shape.
    Backward  dx = dy t²
    Why       1 - t' = 1 - (1 - t²).
    Saves     t.
    Numerics  near 0 y is x³/3, and the difference keeps few of its digits, in torch too.
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

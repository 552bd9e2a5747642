"""Softsign: a sigmoid without an exponential."""

import numpy as np

from scratch.nn.activation.elementwise import Elementwise


class Softsign(Elementwise):
    """The input divided by one plus its absolute value.

        y = x / d        d = 1 + |x|

    Shapes    x, y (...), any shape.
    Backward  dx = dy / d²
    Why       d' = sign(x), so y' = 1/d - x sign(x) / d² = (1 - |x|/d) / d = 1/d². At 0 both sides have slope 1.
    Saves     y, d.
    Numerics  infinity gives inf / inf = NaN, in y and in dx, as in torch; 1/d² alone would hide it from the gradient.
              (1 - |y|) / d would not, but cancel: torch's gradient has no digit from |x| = 2e7 on.
    Torch     torch.nn.Softsign.
    Source    Glorot, Bengio 2010, Understanding the difficulty of training deep feedforward neural networks, section 3.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        d = np.abs(x)
        d += 1
        y = x / d
        return self.save(y, y, d)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        y, d = self.take(dy)
        dx = dy / d
        dx /= d
        if d.size and not d.max() < np.inf:
            dx[np.isnan(y)] = np.nan
        return dx

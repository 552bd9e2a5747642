"""Hardshrink and Softshrink: small numbers become 0."""

import numpy as np

from scratch.nn.activation.elementwise import Elementwise
from scratch.nn.activation.select import keep


class Hardshrink(Elementwise):
    """Set small numbers to 0 and keep the rest.

        y = x where |x| > lambd, else 0

    Shapes    x, y (...), any shape.
    Backward  dx = dy where |x| > lambd, else 0
    Why       the slope is 1 where y = x and 0 where y = 0; at |x| = lambd, y is 0 and so is the slope.
    Saves     x.
    Numerics  exact. NaN stays NaN; its gradient is 0.
    Torch     torch.nn.Hardshrink. torch's gradient of NaN is dy in the last few elements of an array, which its vector
              loop does not cover; in all others, and here, it is 0.
    """

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.save(keep(~(np.abs(x) <= self.lambd), x), x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x = self.take(dy)
        return keep(np.abs(x) > self.lambd, dy)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Elementwise):
    """Move everything towards 0 by lambd: the proximal step of lambd |x|.

        y = x - min(max(x, -lambd), lambd)

    Shapes    x, y (...), any shape.
    Backward  dx = dy where |x| > lambd, else 0
    Why       beyond ±lambd y is x less a constant; between them it is 0, the ends included.
    Saves     x.
    Numerics  one rounding. NaN stays NaN; its gradient is 0.
    Torch     torch.nn.Softshrink. The gradient of NaN as in Hardshrink.
    Raises    RuntimeError for a negative lambd.
    """

    def __init__(self, lambd: float = 0.5) -> None:
        if not lambd >= 0:
            raise RuntimeError(f"Softshrink: lambd must be at least 0, got {lambd}.")
        self.lambd = lambd

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.save(x - x.clip(-self.lambd, self.lambd), x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x = self.take(dy)
        return keep(np.abs(x) > self.lambd, dy)

    def extra_repr(self) -> str:
        return f"{self.lambd}"

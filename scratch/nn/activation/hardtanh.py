"""Hardtanh and ReLU6: the identity between two bounds, constant beyond."""

import warnings

import numpy as np

from scratch.nn.activation.elementwise import Elementwise
from scratch.nn.activation.select import keep


class Hardtanh(Elementwise):
    """Clip to an interval.

        y = min(max(x, a), b)        a = min_val, b = max_val

    Shapes    x, y (...), any shape.
    Options   min_val and max_val; inplace is accepted and ignored.
    Backward  dx = dy where a < y < b, else 0
    Why       the slope is 1 inside and 0 outside. At both ends torch takes 0, as for ReLU; clamp took 1 before 2.14.
    Saves     y.
    Numerics  exact. NaN stays NaN; its gradient is 0.
    Torch     torch.nn.Hardtanh. The gradient of NaN is dy in the last few elements of torch's arrays, which its vector
              loop does not cover, and 0 in all others. min_value and max_value are old names, with torch's warning.
    Raises    AssertionError unless min_val < max_val.
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        if min_value is not None or max_value is not None:
            warnings.warn("Hardtanh: min_value and max_value are now min_val and max_val.", FutureWarning, stacklevel=3)
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        if not self.min_val < self.max_val:
            raise AssertionError(
                f"{type(self).__name__}: min_val must be less than max_val, got {self.min_val} and {self.max_val}. "
                "Swap them?"
            )

    def forward(self, x: np.ndarray) -> np.ndarray:
        y = x.clip(self.min_val, self.max_val)
        return self.save(y, y)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        y = self.take(dy)
        return keep((y > self.min_val) & (y < self.max_val), dy)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class ReLU6(Hardtanh):
    """ReLU with a ceiling: Hardtanh between 0 and 6.

        y = min(max(x, 0), 6)

    Backward  dx = dy where 0 < y < 6, else 0
    Torch     torch.nn.ReLU6; `inplace` is accepted and ignored.
    Source    Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0)

    def extra_repr(self) -> str:
        return ""

"""MSELoss: the squared error."""

from typing import Any

import numpy as np

from scratch.nn.loss.loss import Loss, real_target


class MSELoss(Loss):
    """Mean squared error.

        l_i = (x_i - t_i)²        y = mean, sum or none of l

    Shapes    x, target (...), the same; y () or (...).
    Options   reduction, "mean", "sum" or "none".
    Backward  dx = 2 (x - t) dl
    Why       the derivative of d² is 2d, and d grows with x one for one.
    Saves     d = x - t.
    Numerics  mean divides by the number of elements, not of rows, and there is no factor 1/2.
    Torch     torch.nn.MSELoss; torch broadcasts unequal shapes and warns, here they are refused.
    Raises    RuntimeError for unequal shapes or dtypes.

    >>> float(MSELoss()(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        d = x - real_target(self, x, target, "iub")
        return self.save(self.reduce(d * d), d)

    def backward(self, dloss: Any = None) -> np.ndarray:
        d = self.take(dloss)
        return d * (2 * self.spread(dloss, d.size, d.dtype))

"""SoftMarginLoss: the logistic loss of answers that are 1 or -1."""

from typing import Any

import numpy as np

from scratch.nn.loss.loss import Loss, real_target


class SoftMarginLoss(Loss):
    """The logistic loss.

        l_i = log(1 + exp(-t_i x_i))        t = 1 or -1

    Shapes    x, target (...), the same; y () or (...).
    Options   reduction, "mean", "sum" or "none".
    Backward  dx = -t z / (1 + z) dl        z = exp(-t x)
    Why       the chain rule through the logarithm; z / (1 + z) is the probability given to the wrong answer.
    Saves     t, z.
    Numerics  torch's: where z overflows, below t x = -88 in float32, the loss is inf and its gradient inf / inf = NaN.
              BCEWithLogitsLoss with targets (t + 1) / 2 is the same function and has no such limit. Elsewhere l is
              within 3.4 ulp of its own value, its gradient within 3.7, torch's are within 1.6 and 2.5: as in Softplus.
    Torch     torch.nn.SoftMarginLoss; torch broadcasts unequal shapes, here they are refused.
    Raises    RuntimeError for unequal shapes or dtypes.
    """

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        t = real_target(self, x, target)
        z = np.exp(-t * x)
        return self.save(self.reduce(np.log1p(z)), t, z)

    def backward(self, dloss: Any = None) -> np.ndarray:
        t, z = self.take(dloss)
        return z / (1 + z) * -t * self.spread(dloss, z.size, z.dtype)

"""MarginRankingLoss: which of two scores should be the larger."""

from typing import Any

import numpy as np

from scratch.nn.loss.loss import Loss, check_prediction, check_signs


class MarginRankingLoss(Loss):
    """How far the score that should win falls short of leading by the margin.

        l_i = max(margin - t_i (x1_i - x2_i), 0)        t = 1: x1 should win;  t = -1: x2 should

    Shapes    x1, x2, target (...), the same; y () or (...).
    Options   margin; reduction, "mean", "sum" or "none".
    Backward  dx1 = -t dl where the maximum is above 0, else 0;        dx2 = -dx1
    Why       l falls with slope 1 as the lead grows, until it reaches the margin. At the kink torch takes the slope 0.
    Saves     t where the maximum is above 0, else 0.
    Numerics  exact, except for the difference.
    Torch     torch.nn.MarginRankingLoss; torch broadcasts sizes of 1, here they are refused.
    Raises    RuntimeError for unequal shapes, or dtypes of the scores.
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = float(margin)

    def forward(self, x1: np.ndarray, x2: np.ndarray, target: np.ndarray) -> Any:
        check_prediction(self, x1, x2)
        check_signs(self, x1.shape, target)
        if target.dtype.kind == "b":
            raise RuntimeError(f"{self}: the target must be 1 or -1 for each pair, got bool. Use np.where(t, 1, -1).")
        t = target.astype(x1.dtype)
        lacking = self.margin - t * (x1 - x2)
        return self.save(self.reduce(np.maximum(lacking, 0)), t * (lacking > 0))

    def backward(self, dloss: Any = None) -> tuple[np.ndarray, np.ndarray]:
        slope = self.take(dloss)
        dx2 = slope * self.spread(dloss, slope.size, slope.dtype)
        return -dx2, dx2

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, margin={self.margin}"

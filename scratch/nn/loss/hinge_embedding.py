"""HingeEmbeddingLoss: a distance that should be small for one target and beyond a margin for the other."""

from typing import Any

import numpy as np

from scratch.nn.loss.loss import Loss, check_prediction, check_signs


class HingeEmbeddingLoss(Loss):
    """The distance x where the target is 1, and how far it falls short of the margin where the target is -1.

        l_i = x_i                        if t_i = 1
              max(margin - x_i, 0)       if t_i = -1

    Shapes    x, target (...), the same; y () or (...).
    Options   margin; reduction, "mean", "sum" or "none".
    Backward  dx = dl if t = 1;        -dl if t = -1 and x < margin, else 0
    Why       pairs that belong together are pulled at any distance, the others are pushed apart up to the margin. At
              the kink x = margin torch takes the slope 0.
    Saves     the slopes, 1, -1 or 0.
    Numerics  exact. A target that is neither 1 nor -1 gets both terms, as in torch.
    Torch     torch.nn.HingeEmbeddingLoss; torch broadcasts unequal shapes, here they are refused.
    Raises    RuntimeError for unequal shapes.
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = float(margin)

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        check_prediction(self, x)
        check_signs(self, x.shape, target)
        lacking = self.margin - x
        near, far = target != -1, target != 1
        losses = np.where(near, x, 0)
        losses += np.where(far, np.maximum(lacking, 0), 0)
        slope = near.astype(x.dtype)
        slope -= far & (lacking > 0)
        return self.save(self.reduce(losses), slope)

    def backward(self, dloss: Any = None) -> np.ndarray:
        slope = self.take(dloss)
        return slope * self.spread(dloss, slope.size, slope.dtype)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, margin={self.margin}"

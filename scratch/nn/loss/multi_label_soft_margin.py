"""MultiLabelSoftMarginLoss: a yes-or-no answer for each class, averaged over the classes."""

from typing import Any

import numpy as np

from scratch.nn.activation.sigmoid import sigmoid
from scratch.nn.loss.loss import Loss, as_weight, check_weight, real_target


class MultiLabelSoftMarginLoss(Loss):
    """Binary cross-entropy with logits, averaged over the last dimension: one loss per row.

        l_n = -Σ_c w_c (t_nc log σ(x_nc) + (1 - t_nc) log σ(-x_nc)) / C        σ the sigmoid

    Shapes    x, target (..., C), the same; weight (C,) or what broadcasts to x; y () or (...).
    Options   weight, a factor for each class; reduction, "mean", "sum" or "none".
    Backward  dx = w (σ(x) - t) / C dl
    Why       d log σ(x) = σ(-x) and d log σ(-x) = -σ(x); -t σ(-x) + (1 - t) σ(x) = σ(x) - t, since both σ sum to 1.
    Saves     x, t.
    Numerics  log σ(±x) = min(±x, 0) - log1p(exp(-|x|)), one exp and one logarithm for both.
    Torch     torch.nn.MultiLabelSoftMarginLoss. mean divides by the rows, regardless of the weights.
    Raises    RuntimeError for unequal shapes or dtypes, or a weight that does not fit; IndexError for a scalar.
    """

    weight: np.ndarray | None

    def __init__(self, weight: np.ndarray | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", as_weight(self, "weight", weight))

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        if x.ndim == 0:
            raise IndexError(f"{self}: the input needs a class dimension, got a scalar.")
        t = real_target(self, x, target)
        check_weight(self, "weight", self.weight, x)
        tail = np.log1p(np.exp(-np.abs(x)))
        losses = t * (tail - np.minimum(x, 0)) + (1 - t) * (tail - np.minimum(-x, 0))
        if self.weight is not None:
            losses *= self.weight
        rows = losses.sum(-1) / x.dtype.type(x.shape[-1])
        return self.save(self.reduce(rows), x, t)

    def backward(self, dloss: Any = None) -> np.ndarray:
        x, t = self.take(dloss)
        classes = x.shape[-1]
        dx = sigmoid(x)
        dx -= t
        if self.weight is not None:
            dx *= self.weight
        dl = self.spread(dloss, np.prod(x.shape[:-1]), x.dtype) / x.dtype.type(classes)
        dx *= dl[..., np.newaxis]
        return dx

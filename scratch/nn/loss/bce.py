"""BCELoss and BCEWithLogitsLoss: the cross-entropy of yes-or-no answers, from probabilities or from logits."""

from typing import Any

import numpy as np

from scratch.nn.activation.sigmoid import sigmoid
from scratch.nn.loss.loss import Loss, as_weight, check_target, check_weight

LEAST_LOG = -100.0
LEAST_VARIANCE = float(np.float32(1e-12))  # torch's constant is a float32, in float64 too


class BCELoss(Loss):
    """Binary cross-entropy of probabilities x against targets t in [0, 1].

        l_i = -w_i (t_i log x_i + (1 - t_i) log(1 - x_i))        both logarithms cut off at -100

    Shapes    x, target (...), the same; weight broadcasts to them; y () or (...).
    Options   weight, a factor for each element; reduction, "mean", "sum" or "none".
    Backward  dx = w (x - t) / max(x (1 - x), 1e-12) dl
    Why       dl/dx = -t / x + (1 - t) / (1 - x), over the common denominator (x - t) / (x (1 - x)).
    Saves     x, t.
    Numerics  log(1 - x) by log1p. A confident mistake, x = 0 or 1, costs 100 and not infinity, and its gradient is
              at most 1e12: torch's two cut-offs. Train with BCEWithLogitsLoss, which needs none.
    Torch     torch.nn.BCELoss. mean divides by the number of elements, regardless of the weights.
    Raises    ValueError for unequal shapes; RuntimeError for unequal dtypes and for values outside [0, 1].
    """

    weight: np.ndarray | None

    def __init__(self, weight: np.ndarray | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", as_weight(self, "weight", weight))

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        check_target(self, x, target, ValueError)
        check_weight(self, "weight", self.weight, x)
        self._check_probability("the input", x, "Apply a sigmoid first, or use BCEWithLogitsLoss.")
        self._check_probability("the target", target, "Scale it to probabilities.")
        losses = (target - 1) * np.maximum(np.log1p(-x), LEAST_LOG)
        losses -= target * np.maximum(np.log(x), LEAST_LOG)
        if self.weight is not None:
            losses *= self.weight
        return self.save(self.reduce(losses), x, target)

    def backward(self, dloss: Any = None) -> np.ndarray:
        x, target = self.take(dloss)
        dx = (x - target) / np.maximum(x * (1 - x), LEAST_VARIANCE)
        dx *= self.spread(dloss, x.size, x.dtype)
        if self.weight is not None:
            dx *= self.weight
        return dx

    def _check_probability(self, what: str, x: np.ndarray, fix: str) -> None:
        if x.size and not (x.min() >= 0 and x.max() <= 1):
            raise RuntimeError(f"{self}: all elements of {what} must be in [0, 1], got [{x.min()}, {x.max()}]. {fix}")


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of logits x: BCELoss after a sigmoid σ, in one stable step.

        l_i = -w_i (p_i t_i log σ(x_i) + (1 - t_i) log(1 - σ(x_i)))        p = pos_weight, 1 if there is none

    Shapes    x, target (...), the same; weight and pos_weight broadcast to them; y () or (...).
    Options   weight, a factor for each element; pos_weight, a factor for the positive term; reduction, "mean", "sum" or
              "none".
    Backward  dx = w ((1 - t + p t) σ(x) - p t) dl, which is w (σ(x) - t) dl if p = 1
    Why       d log σ(x) = 1 - σ(x) and d log(1 - σ(x)) = -σ(x), so dl/dx = -p t (1 - σ) + (1 - t) σ. No logarithm
              and no division survives: the sigmoid's derivative cancels the one that the logarithm brings.
    Saves     x, t.
    Numerics  log(1 - σ(x)) = log σ(x) - x turns l into (1 - t) x - (1 + (p - 1) t) log σ(x), with one logarithm, -log
              σ(x) = max(-x, 0) + log1p(exp(-|x|)), that cannot overflow. Where t = 0 and x is below -17 the two terms
              cancel and l has no digit left, as in torch, in float64 from -37 on: max(x, 0) - t x + log1p(exp(-|x|))
              would keep them, but scratch is judged by torch's float64. l is within 3.4 ulp of its own value where
              t = 1, dx within 3.7 where t = 0, torch's are within 1.6 and 2.5: as in Softplus. For other answers that
              are right σ(x) - t cancels, as in torch.
    Torch     torch.nn.BCEWithLogitsLoss. mean divides by the number of elements, regardless of the weights.
    Raises    ValueError for unequal shapes; RuntimeError for unequal dtypes and weights that do not fit.
    """

    weight: np.ndarray | None
    pos_weight: np.ndarray | None

    def __init__(
        self,
        weight: np.ndarray | None = None,
        reduction: str = "mean",
        pos_weight: np.ndarray | None = None,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", as_weight(self, "weight", weight))
        self.register_buffer("pos_weight", as_weight(self, "pos_weight", pos_weight))

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        check_target(self, x, target, ValueError)
        check_weight(self, "weight", self.weight, x)
        check_weight(self, "pos_weight", self.pos_weight, x)
        losses = np.log1p(np.exp(-np.abs(x)))
        losses -= x.clip(-np.inf, 0)  # -log σ(x)
        if self.pos_weight is not None:
            losses *= 1 + (self.pos_weight - 1) * target
        losses += (1 - target) * x
        if self.weight is not None:
            losses *= self.weight
        return self.save(self.reduce(losses), x, target)

    def backward(self, dloss: Any = None) -> np.ndarray:
        x, target = self.take(dloss)
        dx = sigmoid(x)
        if self.pos_weight is not None:
            pull = self.pos_weight * target
            dx *= pull + 1 - target
            dx -= pull
        else:
            dx -= target
        dx *= self.spread(dloss, x.size, x.dtype)
        if self.weight is not None:
            dx *= self.weight
        return dx

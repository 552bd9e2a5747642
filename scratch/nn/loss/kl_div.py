"""KLDivLoss: how far a distribution of log-probabilities is from a target distribution."""

from typing import Any

import numpy as np

from scratch.nn.loss.loss import REDUCTIONS, Loss, check_target


class KLDivLoss(Loss):
    """Kullback-Leibler divergence of predicted log-probabilities x from target probabilities t.

        l_i = t_i (log t_i - x_i)            and with log_target, where t_i is given by its logarithm:
        l_i = exp(t_i) (t_i - x_i)

        batchmean:  y = Σ l_i / N            mean:  y = Σ l_i / number of elements

    Shapes    x, target (...), the same; y () or (...). N is the first dimension, 1 for a scalar.
    Options   reduction, "mean", "batchmean", "sum" or "none"; log_target, whether the target holds logarithms.
    Backward  dx = -t dl, with log_target -exp(t) dl
    Why       l is linear in x: only the cross term t x depends on it.
    Saves     t, or exp(t).
    Numerics  t log t is 0 at t = 0, its limit; a negative t gives NaN.
    Torch     torch.nn.KLDivLoss. The mathematical divergence is batchmean; mean, the default, is per element.
    Raises    RuntimeError for unequal shapes or dtypes.
    Source    Kullback, Leibler 1951, On information and sufficiency.
    """

    reductions = (*REDUCTIONS, "batchmean")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        check_target(self, x, target)
        if self.log_target:
            p = np.exp(target)
            losses = p * (target - x)
        else:
            p = target
            losses = np.where(p == 0, 0, p * np.log(p)) - p * x
        return self.save(self.reduce(losses, self._count(x)), p)

    def backward(self, dloss: Any = None) -> np.ndarray:
        p = self.take(dloss)
        return p * -self.spread(dloss, self._count(p), p.dtype)

    def _count(self, x: np.ndarray) -> int:
        return len(x) if self.reduction == "batchmean" and x.ndim else x.size

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, log_target={self.log_target}"

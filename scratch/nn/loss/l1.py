"""L1Loss, SmoothL1Loss and HuberLoss: the absolute error, and two that round off its kink."""

from typing import Any

import numpy as np

from scratch.nn.loss.loss import Loss, check_target, real_target


class L1Loss(Loss):
    """Mean absolute error.

        l_i = |x_i - t_i|        y = mean, sum or none of l

    Shapes    x, target (...), the same; y () or (...).
    Options   reduction, "mean", "sum" or "none".
    Backward  dx = sign(x - t) dl
    Why       |d| rises with slope 1 right of 0 and falls with slope 1 left of it. At 0 torch takes the slope 0, so a
              perfect prediction stays where it is.
    Saves     d = x - t.
    Numerics  exact. The sign of NaN is 0 in torch: a NaN in x is seen in the loss, but not in the gradient.
    Torch     torch.nn.L1Loss; torch broadcasts unequal shapes and warns, here they are refused.
    Raises    RuntimeError for unequal shapes or dtypes.
    """

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        d = x - real_target(self, x, target)
        return self.save(self.reduce(np.abs(d)), d)

    def backward(self, dloss: Any = None) -> np.ndarray:
        d = self.take(dloss)
        return _sign(d) * self.spread(dloss, d.size, d.dtype)


class SmoothL1Loss(Loss):
    """The absolute error with a parabola of width beta in place of the kink.

        l_i = d_i² / (2 beta)    if |d_i| < beta        d = x - t
              |d_i| - beta / 2   otherwise

    Shapes    x, target (...), the same; y () or (...).
    Backward  dx = c / beta dl        c = clip(d, -beta, beta)
    Options   reduction, "mean", "sum" or "none"; beta, where the parabola ends.
    Why       the parabola's slope is d / beta, the line's is ±1; they meet at |d| = beta in value and in slope.
              beta = 0 leaves no parabola: then it is L1Loss.
    Saves     c = clip(d, -beta, beta), or d if beta = 0.
    Numerics  both branches are c (d - c / 2) / beta: no choice, and no overflow.
    Torch     torch.nn.SmoothL1Loss; torch broadcasts unequal shapes and warns, here they are refused.
    Raises    RuntimeError for negative beta, unequal shapes or dtypes.
    Source    Girshick 2015, Fast R-CNN, arXiv:1504.08083, equation 3.
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        if not beta >= 0:
            raise RuntimeError(f"SmoothL1Loss: beta must not be negative, got {beta}.")
        self.beta = float(beta)

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        d = x - real_target(self, x, target, "iub" if self.beta else "iu")
        if x.dtype.type(self.beta) == 0:
            return self.save(self.reduce(np.abs(d)), d)
        c = d.clip(-self.beta, self.beta)
        losses = c * -0.5
        losses += d
        losses *= c
        losses /= self.beta
        return self.save(self.reduce(losses), c)

    def backward(self, dloss: Any = None) -> np.ndarray:
        c = self.take(dloss)
        dl = self.spread(dloss, c.size, c.dtype)
        return _sign(c) * dl if c.dtype.type(self.beta) == 0 else c * (dl / self.beta)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, beta={self.beta}"


class HuberLoss(Loss):
    """Squared where the error is small, absolute where it is large: delta times SmoothL1Loss(beta=delta).

        l_i = d_i² / 2                    if |d_i| < delta        d = x - t
              delta (|d_i| - delta / 2)   otherwise

    Shapes    x, target (...), the same; y () or (...).
    Backward  dx = c dl        c = clip(d, -delta, delta)
    Options   reduction, "mean", "sum" or "none"; delta, where the parabola ends.
    Why       the parabola's slope is d, and the line continues it with the slope ±delta it had at |d| = delta.
    Saves     c.
    Numerics  both branches are c (d - c / 2): no choice, and no overflow.
    Torch     torch.nn.HuberLoss; torch broadcasts unequal shapes and warns, here they are refused.
    Raises    RuntimeError unless delta > 0, and for unequal shapes or dtypes, integers too; TypeError if delta is not a
              number.
    Source    Huber 1964, Robust estimation of a location parameter.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        if not delta > 0:
            raise RuntimeError(f"HuberLoss: delta must be positive, got {delta}.")
        self.delta = float(delta)

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        check_target(self, x, target)
        d = x - target
        c = d.clip(-self.delta, self.delta)
        losses = c * -0.5
        losses += d
        losses *= c
        return self.save(self.reduce(losses), c)

    def backward(self, dloss: Any = None) -> np.ndarray:
        c = self.take(dloss)
        return c * self.spread(dloss, c.size, c.dtype)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, delta={self.delta}"


def _sign(d: np.ndarray) -> np.ndarray:
    """-1, 0 or 1, and 0 for NaN, where np.sign gives NaN."""
    sign = (d > 0).astype(d.dtype)
    sign -= d < 0
    return sign

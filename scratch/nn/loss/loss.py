"""Loss: what all losses share, the reduction and its derivative."""

from typing import Any

import numpy as np

from scratch.nn.module import Module

REDUCTIONS = ("none", "mean", "sum")


class Loss(Module):
    """A module whose losses l_i, one an element or one a row, are reduced to one number.

        none:  y_i = l_i             mean:  y = Σ l_i / n            sum:  y = Σ l_i

    Backward  dl_i = dy_i            dl_i = dy / n                   dl_i = dy            n = the number of losses
    Why       each l_i enters the sum with weight 1, and the mean with weight 1/n.
    Numerics  the sum is pairwise; the mean of nothing is NaN, as in torch. The cotangent defaults to 1 for a scalar loss.
    Raises    ValueError for a reduction that is not one of none, mean, sum.
    """

    reductions: tuple[str, ...] = REDUCTIONS

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in self.reductions:
            raise ValueError(
                f"{type(self).__name__}: reduction must be one of {', '.join(self.reductions)}, got {reduction!r}."
            )
        self.reduction = reduction

    def reduce(self, losses: np.ndarray) -> Any:
        if self.reduction == "none":
            return losses
        total = losses.sum()
        if self.reduction == "sum":
            return total
        with np.errstate(divide="ignore", invalid="ignore"):
            return total / losses.dtype.type(losses.size)

    def spread(self, dloss: Any, n: int, dtype: np.dtype) -> Any:
        """dl, the gradient of each of n losses, from the cotangent of the reduced loss; it broadcasts against them."""
        dl = np.ones((), dtype) if dloss is None else np.asarray(dloss, dtype)
        return dl / dtype.type(n) if self.reduction == "mean" and n else dl

    def take(self, cotangent: Any = None) -> Any:
        if cotangent is None and self.reduction == "none" and self.saved is not None:
            raise RuntimeError(
                f"{self}.backward: with reduction='none' there is one loss an element, so pass one cotangent for each."
            )
        return super().take(cotangent)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


def check_target(loss: Module, x: np.ndarray, target: np.ndarray) -> None:
    """Predictions and targets must agree: a broadcast between (N, 1) and (N,) would average an N by N table."""
    if x.shape != target.shape:
        raise RuntimeError(
            f"{loss}: predictions and targets must have one shape, got {x.shape} and {target.shape}. Reshape the target."
        )
    if x.dtype != target.dtype:
        raise RuntimeError(
            f"{loss}: predictions and targets must have one dtype, got {x.dtype} and {target.dtype}. "
            "Convert the target, so that nothing is promoted silently."
        )

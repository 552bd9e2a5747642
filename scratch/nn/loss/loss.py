"""Loss: what all losses share, the reduction and its derivative, and the checks of targets and weights."""

from typing import Any

import numpy as np

from scratch.nn.module import Module

REDUCTIONS = ("none", "mean", "sum")


class Loss(Module):
    """A module whose losses l_i, one per element or one per row, are reduced to one number.

        none:  y_i = l_i             mean:  y = Σ l_i / n            sum:  y = Σ l_i

    Backward  dl_i = dy_i            dl_i = dy / n                   dl_i = dy            n = the number of losses
    Why       each l_i enters the sum with weight 1, and the mean with weight 1/n.
    Numerics  the sum is pairwise; the mean of nothing is NaN, as in torch. A scalar loss has the default cotangent 1.
    Raises    ValueError for a reduction that is not one of none, mean, sum.
    """

    has_default_cotangent = True
    reductions: tuple[str, ...] = REDUCTIONS

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in self.reductions:
            raise ValueError(
                f"{type(self).__name__}: reduction must be one of {', '.join(self.reductions)}, got {reduction!r}."
            )
        self.reduction = reduction

    def reduce(self, losses: Any, n: Any = None) -> Any:
        """The reduced loss; `n` is what a mean divides by, if that is not the number of losses."""
        if self.reduction == "none":
            return losses
        total = losses.sum()
        if self.reduction == "sum":
            return total
        return total / losses.dtype.type(losses.size if n is None else n)

    def spread(self, dloss: Any, n: Any, dtype: np.dtype) -> Any:
        """dl, the gradient of each of n losses, from the cotangent of the reduced loss; it broadcasts against them."""
        dl = dtype.type(1) if dloss is None else np.asarray(dloss, dtype)
        return dl if self.reduction in ("none", "sum") else dl / dtype.type(n)

    def take(self, cotangent: Any = None) -> Any:
        if cotangent is None and self.reduction == "none" and self.saved is not None:
            raise RuntimeError(
                f"{self}.backward: with reduction='none' there is one loss per element, so pass one cotangent for each."
            )
        return super().take(cotangent)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


def check_prediction(loss: object, *predictions: np.ndarray) -> None:
    """Predictions are float32 or float64, and of the same shape and dtype if there are several."""
    first = predictions[0]
    if first.dtype.char not in "fd":
        raise RuntimeError(
            f"{loss}: predictions must be float32 or float64, got {first.dtype}. Use x.astype(np.float32)."
        )
    for other in predictions[1:]:
        if other.shape != first.shape:
            raise RuntimeError(f"{loss}: all inputs must have the same shape, got {first.shape} and {other.shape}.")
        if other.dtype != first.dtype:
            raise RuntimeError(
                f"{loss}: all inputs must have the same dtype, got {first.dtype} and {other.dtype}. Convert one."
            )


def check_target(loss: Module, x: np.ndarray, target: np.ndarray, shape_error: type[Exception] = RuntimeError) -> None:
    """Predictions and targets must agree: a broadcast between (N, 1) and (N,) would average an N by N table."""
    check_prediction(loss, x)
    if x.shape != target.shape:
        raise shape_error(
            f"{loss}: predictions and targets must have the same shape, got {x.shape} and {target.shape}. "
            "Reshape the target."
        )
    if x.dtype != target.dtype:
        raise RuntimeError(
            f"{loss}: predictions and targets must have the same dtype, got {x.dtype} and {target.dtype}. "
            "Convert the target, so that nothing is promoted silently."
        )


def real_target(loss: Module, x: np.ndarray, target: np.ndarray, kinds: str = "iu") -> np.ndarray:
    """The target, checked; counts and other integers, and with kinds "iub" booleans, become x's dtype, as in torch."""
    if target.dtype.kind in kinds:
        target = target.astype(x.dtype)
    check_target(loss, x, target)
    return target


def check_signs(loss: Loss, shape: tuple[int, ...], target: np.ndarray) -> None:
    """Targets of 1 and -1, of any dtype, one for each loss."""
    if target.shape != shape:
        raise RuntimeError(f"{loss}: the target, 1 or -1 for each loss, must have shape {shape}, got {target.shape}.")


def check_labels(loss: object, labels: np.ndarray, classes: int, error: type[Exception] = IndexError) -> None:
    """Labels must lie in [0, classes). NumPy would read a negative one from the end of the row."""
    if not in_range(labels, classes):
        bad = labels[(labels < 0) | (labels >= classes)].flat[0]
        raise error(
            f"{loss}: class labels must be in [0, {classes}), got {bad}. "
            "Count classes from 0, and check that the network has one output for each."
        )


def in_range(labels: np.ndarray, classes: int) -> bool:
    """Whether all labels lie in [0, classes)."""
    return not labels.size or bool(labels.min() >= 0 and labels.max() < classes)


def check_weight(loss: Module, name: str, weight: np.ndarray | None, x: np.ndarray) -> None:
    """A weight of elements has x's dtype and broadcasts to x's shape without enlarging it."""
    if weight is None:
        return
    padded = (1,) * (x.ndim - weight.ndim) + weight.shape
    if len(padded) != x.ndim or any(w not in (1, d) for w, d in zip(padded, x.shape, strict=True)):
        raise RuntimeError(f"{loss}: {name} must broadcast to the shape of the input, {x.shape}, got {weight.shape}.")
    if weight.dtype != x.dtype:
        raise RuntimeError(f"{loss}: {name} must be {x.dtype} like the input, got {weight.dtype}. Convert it.")


def as_weight(loss: Module, name: str, weight: Any) -> np.ndarray | None:
    """What the constructor accepts as a weight: an array or None."""
    if weight is not None and not isinstance(weight, np.ndarray | np.generic):
        raise TypeError(
            f"{type(loss).__name__}: {name} must be a NumPy array or None, got {type(weight).__name__}. "
            "Convert it with np.asarray(weight, dtype=np.float32)."
        )
    return None if weight is None else np.asarray(weight)

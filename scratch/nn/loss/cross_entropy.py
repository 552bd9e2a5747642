"""CrossEntropyLoss: log-softmax and negative log-likelihood, for labels and for probabilities."""

from typing import Any

import numpy as np

from scratch.nn.activation.softmax import log_softmax, sum_along
from scratch.nn.loss.loss import check_prediction, check_target
from scratch.nn.loss.nll import LabelLoss, class_axis, places


class CrossEntropyLoss(LabelLoss):
    """Log-softmax and negative log-likelihood in one step.

        l_n = -Σ_c q_nc log p_nc        p = softmax(x) over the classes; q is the weight of each class:
        q_nc = (1 - ε) w_n [c = y_n] + (ε / C) weight_c        for labels y; 0 in ignored rows
        q_nc = weight_c ((1 - ε) t_nc + ε / C)                 for probabilities t
        ε = label_smoothing; weight is 1 if not given; w_n = weight[y_n], 0 where y_n = ignore_index

        mean:  y = Σ l_n / Σ w_n for labels, and Σ l_n / (number of rows) for probabilities

    Shapes    x (N, C, ...) or (C,), logits; target (N, ...) or () with labels in [0, C), or of x's shape with
              probabilities; weight (C,); y () or (N, ...). C is axis 1, in a single row axis 0.
    Options   weight, a factor for each class; ignore_index, a class that does not count; label_smoothing; reduction,
              "mean", "sum" or "none".
    Backward  dx_nc = (p_nc Σ_k q_nk - q_nc) dl_n
    Why       d log p_k / dx_c = [k = c] - p_c, so dl/dx_c = -q_c + p_c Σ_k q_k: the row is pulled from what it
              predicts to what it should. With one label, w = 1 and ε = 0 it is p - onehot(y).
    Saves     p, the target or the positions of its elements, w and the divisor of the mean.
    Numerics  those of LogSoftmax: nothing overflows. One exp per logit, and no one-hot table. With probability targets
              0 times a log-probability of -inf is NaN, as in torch.
    Torch     torch.nn.CrossEntropyLoss. Smoothing uses the class weights too, while the mean still divides by the
              weights of the labels; with probabilities it does not divide by weights at all.
    Raises    IndexError for a label out of range; ValueError if the batch sizes differ; RuntimeError for other shapes
              and dtypes, for label_smoothing outside [0, 1], for probabilities together with an ignore_index >= 0.
    Source    Szegedy et al. 2015, Rethinking the Inception architecture, arXiv:1512.00567, section 7 (smoothing).

    >>> round(float(CrossEntropyLoss()(np.zeros((1, 10)), np.array([3]))), 4)
    2.3026
    """

    def __init__(
        self,
        weight: np.ndarray | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, ignore_index, reduction)
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(f"{type(self).__name__}: label_smoothing must be in [0, 1], got {label_smoothing}.")
        self.label_smoothing = float(label_smoothing)

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        if x.shape == target.shape:
            return self._forward_probabilities(x, target)
        self.check_shapes(x, target)
        self.check_class_weight(x)
        axis = class_axis(x)
        logp, p = log_softmax(x, axis)
        labels, w, ignored, total = self.label_weights(target, x.shape[axis], x.dtype)
        picked = places(labels, x.shape)
        losses = w * -logp.take(picked)
        if self.label_smoothing:
            share = self.label_smoothing / x.shape[axis]
            losses *= 1 - self.label_smoothing
            losses -= share * sum_along(logp, axis, self._weight_like(logp)).reshape(losses.shape)
        if ignored is not None:
            losses = np.where(ignored, 0, losses)
        return self.save(self.reduce(losses, total), p, picked, w, ignored, total)

    def backward(self, dloss: Any = None) -> np.ndarray:
        p, *rest = self.take(dloss)
        if len(rest) == 2:
            return self._backward_probabilities(dloss, p, *rest)
        picked, w, ignored, total = rest
        axis = class_axis(p)
        dl = self.spread(dloss, total, p.dtype)
        pull = w * dl
        if ignored is not None:
            dl, pull = np.where(ignored, 0, dl), np.where(ignored, 0, pull)  # 0 also where the mean divided by 0
        if not self.label_smoothing:
            dx = p * _each_row(pull, axis)
        else:
            share = dl * (self.label_smoothing / p.shape[axis])
            pull = pull * (1 - self.label_smoothing)
            weight = self._weight_like(p)
            total_weight = p.dtype.type(p.shape[axis]) if weight is None else weight.sum()
            dx = p * _each_row(pull + share * total_weight, axis)
            dx -= _each_row(share, axis) * (p.dtype.type(1) if weight is None else weight)
        np.put(dx, picked, dx.take(picked) - pull)
        return dx

    def _forward_probabilities(self, x: np.ndarray, target: np.ndarray) -> Any:
        self._check_probabilities(x, target)
        self.check_class_weight(x)
        axis = class_axis(x)
        logp, p = log_softmax(x, axis)
        q, weight = target, self._weight_like(x)
        if self.label_smoothing:
            q = q * (1 - self.label_smoothing) + self.label_smoothing / x.shape[axis]
        if weight is not None:
            q = q * weight
        losses = -sum_along(q, axis, logp).squeeze(axis)
        rows = x.size // max(x.shape[axis], 1)
        return self.save(self.reduce(losses, rows), p, q, rows)

    def _backward_probabilities(self, dloss: Any, p: np.ndarray, q: np.ndarray, rows: int) -> np.ndarray:
        axis = class_axis(p)
        dx = p * sum_along(q, axis)
        dx -= q
        dx *= _each_row(self.spread(dloss, rows, p.dtype), axis)
        return dx

    def _weight_like(self, x: np.ndarray) -> np.ndarray | None:
        """The class weights, in a shape that broadcasts against x."""
        return None if self.weight is None else self.weight.reshape((-1,) + (1,) * (x.ndim - 2))

    def _check_probabilities(self, x: np.ndarray, target: np.ndarray) -> None:
        check_prediction(self, x)
        if target.dtype.kind != "f":
            raise RuntimeError(
                f"{self}: a target of the input's own shape {x.shape} must be class probabilities, in floating point; "
                f"got {target.dtype}. Class labels have no class dimension."
            )
        if x.ndim == 0:
            raise IndexError(f"{self}: the input needs a class dimension, got a scalar.")
        if self.ignore_index >= 0:
            raise RuntimeError(f"{self}: ignore_index={self.ignore_index} has no meaning for class probabilities.")
        check_target(self, x, target)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, label_smoothing={self.label_smoothing}"


def _each_row(v: np.ndarray, axis: int) -> np.ndarray:
    """One number for each row, or one for all, in a shape that broadcasts along the classes."""
    return np.expand_dims(v, axis) if v.ndim else v

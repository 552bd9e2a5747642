"""CrossEntropyLoss: log-softmax and negative log-likelihood, for labels and for probabilities."""

from typing import Any

import numpy as np

from scratch.nn.activation.softmax import log_softmax
from scratch.nn.loss.loss import check_prediction, check_target, ieee
from scratch.nn.loss.nll import LabelLoss, at, class_last, class_second


class CrossEntropyLoss(LabelLoss):
    """Log-softmax and negative log-likelihood in one step.

        l_n = -Σ_c q_nc log p_nc        p = softmax(x) over the classes; q is what each class counts:
        q_nc = (1 - ε) w_n [c = y_n] + (ε / C) weight_c        for labels y; 0 in ignored rows
        q_nc = weight_c ((1 - ε) t_nc + ε / C)                 for probabilities t
        ε = label_smoothing; weight is 1 if not given; w_n = weight[y_n], 0 where y_n = ignore_index

        mean:  y = Σ l_n / Σ w_n for labels, and Σ l_n / (number of rows) for probabilities

    Shapes    x (N, C, ...) or (C,), logits; target (N, ...) or () with labels in [0, C), or of x's shape with
              probabilities; weight (C,); y () or (N, ...). C is axis 1, in a single row axis 0.
    Backward  dx_nc = (p_nc Σ_k q_nk - q_nc) dl_n
    Why       d log p_k / dx_c = [k = c] - p_c, so dl/dx_c = -q_c + p_c Σ_k q_k: the row is pulled from what it
              predicts to what it should. With one label, w = 1 and ε = 0 it is p - onehot(y).
    Saves     exp(x - max) and its sum over the classes, the target, w and what the mean divided by.
    Numerics  each row is shifted by its maximum, so nothing overflows. One exp a logit, and no one-hot
              table. With probability targets 0 times a log-probability of -inf is NaN, as in torch.
    Torch     torch.nn.CrossEntropyLoss. Smoothing uses the class weights too, while the mean still divides by the
              weights of the labels; with probabilities it does not divide by weights at all.
    Raises    IndexError for a label out of range; ValueError if the batch sizes differ; RuntimeError for other shapes
              and dtypes, for label_smoothing outside [0, 1], for probabilities together with an ignore_index >= 0.
    Source    Szegedy et al. 2015, Rethinking the Inception architecture, arXiv:1512.00567, section 7 (smoothing).
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

    @ieee
    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        if x.shape == target.shape:
            return self._forward_probabilities(x, target)
        self.check_shapes(x, target)
        self.check_class_weight(x)
        logp, e, n = log_softmax(class_last(x), -1)
        labels, w, ignored = self.label_weights(target, logp.shape[-1], x.dtype)
        losses = w * -logp[at(labels)]
        if self.label_smoothing:
            share = self.label_smoothing / logp.shape[-1]
            losses *= 1 - self.label_smoothing
            losses -= share * (logp.sum(-1) if self.weight is None else logp @ self.weight)
        if ignored is not None:
            losses = np.where(ignored, 0, losses)
        total = w.sum()
        return self.save(self.reduce(losses, total), e, n, labels, w, ignored, total)

    @ieee
    def backward(self, dloss: Any = None) -> np.ndarray:
        e, n, *rest = self.take(dloss)
        if len(rest) == 2:
            return self._backward_probabilities(dloss, e, n, *rest)
        labels, w, ignored, total = rest
        dl = self.spread(dloss, total, e.dtype)
        pull = w * dl
        if ignored is not None:
            dl, pull = np.where(ignored, 0, dl), np.where(ignored, 0, pull)  # 0 also where the mean divided by 0
        if not self.label_smoothing:
            dx = e * (pull[..., np.newaxis] / n)
        else:
            share = dl * (self.label_smoothing / e.shape[-1])
            pull = pull * (1 - self.label_smoothing)
            weight = np.ones(e.shape[-1], e.dtype) if self.weight is None else self.weight
            dx = e * ((pull + share * weight.sum())[..., np.newaxis] / n)
            dx -= share[..., np.newaxis] * weight
        dx[at(labels)] -= pull
        return class_second(dx)

    def _forward_probabilities(self, x: np.ndarray, target: np.ndarray) -> Any:
        self._check_probabilities(x, target)
        self.check_class_weight(x)
        logp, e, n = log_softmax(class_last(x), -1)
        q = class_last(target)
        if self.label_smoothing:
            q = q * (1 - self.label_smoothing) + self.label_smoothing / q.shape[-1]
        if self.weight is not None:
            q = q * self.weight
        rows = logp.size // max(logp.shape[-1], 1)
        return self.save(self.reduce(-(q * logp).sum(-1), rows), e, n, q, rows)

    def _backward_probabilities(self, dloss: Any, e: np.ndarray, n: np.ndarray, q: np.ndarray, rows: int) -> np.ndarray:
        dx = e * (q.sum(-1, keepdims=True) / n)
        dx -= q
        dx *= self.spread(dloss, rows, e.dtype)[..., np.newaxis]
        return class_second(dx)

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

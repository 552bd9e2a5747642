"""NLLLoss, and what it shares with CrossEntropyLoss: class labels, their weights, and labels to ignore."""

import math
from typing import Any

import numpy as np

from scratch.nn.loss.loss import Loss, as_weight, check_labels, check_prediction, in_range


class LabelLoss(Loss):
    """Losses of class labels: label y_n has the weight w_n = weight[y_n], and 0 if it is `ignore_index`.

        mean:  y = Σ_n l_n / Σ_n w_n

    A mean therefore does not change when every weight is doubled, or when ignored labels are added; if no weight is
    left it is 0 / 0 = NaN. The class axis is axis 1 (0 without a batch), as in an image with C channels.
    `logp.take(places(labels, logp.shape))` picks one number for each label.
    """

    weight: np.ndarray | None

    def __init__(self, weight: np.ndarray | None, ignore_index: int, reduction: str) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", as_weight(self, "weight", weight))
        self.ignore_index = ignore_index

    def label_weights(self, labels: np.ndarray, classes: int, dtype: np.dtype) -> tuple[np.ndarray, Any, Any, Any]:
        """The labels with 0 for the ignored ones, w, where they are ignored (None if nowhere), and Σ w.

        w is one 1 for all if no label is ignored and no weight given.
        """
        if 0 <= self.ignore_index < classes or not in_range(labels, classes):
            ignored = labels == self.ignore_index
            if ignored.any():
                labels = np.where(ignored, 0, labels)
                check_labels(self, labels, classes)
                weight = dtype.type(1) if self.weight is None else self.weight[labels]
                w = np.where(ignored, dtype.type(0), weight)
                return labels, w, ignored, w.sum()
            check_labels(self, labels, classes)
        if self.weight is None:
            return labels, dtype.type(1), None, dtype.type(labels.size)
        w = self.weight[labels]
        return labels, w, None, w.sum()

    def check_shapes(self, x: np.ndarray, target: np.ndarray) -> None:
        check_prediction(self, x)
        if x.ndim == 0:
            raise ValueError(f"{self}: the input needs a class dimension, got a scalar.")
        expected = x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
        if target.shape != expected:
            several = target.ndim == 1 and target.size != 1 and target.dtype.kind in "iu"
            batch_differs = target.shape[:1] != x.shape[:1] if x.ndim > 1 else several
            raise (ValueError if batch_differs else RuntimeError)(
                f"{self}: the target of an input of shape {x.shape}, classes in dimension {min(x.ndim - 1, 1)}, must "
                f"be class labels of shape {expected}, got {target.shape}."
            )
        if target.dtype != np.int64 and (target.dtype != np.uint8 or x.ndim > 2):
            raise RuntimeError(
                f"{self}: class labels must be int64{' or uint8' * (x.ndim <= 2)}, got {target.dtype}. "
                "Convert them with .astype(np.int64)."
            )

    def check_class_weight(self, x: np.ndarray) -> None:
        classes = x.shape[class_axis(x)]
        if self.weight is None:
            return
        if self.weight.shape != (classes,):
            raise RuntimeError(
                f"{self}: weight must have one number for each of the {classes} classes, got shape {self.weight.shape}."
            )
        if self.weight.dtype != x.dtype:
            raise RuntimeError(f"{self}: weight must be {x.dtype} like the input, got {self.weight.dtype}. Convert it.")

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, ignore_index={self.ignore_index}"


class NLLLoss(LabelLoss):
    """Negative log-likelihood: the log-probability of the right class, with the sign changed.

        l_n = -w_n x_n,y_n        w_n = weight[y_n], 0 where y_n = ignore_index; mean divides by Σ w_n

    Shapes    x (N, C, ...) or (C,), log-probabilities; target (N, ...) or (), labels in [0, C); weight (C,);
              y () or like target.
    Options   weight, a factor for each class; ignore_index, a class that does not count; reduction, "mean", "sum" or
              "none".
    Backward  dx_nc = -w_n dl_n if c = y_n, else 0
    Why       l_n is linear in one element of its row. The other elements only matter through the log-softmax before.
    Saves     the positions of the labels' elements, w, Σ w and x's shape.
    Numerics  exact, except for the sum. Ignored rows are not read, so NaN in them does no harm.
    Torch     torch.nn.NLLLoss; labels int64, or uint8 without further dimensions, as in torch.
    Raises    IndexError for a label out of range; ValueError if the batch sizes differ; RuntimeError for other shapes
              and dtypes.
    """

    def __init__(self, weight: np.ndarray | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, ignore_index, reduction)

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        self.check_shapes(x, target)
        self.check_class_weight(x)
        labels, w, ignored, total = self.label_weights(target, x.shape[class_axis(x)], x.dtype)
        picked = places(labels, x.shape)
        losses = w * -x.take(picked)
        if ignored is not None:
            losses = np.where(ignored, 0, losses)
        return self.save(self.reduce(losses, total), picked, w, ignored, total, x.shape)

    def backward(self, dloss: Any = None) -> np.ndarray:
        picked, w, ignored, total, shape = self.take(dloss)
        step = w * self.spread(dloss, total, w.dtype)
        if ignored is not None:
            step = np.where(ignored, 0, step)  # 0 also where the mean divided by 0
        dlogp = np.zeros(shape, w.dtype)
        np.put(dlogp, picked, -step)
        return dlogp


class NLLLoss2d(NLLLoss):
    """torch's former name of NLLLoss for images; NLLLoss takes any number of dimensions.

        loss = -Σ w_t x_t / Σ w_t        over the pixels, t the label of each

    Shapes    x (N, C, H, W), log-probabilities; target (N, H, W), labels 0 to C - 1.
    Backward  dx_t = -w_t / Σ w_t dl at the label t of each pixel, 0 elsewhere; the derivation is that of NLLLoss.
    Options   weight, a factor for each class; ignore_index, a class that does not count; reduction, "mean", "sum" or
              "none".
    """


def class_axis(x: np.ndarray) -> int:
    return min(x.ndim - 1, 1)


def places(labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The position of each label's class in a flattened (N, C, ...) or (C,) array: (N, ...), or ()."""
    if not labels.ndim:
        return labels.astype(np.int64)
    if len(shape) == 2:
        return np.arange(shape[0]) * shape[1] + labels
    n, classes, length = shape[0], shape[1], math.prod(shape[2:])
    place = (np.arange(n) * classes)[:, np.newaxis] + labels.reshape(n, length)
    place *= length
    place += np.arange(length)
    return place.reshape(labels.shape)

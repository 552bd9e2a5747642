"""LinearCrossEntropyLoss: a last layer and its cross-entropy in one module."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.linear.linear import Linear
from scratch.nn.loss.cross_entropy import CrossEntropyLoss
from scratch.random import Generator


class LinearCrossEntropyLoss(CrossEntropyLoss):
    """CrossEntropyLoss of the logits that a Linear layer makes of x.

        y = CrossEntropyLoss(Linear(x), target)

    Shapes    x (N, I) or (I,); linear.weight (C·D, I), D the product of out_features; the logits are
              (N, C, *out_features) or (C,), and the target is what CrossEntropyLoss takes for them.
              I = in_features, C = num_classes.
    Backward  dx = Linear.backward(CrossEntropyLoss.backward(dloss)), which also adds into linear.weight and bias
    Options   in_features I, num_classes C, out_features, sizes that each have C logits; bias=False leaves the linear
              layer's bias out; weight, a factor for each class; ignore_index; label_smoothing; reduction, "mean", "sum"
              or "none"; dtype of the parameters, float32 or float64; generator draws their initial values
              (None: the global one).
    Why       the chain rule; the derivations are in the two classes.
    Saves     what CrossEntropyLoss saves, and x in the linear layer.
    Numerics  those of its two parts.
    Init      that of Linear.
    Torch     torch.nn.LinearCrossEntropyLoss. Its `options` only trade time for memory and are ignored. ignore_index
              is None by default, which means -100; if it is given, probability targets are refused.
    Raises    what Linear and CrossEntropyLoss raise; RuntimeError for a weight that is not one number per class.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        dtype: DTypeLike = np.float32,
        reduction: str = "mean",
        weight: np.ndarray | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(weight, -100 if ignore_index is None else ignore_index, reduction, label_smoothing)
        if self.weight is not None and self.weight.shape != (num_classes,):
            raise RuntimeError(
                f"LinearCrossEntropyLoss: weight must have one number for each of the {num_classes} classes, "
                f"got shape {self.weight.shape}."
            )
        self.num_classes = num_classes
        if not isinstance(out_features, tuple | list) or not all(type(size) is int for size in out_features):
            raise TypeError(f"LinearCrossEntropyLoss: out_features must be a tuple of ints, got {out_features!r}.")
        if in_features < 0 or min(out_features, default=0) < 0 or num_classes < 0:
            raise RuntimeError(
                f"LinearCrossEntropyLoss: sizes must not be negative, got {in_features}, {num_classes}, {out_features}."
            )
        self.out_features = tuple(out_features)
        self.labels_only = ignore_index is not None
        self.linear = Linear(in_features, math.prod(out_features, start=num_classes), bias, dtype, generator)

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        features = self.linear.in_features
        if x.ndim not in (1, 2) or x.shape[-1] != features or (x.ndim == 1 and self.out_features):
            wanted = f"(N, {features})" if self.out_features else f"(N, {features}) or ({features},)"
            raise RuntimeError(f"{type(self).__name__}: the input must be {wanted}, got shape {x.shape}.")
        logits = self.linear(x).reshape(*x.shape[:-1], self.num_classes, *self.out_features)
        if self.labels_only and target.shape == logits.shape:
            raise RuntimeError(
                f"{type(self).__name__}: ignore_index={self.ignore_index} has no meaning for class probabilities."
            )
        return super().forward(logits, target)

    def backward(self, dloss: Any = None) -> np.ndarray:
        dlogits = super().backward(dloss)
        batch = dlogits.shape[: dlogits.ndim - 1 - len(self.out_features)]
        return self.linear.backward(dlogits.reshape(*batch, self.linear.out_features))

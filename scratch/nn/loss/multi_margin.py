"""MultiMarginLoss: the right class should score higher than every other by a margin."""

from typing import Any

import numpy as np

from scratch.nn.activation.select import keep
from scratch.nn.loss.loss import Loss, as_weight, check_labels, check_prediction
from scratch.nn.loss.nll import places
from scratch.nn.sums import sum_trailing


class MultiMarginLoss(Loss):
    """The multi-class hinge loss.

        z_nc = margin - x_n,y_n + x_nc        l_n = w_n Σ_{c ≠ y_n} max(z_nc, 0)^p / C        w_n = weight[y_n]

    Shapes    x (N, C), (C,) or (); target (N,), for a single row (1,) or (); weight (C,); y () or like target.
    Options   p, 1 or 2; margin; weight, a factor for each class; reduction, "mean", "sum" or "none".
    Backward  dz_nc = w_n p max(z_nc, 0)^(p-1) / C dl_n where z_nc > 0 and c ≠ y_n, else 0
              dx_nc = dz_nc for c ≠ y_n        dx_n,y_n = -Σ_c dz_nc
    Why       each rival inside the margin pushes its own score down and the right one up by the same amount.
    Saves     max(z, 0) with 0 at the right class, the position of that class, and w.
    Numerics  NaN is not greater than 0, so it adds nothing: in torch too.
    Torch     torch.nn.MultiMarginLoss. mean divides by the rows, regardless of the weights; labels int64 only. The mean
              of an empty batch is uninitialized memory in torch, and NaN here.
    Raises    RuntimeError for a label out of range, other shapes and dtypes; ValueError unless p is 1 or 2.
    Source    Crammer, Singer 2001, On the algorithmic implementation of multiclass kernel-based vector machines.
    """

    weight: np.ndarray | None

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: np.ndarray | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, got {p!r}.")
        self.register_buffer("weight", as_weight(self, "weight", weight))
        if self.weight is not None and self.weight.ndim != 1:
            raise ValueError(f"MultiMarginLoss: weight must have one dimension, got shape {self.weight.shape}.")
        self.p = int(p)
        self.margin = float(margin)

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        rows = check_rows(self, x)
        self._check_target(rows, target)
        labels = target.reshape(-1)
        picked = places(labels, rows.shape)
        z = rows + (self.margin - rows.take(picked))[:, np.newaxis]
        z = keep(z > 0, z)  # NaN gives 0
        np.put(z, picked, 0)
        w = np.ones(len(rows), x.dtype) if self.weight is None else self.weight[labels]
        w /= x.dtype.type(rows.shape[1])
        losses = w * sum_trailing(z, None if self.p == 1 else z)
        return self.save(self.reduce(losses.reshape(target.shape)), z, picked, w, x.shape)

    def backward(self, dloss: Any = None) -> np.ndarray:
        z, picked, w, shape = self.take(dloss)
        dl = w * self.spread(dloss, len(z), z.dtype).reshape(-1)
        dz = (z > 0).astype(z.dtype) if self.p == 1 else 2 * z
        dz *= dl[:, np.newaxis]
        np.put(dz, picked, -sum_trailing(dz))
        return dz.reshape(shape)

    def _check_target(self, rows: np.ndarray, target: np.ndarray) -> None:
        classes = rows.shape[1]
        if target.ndim > 1 or target.size != len(rows):
            raise RuntimeError(f"{self}: there must be one label for each of {len(rows)} rows, got {target.shape}.")
        if target.dtype != np.int64:
            raise RuntimeError(f"{self}: class labels must be int64, got {target.dtype}. Use .astype(np.int64).")
        check_labels(self, target, classes, RuntimeError)
        if self.weight is not None and (len(self.weight) != classes or self.weight.dtype != rows.dtype):
            raise RuntimeError(
                f"{self}: weight must be {rows.dtype} with one number for each of the {classes} classes, "
                f"got {self.weight.dtype}{list(self.weight.shape)}."
            )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, p={self.p}, margin={self.margin}"


def check_rows(loss: Loss, x: np.ndarray) -> np.ndarray:
    """The input as rows of classes: (N, C), where (C,) and () are one row."""
    check_prediction(loss, x)
    if x.ndim > 2 or (x.ndim and x.shape[-1] == 0):
        raise RuntimeError(f"{loss}: the input must be (N, classes) or (classes,), got shape {x.shape}.")
    return x.reshape(1, -1) if x.ndim < 2 else x

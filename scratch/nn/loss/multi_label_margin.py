"""MultiLabelMarginLoss: every right class should score higher than every wrong one by a margin of 1."""

from typing import Any

import numpy as np

from scratch.nn.activation.select import keep
from scratch.nn.loss.loss import Loss, check_labels
from scratch.nn.loss.multi_margin import check_rows
from scratch.nn.sums import sum_trailing


class MultiLabelMarginLoss(Loss):
    """The multi-label hinge loss. A row's right classes are its targets up to the first -1.

        z_njc = 1 - x_n,j + x_nc        l_n = Σ_{j right} Σ_{c wrong} max(z_njc, 0) / C

    Shapes    x, target (N, C), (C,) or (), the same; y () or (N,).
    Options   reduction, "mean", "sum" or "none".
    Backward  h_njc = 1 / C dl_n where z_njc > 0, j right and c wrong, else 0
              dx_nc = Σ_j h_njc for wrong c        dx_nj = -Σ_c h_njc for right j
    Why       each pair inside the margin is pushed apart, with equal force on both.
    Saves     which pairs push, the positions of the right classes j, and x's shape.
    Numerics  a table of pairs, rows by right classes by classes. NaN is not greater than 0, so it adds nothing, as in
              torch. A class listed twice counts twice, as in torch.
    Torch     torch.nn.MultiLabelMarginLoss; labels int64 only. The mean of an empty batch is uninitialized memory in
              torch, and NaN here.
    Raises    RuntimeError for a label outside [-1, C), and for other shapes and dtypes.
    """

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        rows = check_rows(self, x)
        if target.shape != x.shape and not (x.ndim == 0 and target.shape == (1,)):
            raise RuntimeError(f"{self}: the target must have the shape {x.shape} of the input, got {target.shape}.")
        if target.dtype != np.int64:
            raise RuntimeError(f"{self}: class labels must be int64, got {target.dtype}. Use .astype(np.int64).")
        check_labels(self, target + 1, rows.shape[1] + 1, RuntimeError)
        labels = target.reshape(rows.shape)
        listed = np.logical_and.accumulate(labels >= 0, axis=1)
        most = int(listed.any(axis=0).sum())
        labels, listed = np.where(listed, labels, 0)[:, :most], listed[:, :most]
        picked = np.arange(len(rows))[:, np.newaxis] * rows.shape[1] + labels
        wrong = np.bincount(picked.reshape(-1), listed.reshape(-1), rows.size).reshape(rows.shape) == 0
        z = rows[:, np.newaxis, :] + (1 - rows.take(picked))[:, :, np.newaxis]
        push = (z > 0) & listed[:, :, np.newaxis] & wrong[:, np.newaxis, :]
        losses = sum_trailing(keep(push, z).reshape(len(rows), most * rows.shape[1])) / x.dtype.type(rows.shape[1])
        return self.save(self.reduce(losses.reshape(x.shape[:-1])), push.astype(x.dtype), picked, x.shape)

    def backward(self, dloss: Any = None) -> np.ndarray:
        push, picked, shape = self.take(dloss)
        dx, dtype = push.sum(1), push.dtype
        dx -= np.bincount(picked.reshape(-1), sum_trailing(push).reshape(-1), dx.size).reshape(dx.shape).astype(dtype)
        dl = self.spread(dloss, len(dx), dtype).reshape(-1) / dtype.type(dx.shape[1])
        dx *= dl[:, np.newaxis]
        return dx.reshape(shape)

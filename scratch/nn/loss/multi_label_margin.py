"""MultiLabelMarginLoss: every right class should score higher than every wrong one by a margin of 1."""

from typing import Any

import numpy as np

from scratch.nn.loss.loss import Loss, check_labels, ieee
from scratch.nn.loss.multi_margin import check_rows


class MultiLabelMarginLoss(Loss):
    """The multi-label hinge loss. A row's right classes are its targets up to the first -1.

        z_njc = 1 - x_n,j + x_nc        l_n = Σ_{j right} Σ_{c wrong} max(z_njc, 0) / C

    Shapes    x, target (N, C), (C,) or (), the same; y () or (N,).
    Backward  h_njc = 1 / C dl_n where z_njc > 0, j right and c wrong, else 0
              dx_nc = Σ_j h_njc for wrong c        dx_nj = -Σ_c h_njc for right j
    Why       each pair inside the margin is pushed apart, with equal force on both.
    Saves     which pairs push, the right classes j, and x's shape.
    Numerics  a table of pairs, rows by right classes by classes. NaN is not greater than 0, so it adds nothing, as in
              torch. A class listed twice counts twice, as in torch.
    Torch     torch.nn.MultiLabelMarginLoss; labels int64 only. The mean of an empty batch is uninitialized memory in
              torch, and NaN here.
    Raises    RuntimeError for a label outside [-1, C), and for other shapes and dtypes.
    """

    @ieee
    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        rows = check_rows(self, x)
        if target.shape != x.shape and not (x.ndim == 0 and target.shape == (1,)):
            raise RuntimeError(f"{self}: the target must have the shape {x.shape} of the input, got {target.shape}.")
        if target.dtype != np.int64:
            raise RuntimeError(f"{self}: class labels must be int64, got {target.dtype}. Use .astype(np.int64).")
        check_labels(self, target + 1, rows.shape[1] + 1, RuntimeError)
        labels = target.reshape(rows.shape)
        listed = np.logical_and.accumulate(labels >= 0, axis=1)
        most = int(listed.sum(1).max(initial=0))
        labels, listed = np.where(listed, labels, 0)[:, :most], listed[:, :most]
        n = np.arange(len(rows))[:, np.newaxis]
        right = np.zeros(rows.shape, bool)
        np.logical_or.at(right, (n, labels), listed)
        z = 1 - rows[n, labels][:, :, np.newaxis] + rows[:, np.newaxis, :]
        push = (z > 0) & listed[:, :, np.newaxis] & ~right[:, np.newaxis, :]
        losses = np.where(push, z, 0).sum((1, 2)) / x.dtype.type(rows.shape[1])
        return self.save(self.reduce(losses.reshape(x.shape[:-1])), push, labels, x.shape, x.dtype)

    @ieee
    def backward(self, dloss: Any = None) -> np.ndarray:
        push, labels, shape, dtype = self.take(dloss)
        dx = push.sum(1, dtype=dtype)
        np.subtract.at(dx, (np.arange(len(labels))[:, np.newaxis], labels), push.sum(2, dtype=dtype))
        dl = self.spread(dloss, len(dx), dtype).reshape(-1) / dtype.type(dx.shape[1])
        dx *= dl[:, np.newaxis]
        return dx.reshape(shape)

"""Dropout of processes that share a batch: each draws the masks of the whole batch and keeps those of its part.

So all use their random streams alike, and together they drop exactly what a single process would.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import scratch
from experiments.training.devices import Share


def share_masks(network: torch.nn.Module, share: Share) -> None:
    """Let every dropout in a network of either engine draw for the whole batch. Names and parameters stay."""
    own: Any = getattr(network, "scratch_module", network)
    for module in list(own.modules()):
        sharing = SHARING.get(type(module))
        if sharing is not None:
            module.__class__, module.share = sharing, share


class TorchDropout(torch.nn.Dropout):
    """torch.nn.Dropout of the process's part (n, ...) of a batch."""

    share: Share

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return input
        whole = input.new_empty((self.share.whole, *input.shape[1:]))
        return input * whole.bernoulli_(1 - self.p).div_(1 - self.p)[self.share.own]


class TorchLSTM(torch.nn.LSTM):
    """torch.nn.LSTM, as models.recurrent builds it, layer by layer, between them dropout of the process's part."""

    share: Share

    def forward(self, input: torch.Tensor, hx: Any = None) -> Any:  # type: ignore[override]
        assert hx is None, "models.recurrent gives none"
        rows, last = input.transpose(0, 1), []
        for layer in range(self.num_layers):
            if layer and self.training and self.dropout:
                whole = rows.new_empty((len(rows), self.share.whole, rows.shape[2]))
                rows = rows * whole.bernoulli_(1 - self.dropout).div_(1 - self.dropout)[:, self.share.own]
            zero = rows.new_zeros(1, rows.shape[1], self.hidden_size)
            weights: Any = self._flat_weights[4 * layer : 4 * layer + 4]
            rows, *state = torch._VF.lstm(rows, (zero, zero), weights, True, 1, 0.0, self.training, False, False)
            last.append(state)
        h, c = (torch.cat(part) for part in zip(*last, strict=True))
        return rows.transpose(0, 1), (h, c)


class ScratchDropout(scratch.nn.Dropout):
    """scratch.nn.Dropout of the process's part (n, ...) of a batch."""

    share: Share

    def forward(self, x: np.ndarray) -> np.ndarray:
        if not self.training or self.p == 0:
            return self.save(x, None)
        whole = np.empty((self.share.whole, *x.shape[1:]), x.dtype)
        return self._drop(x, scratch.random.bernoulli_(whole, 1 - self.p)[self.share.own])


class _ScratchStepsDropout(scratch.nn.Dropout):
    """The same between the layers of an LSTM, whose rows are those of all steps (T n, H)."""

    def __init__(self, p: float, share: Share, steps: int) -> None:
        super().__init__(p)
        self.share, self.steps = share, steps

    def forward(self, x: np.ndarray) -> np.ndarray:
        if self.p == 0:
            return self.save(x, None)
        whole = np.empty((self.steps, self.share.whole, x.shape[1]), x.dtype)
        return self._drop(x, scratch.random.bernoulli_(whole, 1 - self.p)[:, self.share.own].reshape(x.shape))


class ScratchLSTM(scratch.nn.LSTM):
    """scratch.nn.LSTM, between its layers dropout of the process's part."""

    share: Share
    steps = 0

    def forward(self, x: np.ndarray, hx: Any = None) -> Any:
        self.steps = x.shape[1] if self.batch_first else len(x)
        return super().forward(x, hx)

    def new_dropout(self, p: float) -> scratch.nn.Dropout:
        return _ScratchStepsDropout(p, self.share, self.steps)


SHARING: dict[type, Any] = {
    torch.nn.Dropout: TorchDropout,
    torch.nn.LSTM: TorchLSTM,
    scratch.nn.Dropout: ScratchDropout,
    scratch.nn.LSTM: ScratchLSTM,
}

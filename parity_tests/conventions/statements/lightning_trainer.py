"""Lightning: what its Trainer does to gradients."""

from __future__ import annotations

import logging
import tempfile
from typing import Any

import torch

from parity_tests.conventions.statement import Late, Table

lightning = Late("lightning.pytorch")
TABLE = Table("Lightning")
shows = TABLE.shows


@shows(
    "accumulate_grad_batches=2 with three batches: the last step has one batch and still divides by 2. The gradients "
    "of both steps, where each batch's is 1.",
    [1.0, 0.5],
)
def partial_accumulation() -> Any:
    seen: list[float] = []

    base: Any = lightning.LightningModule

    class One(base):
        def __init__(self) -> None:
            super().__init__()
            self.theta = torch.nn.Parameter(torch.zeros(1))

        def training_step(self, batch: Any, index: int) -> Any:
            return self.theta.sum()

        def on_before_optimizer_step(self, optimizer: Any) -> None:
            assert self.theta.grad is not None
            seen.append(self.theta.grad.item())

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=1.0)

    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(3, 1)))
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            accelerator="cpu", max_epochs=1, accumulate_grad_batches=2, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
        )  # fmt: skip
        trainer.fit(One(), data)
    logging.disable(logging.NOTSET)
    return seen

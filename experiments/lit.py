"""Lightning: the data module and the one LightningModule that trains either engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import TQDMProgressBar

from experiments.data import ImageData, Part
from experiments.engines import Batches, Engine

EVALUATION_BATCH = 1000


class Images(lightning.LightningDataModule):
    """Training batches in random order, and the images that judge each epoch, in order; all in memory."""

    def __init__(self, engine: Engine, data: ImageData, judge: Part, batch_size: int, seed: int) -> None:
        super().__init__()
        self.train = engine.batches(data.train, batch_size, seed, shuffle=True)
        self.judge = engine.batches(judge, EVALUATION_BATCH, seed, shuffle=False)
        self.test = engine.batches(data.test, EVALUATION_BATCH, seed, shuffle=False)

    def train_dataloader(self) -> Batches:
        return self.train

    def val_dataloader(self) -> Batches:
        return self.judge

    def test_dataloader(self) -> Batches:
        return self.test


class LitClassifier(lightning.LightningModule):
    """A network, a loss and an optimizer; it keeps the loss of every step and the figures of every epoch.

    `judge` says what the images are that judge each epoch, "validation" or "test", and names the figures.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        criterion: torch.nn.Module,
        make_optimizer: Callable[[torch.nn.Module], torch.optim.Optimizer],
        judge: str = "test",
    ) -> None:
        super().__init__()
        self.network = network
        self.criterion = criterion
        self.make_optimizer = make_optimizer
        self.judge = judge
        self.losses: list[torch.Tensor] = []
        self.epochs: list[dict[str, float]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.make_optimizer(self.network)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        images, labels = batch
        loss = self.criterion(self.network(images), labels)
        self.losses.append(loss.detach())
        return loss

    # --- judging ----------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        self.first_step = len(self.losses)

    def on_validation_epoch_start(self) -> None:
        self.seen, self.correct, self.loss_sum = 0, 0, 0.0

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        images, labels = batch
        logits = self.network(images)
        self.seen += len(labels)
        self.correct += int((logits.argmax(1) == labels).sum())
        self.loss_sum += float(self.criterion(logits, labels)) * len(labels)

    def on_validation_epoch_end(self) -> None:
        figures = self.figures(self.judge)
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            figures["train_loss"] = float(torch.stack(self.losses[self.first_step :]).mean())
            self.epochs.append(figures)
        self.log_dict(figures)

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step

    def on_test_epoch_end(self) -> None:
        self.log_dict(self.figures("test"))

    def figures(self, name: str) -> dict[str, float]:
        return {f"{name}_loss": self.loss_sum / self.seen, f"{name}_accuracy": self.correct / self.seen}


class ProgressBar(TQDMProgressBar):
    """Lightning's bar, which says whose epoch it is."""

    def __init__(self, engine: str) -> None:
        super().__init__(refresh_rate=20)
        self.engine = engine

    def on_train_epoch_start(self, trainer: lightning.Trainer, *arguments: Any) -> None:
        super().on_train_epoch_start(trainer, *arguments)
        epoch = f"{trainer.current_epoch + 1}/{trainer.max_epochs}"
        self.train_progress_bar.set_description(f"{self.engine}, epoch {epoch}")

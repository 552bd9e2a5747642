"""Lightning: the data module and the one LightningModule that trains either engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from experiments.progress import Progress
from experiments.training.batches import Batches
from experiments.training.checkpoints import not_finite
from experiments.training.devices import Share

EVALUATION_BATCH = 1000
EVERY = 20  # steps between two moves of the bar


class Images(lightning.LightningDataModule):
    """Training batches in random order, and in order the images that judge each epoch and the test images."""

    def __init__(self, train: Batches, judge: Batches, test: Batches) -> None:
        super().__init__()
        self.train, self.judge, self.test = train, judge, test

    def train_dataloader(self) -> Batches:
        if self.trainer is not None:
            self.train.share(self.trainer.global_rank, self.trainer.world_size)
        return self.train

    def val_dataloader(self) -> Batches:
        return self.judge

    def test_dataloader(self) -> Batches:
        return self.test


class LitClassifier(lightning.LightningModule):
    """A network, a loss and an optimizer; it keeps the loss of every step and the figures of every epoch.

    `make_optimizer(network)` gives the optimizer and, or None, the schedule that is stepped after each batch.
    `judge` is the kind of images that judge each epoch, "validation" or "test", and names the figures. They are judged
    by `judging`, the loss without label smoothing. `run` identifies the run in a checkpoint. `share` receives the size
    of each batch of which this process has a part. `compute` is the network as training steps call it, for example
    compiled; by default the network itself.

    Raises    TrainingError when a loss is not finite; it names the step and the layer.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        criterion: torch.nn.Module,
        judging: torch.nn.Module,
        make_optimizer: Callable[[torch.nn.Module], tuple[torch.optim.Optimizer, Any]],
        judge: str = "test",
        run: dict[str, Any] | None = None,
        share: Share | None = None,
        compute: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.run = run
        self.share = share or Share()
        self.compute = compute or network.forward
        self.network = network
        self.criterion = criterion
        self.judging = judging
        self.make_optimizer = make_optimizer
        self.judge = judge
        self.losses: list[torch.Tensor] = []
        self.epochs: list[dict[str, float]] = []
        self.predicted: list[torch.Tensor] = []
        self.confidence: list[torch.Tensor] = []
        self.started = False

    def on_train_start(self) -> None:
        self.started = True  # everything in a checkpoint has been restored

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images)

    def configure_optimizers(self) -> Any:
        optimizer, scheduler = self.make_optimizer(self.network)
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        images, labels, *shared = batch
        if shared:
            weight, self.share.whole = shared
        logits = self.compute(images)
        if not len(labels):  # the last batch of an epoch may be too small to give every device a part
            loss = logits.sum() * 0
        else:
            loss = self.criterion(logits, labels)
        if shared:
            loss = loss * weight
        self.losses.append(self._over_all_devices(loss.detach()))
        if loss.device.type == "cpu" and not torch.isfinite(loss):  # on a GPU this is checked at checkpoints
            raise not_finite(self, images)
        return loss

    def _over_all_devices(self, loss: torch.Tensor) -> torch.Tensor:
        return self.trainer.strategy.reduce(loss, reduce_op="mean") if self.trainer.world_size > 1 else loss

    # --- judging ----------------------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        self.seen, self.correct, self.loss_sum = 0, 0, 0.0
        self.predicted, self.confidence = [], []

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        images, labels = batch
        logits = self.network(images)
        self.seen += len(labels)
        confidence, predicted = logits.softmax(1).max(1)
        self.predicted.append(predicted.cpu())
        self.confidence.append(confidence.cpu())
        self.correct += int((predicted == labels).sum())
        self.loss_sum += float(self.judging(logits, labels)) * len(labels)

    def on_validation_epoch_end(self) -> None:
        figures = self.figures(self.judge)
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            before = sum(int(figures["steps"]) for figures in self.epochs)
            losses = torch.stack(self.losses[before:])
            figures |= {"train_loss": float(losses.mean()), "steps": len(losses), "lr": self._lr()}
            self.epochs.append(figures)
        self.log_dict({name: float(value) for name, value in figures.items()}, sync_dist=True)

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step

    def on_test_epoch_end(self) -> None:
        self.log_dict(self.figures("test"), sync_dist=True)

    def figures(self, name: str) -> dict[str, float]:
        return {f"{name}_loss": self.loss_sum / self.seen, f"{name}_accuracy": self.correct / self.seen}

    def _lr(self) -> float:
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    # --- what a checkpoint remembers of the curves ------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        losses = torch.stack(self.losses) if self.losses else torch.empty(0)
        checkpoint["run"] = self.run
        checkpoint["curves"] = {"losses": losses.cpu(), "epochs": [dict(figures) for figures in self.epochs]}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        curves = checkpoint["curves"]
        self.losses = list(curves["losses"].to(self.device).unbind())
        self.epochs = curves["epochs"]


class Shown(Callback):
    """A training's progress: a bar with epoch, step, loss, accuracy and the time left, or a line after each epoch."""

    def __init__(self, engine: str, bar: bool) -> None:
        self.engine, self.bar = engine, bar

    def on_train_start(self, trainer: lightning.Trainer, module: Any) -> None:
        self.progress = Progress(f"{self.engine}, epoch", trainer.max_epochs or 0, self.bar and trainer.is_global_zero)
        self.progress.skip(len(module.epochs))
        self.accuracy = ""

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, number: int
    ) -> None:
        steps = int(trainer.num_training_batches)
        moves = (number + 1) % EVERY == 0 or number + 1 == steps
        if moves and self.progress.drawn:  # reading a loss from a GPU waits for it
            done = number % EVERY + 1
            figures = f"step {number + 1} of {steps}, loss {float(module.losses[-1]):.4f}{self.accuracy}"
            self.progress.tick(f"epoch {len(module.epochs) + 1} of {trainer.max_epochs}, {figures}", done / steps)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        judge, figures = module.judge, {name: float(value) for name, value in module.epochs[-1].items()}
        loss, accuracy = figures[f"{judge}_loss"], figures[f"{judge}_accuracy"]
        self.accuracy = f", accuracy {accuracy:.2%}"
        if not self.progress.drawn:
            self.progress.tick()
        if trainer.is_global_zero:
            text = f"training loss {figures['train_loss']:.4f}, {judge} loss {loss:.4f}, accuracy {accuracy:.2%}"
            self.progress.line(text)

    def on_train_end(self, trainer: lightning.Trainer, module: Any) -> None:
        self.progress.close()

    def on_exception(self, trainer: lightning.Trainer, module: Any, error: BaseException) -> None:
        if hasattr(self, "progress"):
            self.progress.close()

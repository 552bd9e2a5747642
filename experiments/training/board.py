"""TensorBoard, where it is installed: the loss of every step while a run trains, and its pictures when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, TensorBoardLogger

FOLDER = "tensorboard"
EVERY = 50  # steps between two readings, since reading from a GPU waits for it


def installed() -> bool:
    return find_spec("tensorboard") is not None


def logger(folder: Path, steps: int) -> Logger:
    """An engine's logger. What an earlier start wrote after its last checkpoint, at `steps`, is hidden."""
    return TensorBoardLogger(folder, name=FOLDER, version="", purge_step=steps + 1 if steps else None)


class StepLosses(Callback):
    """Writes the loss of every step, as train/loss, counted from 1 as in steps.csv."""

    def on_train_start(self, trainer: Any, module: Any) -> None:
        self.written = len(module.losses)

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if len(module.losses) - self.written >= EVERY:
            self.write(trainer, module)

    def on_train_end(self, trainer: Any, module: Any) -> None:
        self.write(trainer, module)

    def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
        if hasattr(self, "written"):
            self.write(trainer, module)

    def write(self, trainer: Any, module: Any) -> None:
        for one in trainer.loggers:
            if isinstance(one, TensorBoardLogger):
                log_losses(one.experiment, module.losses[self.written :], self.written + 1)
        self.written = len(module.losses)


def log_losses(writer: Any, losses: Sequence[Any], first: int) -> None:
    for step, loss in enumerate(losses, first):
        writer.add_scalar("train/loss", float(loss), step)


def log_pictures(folder: Path, pictures: dict[str, Path], writer: Any = None) -> None:
    """Put pictures that a run has drawn beside its curves, each under its name."""
    from PIL import Image

    if writer is None:
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(folder / FOLDER)
    for name, path in pictures.items():
        with Image.open(path, formats=("PNG",)) as picture:
            writer.add_image(name, np.asarray(picture.convert("RGB")), dataformats="HWC")
    writer.close()

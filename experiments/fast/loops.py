"""Three loops over one run: plain, Fabric's and the Trainer's. A loop launches chunks; the steps in them are the run's.

loop = LOOPS["trainer"]()
loop.adopt(run)          # before run.prepare(), which may capture the loop's own parts
loop.train(run)          # all epochs, all chunks
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning

from experiments.fast.scratch_run import ScratchRun
from experiments.fast.torch_run import Run


class Plain:
    """A Python loop."""

    def adopt(self, run: Any) -> None:
        """Install the loop's own parts for every step of the run."""

    def train(self, run: Run | ScratchRun, epochs: int | None = None, chunks: int | None = None) -> None:
        """Train for the run's epochs and chunks, or for the given numbers."""
        for _ in range(epochs or run.epochs):
            for _ in range(chunks or run.chunks):
                run.chunk()


class Fabric(Plain):
    """The same loop with Fabric's network, optimizer and backward in every step."""

    def adopt(self, run: Run) -> None:
        with quiet():
            fabric = lightning.Fabric(accelerator=_accelerator(run), devices=1)
            run.forward, run.optimizer = fabric.setup(run.network, run.optimizer)
        run.backward = fabric.backward


class Trainer(Plain):
    """Lightning's Trainer, to which a chunk is one batch."""

    def train(self, run: Run, epochs: int | None = None, chunks: int | None = None) -> None:  # type: ignore[override]
        with quiet():
            self.trainer = lightning.Trainer(
                accelerator=_accelerator(run),
                devices=1,
                max_epochs=epochs or run.epochs,
                max_steps=run.steps,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            self.trainer.fit(Chunks(run), range(chunks or run.chunks))


class Chunks(lightning.LightningModule):
    """A run as Lightning sees it: every batch is a chunk, and `global_step` counts the raw steps.

    The network and the optimizer are hidden from Lightning: when a fit ends it moves its modules to the CPU, and a
    captured graph would still read the old memory.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.run = run

    def configure_optimizers(self) -> None:
        return None

    def training_step(self, batch: Any, batch_idx: int) -> None:
        self.run.chunk()
        progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        for counted in (progress.total, progress.current):
            counted.ready += self.run.chunk_length
            counted.completed += self.run.chunk_length


LOOPS = {"plain": Plain, "fabric": Fabric, "trainer": Trainer}


def _accelerator(run: Run) -> str:
    return "gpu" if run.device.type == "cuda" else "cpu"


@contextmanager
def quiet() -> Iterator[None]:
    """Lightning without its notices."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*run with no optimizer")  # the run has its own
            warnings.filterwarnings("ignore", "GPU available but not used")  # it is not requested
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)  # Lightning's use of torch
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

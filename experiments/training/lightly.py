"""Lightning without noise: its logs, its notices, and the switches of torch that it changes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from experiments.training import board
from experiments.training.config import Config
from experiments.training.results import write_rows


class ToCsv(Logger):
    """One row for each epoch in `path`, with the columns in alphabetical order; each time the file is written anew."""

    name, version = "logs", ""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: list[dict[str, float]] = []

    @rank_zero_only
    def log_hyperparams(self, *arguments: object, **options: object) -> None:
        """The options of a run are in its config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.rows.append({**metrics, "step": len(self.rows) if step is None else step})

    @rank_zero_only
    def save(self) -> None:
        if self.rows:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            columns = sorted({name for row in self.rows for name in row})
            write_rows(self.path, tuple(columns), ([row.get(name, "") for name in columns] for row in self.rows))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.save()


def loggers(folder: Path, epochs: list[dict[str, float]], steps: int) -> list[Logger]:
    """metrics.csv with a row for each epoch, those before a resumption included, and TensorBoard's if installed.

    `steps` are those that are done before this start.
    """
    to_csv = ToCsv(folder / "logs" / "metrics.csv")
    for number, figures in enumerate(epochs):
        logged = {
            name: torch.tensor(float(value)).item() for name, value in figures.items()
        }  # as Lightning logs: float32
        to_csv.log_metrics({**logged, "epoch": number}, step=int(sum(f["steps"] for f in epochs[: number + 1])) - 1)
    return [to_csv, board.logger(folder, steps)] if board.installed() else [to_csv]


@contextmanager
def quiet_and_deterministic(config: Config) -> Iterator[None]:
    """Lightning without its notices, cuDNN without TF32 if the run is deterministic; torch's settings are restored
    afterwards.
    """
    switches = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.allow_tf32
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    torch.backends.cudnn.allow_tf32 = not config.deterministic
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* directory .* exists and is not empty")  # a resumed run's
            warnings.filterwarnings("ignore", "GPU available but not used")  # it is not asked for
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)  # Lightning's use of torch
            warnings.filterwarnings(
                "ignore", "The .grad attribute of a Tensor that is not a leaf"
            )  # torch.compile's look
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        torch.use_deterministic_algorithms(switches[0])
        torch.backends.cudnn.allow_tf32 = switches[1]

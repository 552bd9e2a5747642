"""TensorBoard's events: the loss of every step once, also after a resumption, and the pictures of a finished run.

TensorBoard itself is not among the packages of the tests: a writer that remembers stands in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import Logger

from experiments.training import board
from experiments.training.config import Config
from experiments.training.run import resume, train

CONFIG = Config(engine="scratch", hidden=(8,), epochs=2, limit_train=640)


class Writer(Logger):
    """A logger and its writer at once."""

    name, version = "tensorboard", ""

    def __init__(self, steps: int = 0) -> None:
        super().__init__()
        self.purged = steps
        self.losses: dict[int, float] = {}
        self.pictures: dict[str, tuple[int, ...]] = {}

    @property
    def experiment(self) -> Any:
        return self

    def add_scalar(self, name: str, value: float, step: int) -> None:
        assert name == "train/loss"
        assert step not in self.losses
        self.losses[step] = value

    def add_image(self, name: str, image: Any, dataformats: str) -> None:
        assert dataformats == "HWC"
        self.pictures[name] = image.shape

    def close(self) -> None:
        """Nothing is open."""

    def log_hyperparams(self, *arguments: Any, **options: Any) -> None:
        """Not looked at."""

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Not looked at."""


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Writer]]:
    made: list[Writer] = []

    def logger(folder: Path, steps: int) -> Writer:
        made.append(Writer(steps))
        return made[-1]

    def pictures(folder: Path, files: dict[str, Path]) -> None:
        log_pictures(folder, files, made[-1])

    log_pictures = board.log_pictures
    monkeypatch.setattr(board, "installed", lambda: True)
    monkeypatch.setattr(board, "logger", logger)
    monkeypatch.setattr(board, "TensorBoardLogger", Writer)
    monkeypatch.setattr(board, "log_pictures", pictures)
    return made


def test_it_has_the_loss_of_every_step_and_the_pictures(tmp_path: Path, writers: list[Writer]) -> None:
    result = train(replace(CONFIG, output=str(tmp_path / "run")))
    (writer,) = writers
    assert list(writer.losses) == [*range(1, 21)]
    assert list(writer.losses.values()) == result.runs["scratch"].losses
    assert set(writer.pictures) == {"confusion", "mistakes"}
    assert all(shape[2] == 3 and min(shape) >= 3 for shape in writer.pictures.values())


@pytest.mark.usefixtures("no_pictures_here")
def test_a_run_that_goes_on_writes_the_further_steps(tmp_path: Path, writers: list[Writer]) -> None:
    train(replace(CONFIG, output=str(tmp_path / "run")))
    resume(tmp_path / "run", epochs=3)
    first, second = writers
    assert (first.purged, second.purged) == (0, 20)
    assert list(second.losses) == [*range(21, 31)]


@pytest.mark.usefixtures("no_pictures_here")
def test_without_it_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "installed", lambda: False)
    train(replace(CONFIG, output=str(tmp_path / "run")))
    assert not (tmp_path / "run" / "scratch" / "tensorboard").exists()

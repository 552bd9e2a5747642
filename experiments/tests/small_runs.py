"""The smallest runs with everything that a folder keeps: one is in a session's fixture small_run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from experiments.cli import app
from experiments.training.config import Config
from experiments.training.outcome import EngineRun

SMALL = Config(hidden=(4,), epochs=2, limit_train=96, batch_size=32, dropout=0.2, save_every=2)
STEPS = 3  # of an epoch


def nn_parity(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def same(a: EngineRun, b: EngineRun) -> bool:
    return all(
        getattr(a, name) == getattr(b, name)
        for name in ("losses", "epochs", "batches", "predicted", "confidence", "test_loss", "test_accuracy")
    )


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

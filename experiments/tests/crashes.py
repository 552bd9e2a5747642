"""Runs of training that are stopped in the middle, and go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from experiments.training.config import Config
from experiments.training.lit import LitClassifier
from experiments.training.run import train

ENGINES = ("scratch", "torch")
# Everything that has a state: masks, moves, moments, a schedule, patience. Three epochs of 5 steps.
WITH_STATES = Config(
    epochs=3,
    hidden=(16, 12),
    dropout=0.2,
    limit_train=300,
    shift=1,
    rotate=5.0,
    scheduler="onecycle",
    lr=0.02,
    validation=0.2,
    patience=2,
    save_every=2,
)


class Crash(Exception):
    """The power is gone."""


def crash(*arguments: Any) -> None:
    raise Crash


def at_step(step: int, do: Callable[[LitClassifier], None], patch: pytest.MonkeyPatch) -> None:
    """Let something happen before one step of training, counted over all engines."""
    honest, seen = LitClassifier.training_step, []

    def training_step(self: LitClassifier, *arguments: Any) -> torch.Tensor:
        seen.append(1)
        if len(seen) == step:
            do(self)
        return honest(self, *arguments)

    patch.setattr(LitClassifier, "training_step", training_step)


def crashed(config: Config, step: int, **options: Any) -> None:
    """Begin a run that crashes before one of its steps."""
    with pytest.MonkeyPatch.context() as patch:
        at_step(step, crash, patch)
        with pytest.raises(Crash):
            train(config, **options)

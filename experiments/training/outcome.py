"""The outcome of a run: the figures of each engine, and how two engines compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from experiments.training.config import Config

VISIBLE = 1e-5  # a relative difference of the losses that is visible
FIRST = 100  # the first steps, before rounding has grown


@dataclass
class EngineRun:
    """The outcome of one engine."""

    engine: str
    losses: list[float] = field(repr=False)
    epochs: list[dict[str, float]]
    test_loss: float
    test_accuracy: float
    seconds: float  # since the start, or since the run was resumed
    initial_weights: str  # sha256
    batches: list[str]  # for each epoch a fingerprint of its training batches, in order
    checkpoint: Path
    predicted: list[int] = field(repr=False)  # the class of every test image
    confidence: list[float] = field(repr=False)  # the probability that the network gives it

    compiled: dict[str, Any] | None = None  # what torch.compile compiled and what not

    LISTS = ("losses", "predicted", "confidence")  # written to files of their own

    def figures(self, output: Path) -> dict[str, Any]:
        values = {name: value for name, value in asdict(self).items() if name not in self.LISTS}
        return values | {"checkpoint": str(self.checkpoint.relative_to(output)), "steps": len(self.losses)}


@dataclass
class Comparison:
    """Two runs from one seed. The bits must be equal; the losses are equal up to rounding.

    In float32 a ReLU whose input lies within a rounding of zero can be on for one engine and off for the other. At that
    step the losses jump apart; in float64 this is 10^9 times rarer.
    """

    same_initial_weights: bool
    same_batches: bool
    largest_difference_first_100: float
    largest_difference: float
    first_visible_step: int | None  # where the losses first differ by more than 1e-5

    @property
    def ok(self) -> bool:
        return self.same_initial_weights and self.same_batches


@dataclass
class RunResult:
    """A finished run: its folder holds config.yaml, metrics.json, curves.png and a folder for each engine."""

    config: Config
    output: Path
    runs: dict[str, EngineRun]
    comparison: Comparison | None = None

    @property
    def ok(self) -> bool:
        return self.comparison is None or self.comparison.ok


def relative_difference(a: Sequence[float], b: Sequence[float]) -> np.ndarray:
    """|a - b| / |b|, step by step, over the steps that both have; 0 where both are 0."""
    steps = min(len(a), len(b))
    x, y = np.asarray(a[:steps], np.float64), np.asarray(b[:steps], np.float64)
    return np.abs(x - y) / np.maximum(np.abs(y), np.finfo(np.float64).tiny)


def compare(a: EngineRun, b: EngineRun) -> Comparison:
    difference = relative_difference(a.losses, b.losses)
    visible = np.flatnonzero(difference > VISIBLE)
    return Comparison(
        same_initial_weights=a.initial_weights == b.initial_weights,
        same_batches=all(x == y for x, y in zip(a.batches, b.batches, strict=False)),  # one may have stopped earlier
        largest_difference_first_100=float(difference[:FIRST].max()),
        largest_difference=float(difference.max()),
        first_visible_step=int(visible[0]) + 1 if len(visible) else None,
    )

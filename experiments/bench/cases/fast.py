"""The loops of experiments.fast on the CPU: the recipe "mlp" by scratch, and by torch in a plain loop, Fabric, Trainer.

Every measurement is one epoch from the next seed. On a GPU `python -m experiments.fast benchmark` measures the loops.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.bench.case import Case, Work
from experiments.bench.cases.mnist import SIDE, SYNTHETIC, synthetic
from experiments.training.data import DATA_DIR, ImageData, Part, mnist

RECIPE = "mlp"


def cases(quick: bool) -> list[Case]:
    rounds, count = (1, 1000) if quick else (5, 10000)
    return [
        Case(
            f"recipe {RECIPE}, an epoch of {count} images, 1 thread",
            "fast",
            ("scratch", "torch plain", "torch fabric", "torch trainer"),
            {"count": count},
            rounds=rounds,
            seconds=0,
            judged=True,
        )
    ]


def prepare(engine: str, count: int) -> Work:
    return Loop(engine, count)


class Loop(Work):
    """One engine in one loop."""

    def __init__(self, engine: str, count: int) -> None:
        from experiments.fast.measure import make_run
        from experiments.fast.recipe import RECIPES

        library, _, loop = engine.partition(" ")
        self.source, self.data = images(count)
        recipe = replace(RECIPES[RECIPE], epochs=1)
        self.run, self.driver, _ = make_run(recipe, self.data.train, loop or "plain", "cpu", "32", library)
        self.seed = 0

    def measure(self, seconds: float) -> dict[str, float]:
        from experiments.fast.measure import train

        self.seed += 1
        return {"epoch": train(self.run, self.driver, self.seed)}

    def accuracy(self) -> float:
        return self.run.accuracy(self.data.test)

    def facts(self) -> dict[str, Any]:
        return {"data": self.source}


def images(count: int) -> tuple[str, ImageData]:
    """The first images of MNIST where NN_PARITY_DATA names its folder, else similar images; bytes in both cases."""
    if os.environ.get(DATA_DIR):
        data = mnist()
        return "MNIST", data._replace(train=Part(data.train.images[:count], data.train.labels[:count]))
    fitted, judge = (_as_bytes(*synthetic(size, seed)) for seed, size in enumerate((count, 1000)))
    return SYNTHETIC, ImageData(fitted, judge)


def _as_bytes(x: np.ndarray, y: np.ndarray) -> Part:
    return Part((x * (255 / x.max())).astype(np.uint8).reshape(-1, SIDE, SIDE), y)

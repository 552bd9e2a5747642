"""One sample, a mini-batch, all samples: the same passes over the data, in many steps or in few.

    θ -= lr (1 / B) Σ dL_n/dθ        over the B samples of a batch: 1 (online), a few, or all

Each pass of n samples is n / B steps. With B = n the path is smooth; the smaller B, the more steps, and the noisier.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.articles.article import Figure, Replay
from experiments.articles.curves import TWIN_STYLES, Panel, draw
from experiments.articles.twin import Twin, on_both

SEED = 0
SAMPLES, PASSES, LR, NOISE = 128, 6, 0.05, 0.5
SIZES = {"one sample": 1, "mini-batches of 16": 16, "all 128 samples": 128}


class Descent(NamedTuple):
    """The loss over all samples before the first step and after each, and where in the passes that was."""

    passes: np.ndarray
    losses: np.ndarray


def problem() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(SAMPLES, 2))
    return x, x @ [[2.0], [-1.0]] + 3 + NOISE * rng.normal(size=(SAMPLES, 1))


def descend(twin: Twin, size: int) -> Descent:
    """Descent of one identity unit."""
    x, y = map(twin.tensor, problem())
    twin.manual_seed(SEED)
    net, criterion = twin.lib.nn.Linear(2, 1, **twin.factory("float64")), twin.lib.nn.MSELoss()
    for parameter in net.parameters():
        twin.lib.nn.init.zeros_(parameter)
    optimizer = twin.lib.optim.SGD(net.parameters(), lr=LR)
    losses = [twin.loss(net, criterion, x, y)]
    for _ in range(PASSES):
        for rows in twin.batches(SAMPLES, size):
            twin.step(net, criterion, optimizer, x[rows], y[rows])
            losses.append(twin.loss(net, criterion, x, y))
    return Descent(np.linspace(0, PASSES, len(losses)), np.array(losses))


def replay(found: Replay, output: Path) -> None:
    x, y = problem()
    design = np.hstack([x, np.ones((SAMPLES, 1))])
    least = float(((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).mean())
    curves: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, size in SIZES.items():
        both = on_both(lambda twin, size=size: descend(twin, size))  # type: ignore[misc]
        curves |= {f"{name}, {engine}": (path.passes, path.losses) for engine, path in both.items()}
        steps = {engine: float(len(path.losses) - 1) for engine, path in both.items()}
        ends = {engine: float(path.losses[-1]) for engine, path in both.items()}
        rough = {engine: float((np.diff(path.losses) > 0).mean()) for engine, path in both.items()}
        count = PASSES * SAMPLES // size
        smooth = ("0", 0.0, 0.0) if size == SAMPLES else ("", None, None)
        found.figures += [
            Figure.of(f"{name}: steps in {PASSES} passes", f"{count}", steps, count, count, "g"),
            Figure.of(f"{name}: loss of all samples at the end", f"at least {least:.4f}", ends, least, form=".4f"),
            Figure.of(f"{name}: steps that raise it", smooth[0], rough, smooth[1], smooth[2], ".0%"),
        ]
    labels = (
        "Online, mini-batch and full-batch descent",
        curves,
        "passes over the data",
        "mean squared error of all samples",
    )
    panel = Panel(*labels, {"yscale": "log", "xticks": range(PASSES + 1)}, TWIN_STYLES)
    caption = f"The same unit at lr {LR}: many noisy steps or few smooth ones; the bands are torch, the lines scratch."
    found.plots.append((draw(output / "batches.png", [panel]), caption))

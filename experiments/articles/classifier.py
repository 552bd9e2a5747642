"""A network that tells digits, trained by both engines from one seed: on MNIST if its folder is given, else on 8x8
digits.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Article, Figure, GradientCheck, Replay
from experiments.articles.curves import STYLES, Panel, draw
from experiments.articles.judge import same_bits
from experiments.articles.twin import TWINS, Twin, network_check, on_both
from experiments.training.data import DATA_DIR, ImageData, Part, load

SEED = 0
TRAIN, TEST = 4000, 2000  # the largest numbers of pictures
BATCH = 64
EXACT = 20  # steps in float64 that are compared
APART = 1e-12  # the largest relative difference of those losses
VISIBLE = 1e-5  # a relative difference that is visible in float32


@dataclass(frozen=True)
class Recipe:
    """The network, and how long it is trained."""

    build: Callable[[Twin, tuple[int, int], str], Any]  # the engine, the size of a picture, the dtype -> the network
    lr: float
    epochs: dict[str, int]  # by the name of the data


@dataclass
class Trained:
    """One engine's run."""

    twin: Twin
    net: Any
    losses: list[float]
    initial: np.ndarray
    order: np.ndarray  # of the pictures in all batches


def pictures(data_dir: str | Path | None) -> tuple[str, ImageData]:
    """The first pictures of MNIST if its folder is named, else the digits."""
    name = "mnist" if data_dir or os.environ.get(DATA_DIR) else "digits"
    data = load(name, data_dir)
    train, test = (Part(p.images[:n], p.labels[:n]) for p, n in ((data.train, TRAIN), (data.test, TEST)))
    return name, data._replace(train=train, test=test)


def train(
    twin: Twin, recipe: Recipe, part: Part, epochs: int, dtype: str = "float32", steps: int | None = None
) -> Trained:
    """Adam over shuffled batches, everything from SEED."""
    x, labels = twin.tensor(part.images.astype(dtype)), twin.tensor(part.labels)
    twin.manual_seed(SEED)
    net = recipe.build(twin, part.images.shape[1:], dtype)
    initial = np.concatenate([twin.array(parameter).ravel() for parameter in net.parameters()])
    optimizer, criterion = twin.lib.optim.Adam(net.parameters(), lr=recipe.lr), twin.lib.nn.CrossEntropyLoss()
    losses: list[float] = []
    order: list[np.ndarray] = []
    for _ in range(epochs):
        for rows in twin.batches(len(part.labels), BATCH):
            if len(losses) == steps:
                break
            losses.append(twin.step(net, criterion, optimizer, x[rows], labels[rows]))
            order.append(twin.array(rows))
    return Trained(twin, net, losses, initial, np.concatenate(order))


def accuracy(twin: Twin, net: Any, part: Part) -> float:
    """The share of pictures that the net classifies correctly."""
    return float((twin.predict(net, twin.tensor(part.images)).argmax(axis=1) == part.labels).mean())


def nearest_mean(data: ImageData) -> float:
    """The accuracy of the simplest answer: the digit whose mean picture is nearest."""
    train, test = (part.images.reshape(len(part.labels), -1) for part in (data.train, data.test))
    means = np.array([train[data.train.labels == digit].mean(axis=0) for digit in range(10)])
    distance = np.sum(means**2, axis=1) - 2 * test @ means.T
    return float((distance.argmin(axis=1) == data.test.labels).mean())


def apart(runs: dict[str, Trained]) -> np.ndarray:
    """|scratch - torch| / torch of the loss, step by step."""
    scratch, torch = (np.array(runs[name].losses) for name in ("scratch", "torch"))
    return np.abs(scratch - torch) / torch


def replay(
    article: Article, recipe: Recipe, output: Path, data_dir: str | Path | None, progress: Callable[[str], None]
) -> tuple[Replay, dict[str, Trained], ImageData]:
    """Train, compare, check the gradients, draw the losses; return the runs for an article's further figures."""
    found = article.start()
    name, data = pictures(data_dir)
    epochs = recipe.epochs[name]
    runs: dict[str, Trained] = {}
    for twin in TWINS:
        progress(f"training, {twin.name}")
        runs[twin.name] = train(twin, recipe, data.train, epochs)
    progress("in float64")
    exact = on_both(lambda twin: train(twin, recipe, data.train, 1, "float64", EXACT).losses)
    found.figures += figures(runs, exact, data)
    found.checks += [_check(twin, recipe, data.train) for twin in TWINS]
    what = f"{len(data.train.labels)} pictures of {name}, {epochs} epochs, {len(data.test.labels)} others for the test"
    instead = "" if name == "mnist" else " MNIST is read if --data-dir names its folder."
    found.notes.append(f"Trained on {what}.{instead}")
    caption = f"{what}: the loss by both engines, and their difference."
    found.plots.append((_draw(runs, output / "losses.png"), caption))
    return found, runs, data


def figures(runs: dict[str, Trained], exact: dict[str, list[float]], data: ImageData) -> list[Figure]:
    simple = nearest_mean(data)
    reached = {name: accuracy(run.twin, run.net, data.test) for name, run in runs.items()}
    parted = np.flatnonzero(apart(runs) > VISIBLE)
    step = str(parted[0] + 1) if len(parted) else "none"
    return [
        same_bits("initial weights", {name: run.initial for name, run in runs.items()}),
        same_bits("order of the pictures", {name: run.order for name, run in runs.items()}),
        Figure.of("loss of the last batch", "", {name: run.losses[-1] for name, run in runs.items()}),
        Figure.of("test accuracy, beside the nearest mean's", f"over {simple:.1%}", reached, simple, 1, ".1%"),
        Figure.apart(f"float64: first {EXACT} losses apart by", exact, APART),
        Figure(f"float32: first step apart by {VISIBLE:.0e}", scratch=step),
    ]


def _check(twin: Twin, recipe: Recipe, part: Part) -> GradientCheck:
    """The backward of the whole net, on a few pictures."""
    twin.manual_seed(SEED)
    net = recipe.build(twin, part.images.shape[1:], "float64")
    x, labels = twin.tensor(part.images[:4].astype("float64")), twin.tensor(part.labels[:4])
    return network_check(twin, net, twin.lib.nn.CrossEntropyLoss(), x, labels, "the whole net")


def _draw(runs: dict[str, Trained], path: Path) -> Path:
    difference = apart(runs)
    steps = np.flatnonzero(difference)  # a log axis cannot show zero
    losses = {name: run.losses for name, run in runs.items()}
    log = {"yscale": "log"}
    panels = [
        Panel("Training loss", losses, "step", "cross-entropy", log),
        Panel("Difference", {"": (steps + 1, difference[steps])}, "step", "|scratch - torch| / torch", log, STYLES[1:]),
    ]
    return draw(path, panels)

"""An LSTM that reads a picture of a digit row by row, and its accuracy after each row.

    i, f, o = σ(W x_t + U h_(t-1) + b)        g = tanh(the same with other weights)
    c_t = f c_(t-1) + i g                     h_t = o tanh(c_t)

The rows are the time steps. c keeps what has been read, up to the forget gate f: its gradient shrinks at each step by
f, which is near 1/2 at first and can learn to be near 1.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles import classifier
from experiments.articles.article import Article, Replay, quiet
from experiments.articles.curves import Panel, draw
from experiments.articles.twin import Twin
from experiments.training import models
from experiments.training.data import Part

HIDDEN = (64,)
READERS = 500  # pictures that are read row by row


def build(twin: Twin, size: tuple[int, int], dtype: str) -> Any:
    return models.recurrent(twin.lib, "LSTM", size[1], HIDDEN, **twin.factory(dtype))


def by_row(trained: classifier.Trained, part: Part) -> np.ndarray:
    """The accuracy after the first row, the second, ..."""
    height = part.images.shape[1]
    parts = (Part(part.images[:, :rows], part.labels) for rows in range(1, height + 1))
    return np.array([classifier.accuracy(trained.twin, trained.net, p) for p in parts])


RECIPE = classifier.Recipe(build, lr=5e-3, epochs={"mnist": 8, "digits": 20})


def run(output: Path, data_dir: str | Path | None = None, progress: Callable[[str], None] = quiet) -> Replay:
    found, runs, data = classifier.replay(ARTICLE, RECIPE, output, data_dir, progress)
    progress("row by row")
    few = Part(data.test.images[:READERS], data.test.labels[:READERS])
    curves = {name: by_row(trained, few) for name, trained in runs.items()}
    panel = Panel("What has been read decides", curves, "rows read", "test accuracy", {"ylim": (0, 1)})
    found.plots.append((draw(output / "rows.png", [panel]), "Accuracy of the LSTM after each row of the picture."))
    return found


ARTICLE = Article(
    name="lstm",
    title="An LSTM that reads digits row by row",
    claim="LSTMs are named as recurrent networks that remember for long; no formula is given.",
    run=run,
)

"""A small convolutional network that tells digits, and what its first filters have learned to see.

    y[o, i, j] = Σ_c Σ_kl w[o, c, k, l] x[c, i + k, j + l] + b[o]

A convolution is a layer whose neurons see a 3 by 3 window each and share their weights over the picture; pooling keeps
the largest of four neighbors. So a stroke is found wherever it is, with a few hundred weights.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles import classifier
from experiments.articles.article import Article, Replay, quiet
from experiments.articles.twin import Twin
from experiments.picture import save
from experiments.training import models
from experiments.training.data import ImageData

CHANNELS, HIDDEN = (8, 16), (64,)


def build(twin: Twin, size: tuple[int, int], dtype: str) -> Any:
    return models.cnn(twin.lib, size, CHANNELS, HIDDEN, **twin.factory(dtype))


RECIPE = classifier.Recipe(build, lr=1e-2, epochs={"mnist": 3, "digits": 15})


def run(output: Path, data_dir: str | Path | None = None, progress: Callable[[str], None] = quiet) -> Replay:
    found, runs, data = classifier.replay(ARTICLE, RECIPE, output, data_dir, progress)
    _draw(runs, data, output / "filters.png")
    caption = "The filters of the first layer, black for positive weights, and the output of each for one picture."
    found.plots.append((output / "filters.png", caption))
    return found


def _draw(runs: dict[str, classifier.Trained], data: ImageData, path: Path) -> None:
    from matplotlib.figure import Figure

    picture = data.test.images[:1]
    figure = Figure(figsize=(11, 6), layout="constrained")
    rows = figure.subplots(4, CHANNELS[0] + 1)
    for number, (name, trained) in enumerate(runs.items()):
        twin = trained.twin
        filters = twin.array(trained.net[1].weight)[:, 0]
        maps = twin.predict(trained.net[:3], twin.tensor(picture))[0]
        bound = float(np.abs(filters).max())
        top, below = rows[2 * number], rows[2 * number + 1]
        top[0].set_axis_off()
        top[0].text(0.5, 0.5, f"{name}:\nfilters", ha="center", va="center", transform=top[0].transAxes)
        below[0].imshow(picture[0], cmap="Greys")
        below[0].set_title("picture", fontsize=9)
        for channel in range(CHANNELS[0]):
            shade = top[channel + 1].imshow(filters[channel], cmap="Greys", vmin=-bound, vmax=bound)
            top[channel + 1].set_title(f"filter {channel + 1}", fontsize=9)
            below[channel + 1].imshow(maps[channel], cmap="Greys", vmin=0)
            below[channel + 1].set_title(f"map {channel + 1}", fontsize=9)
        figure.colorbar(shade, ax=list(top), label="weight", ticks=[-bound, 0, bound], format="%.2f", pad=0.01)
    for axes in rows.ravel():
        axes.set(xticks=[], yticks=[])
    figure.suptitle("First layer: filters, and the picture after filter and ReLU")
    save(figure, path)


ARTICLE = Article(
    name="cnn",
    title="A small convolutional network",
    claim="Convolutional networks are named as those that see patterns in pictures, convolution and pooling as layers.",
    run=run,
)

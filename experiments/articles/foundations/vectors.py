"""Vectors and their likeness: length, inner product, matrix product, cosine.

    a · b = Σ a_i b_i        |a| = √(a · a)        cos(a, b) = a · b / (|a| |b|)

A neuron's sum is the inner product of its weights with its input, and a layer is a matrix product: row o of W is the
weight vector of neuron o. The cosine compares directions alone: 1 for the same, 0 for a right angle, -1 for opposite.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.articles.article import Replay
from experiments.articles.foundations.evaluate import backward_checks, layer, numbers, on_both_evaluated, outputs
from experiments.articles.judge import equal_to
from experiments.picture import save
from experiments.training.data import load

A, B = np.array([3.0, 4.0, 0.0]), np.array([4.0, -3.0, 12.0])
M, N = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([[1.0, 0.0], [-1.0, 2.0], [0.5, 1.0]])


def replay(found: Replay, output: Path) -> None:
    inner = on_both_evaluated(lambda twin: layer(twin, "Linear", 3, 1, weight=[A], bias=[0.0]), B)
    length = on_both_evaluated(lambda twin: twin.lib.nn.PairwiseDistance(eps=0.0), [A, B], np.zeros((2, 3)))
    pairs = np.array([A, A, A, A]), np.array([2 * A, B, [-4.0, 3.0, 1.0], -A])
    cosine = on_both_evaluated(lambda twin: twin.lib.nn.CosineSimilarity(), *pairs)
    product = on_both_evaluated(lambda twin: layer(twin, "Linear", 3, 2, weight=M, bias=[0.0, 0.0]), N.T)
    found.figures += [
        equal_to(
            "vectors: inner product of (3, 4, 0) and (4, -3, 12), a neuron's sum", 0.0, numbers(outputs(inner), 0)
        ),
        equal_to("vectors: length of (3, 4, 0)", 5.0, numbers(outputs(length), 0)),
        equal_to("vectors: length of (4, -3, 12)", 13.0, numbers(outputs(length), 1)),
        equal_to("vectors: cosine of a vector and its double", 1.0, numbers(outputs(cosine), 0)),
        equal_to("vectors: cosine at a right angle", 0.0, numbers(outputs(cosine), 1)),
        equal_to("vectors: cosine of a vector and its opposite", -1.0, numbers(outputs(cosine), 3)),
    ]
    found.figures += [
        equal_to(f"vectors: matrix product, element {i}{j}", (M @ N)[i, j], numbers(outputs(product), (j, i)), "g")
        for i, j in ((0, 0), (1, 1))
    ]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 5))
    found.checks += backward_checks("vectors: cosine similarity", lambda twin: twin.lib.nn.CosineSimilarity(), x, y)
    _digits(found, output / "cosines.png")


def _digits(found: Replay, path: Path) -> None:
    """The cosine of every two mean digits."""
    train = load("digits", dtype="float64").train
    means = np.array([train.images[train.labels == digit].mean(axis=0).ravel() for digit in range(10)])
    values = outputs(on_both_evaluated(lambda twin: twin.lib.nn.CosineSimilarity(dim=2), means[:, None], means[None]))
    different = {name: np.where(np.eye(10, dtype=bool), -1, cosines) for name, cosines in values.items()}
    exact = means @ means.T / np.outer(np.linalg.norm(means, axis=1), np.linalg.norm(means, axis=1))
    row, column = np.unravel_index(np.argmax(different["scratch"]), (10, 10))
    found.figures.append(
        equal_to(
            f"vectors: cosine of the most alike mean digits, {min(row, column)} and {max(row, column)}",
            exact[row, column],
            numbers(different, (int(row), int(column))),
        )
    )
    _draw(values["scratch"], path)
    found.plots.append(
        (path, "Cosine similarity of the mean images of the ten digits: a first, linear idea of likeness.")
    )


def _draw(cosines: np.ndarray, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    axes = figure.subplots()
    low = float(cosines.min())
    picture = axes.imshow(cosines, cmap="Greys", vmin=low, vmax=1)
    for (i, j), value in np.ndenumerate(cosines):
        color = "white" if value > (low + 1) / 2 else "black"
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8, color=color)
    axes.set(title="Cosine of mean digits", xlabel="digit", ylabel="digit", xticks=range(10), yticks=range(10))
    figure.colorbar(picture, label="cosine similarity")
    save(figure, path)

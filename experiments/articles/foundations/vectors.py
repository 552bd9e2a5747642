"""Vectors and their likeness: length, inner product, matrix product, cosine.

    a · b = Σ a_i b_i        |a| = √(a · a)        cos(a, b) = a · b / (|a| |b|)

A neuron's sum is the inner product of its weights with its input, and a layer is a matrix product: row o of W is the
weight vector of neuron o. The cosine compares directions alone: 1 for the same, 0 for a right angle, -1 for opposite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Figure, Replay
from experiments.articles.foundations.evaluate import backward_checks, layer, numbers, on_both_evaluated, outputs
from experiments.articles.judge import equal_to
from experiments.articles.twin import SCRATCH, TWINS, Twin, on_both
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
    found.figures += _matrices()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 5))
    found.checks += backward_checks("vectors: cosine similarity", lambda twin: twin.lib.nn.CosineSimilarity(), x, y)
    _digits(found, output / "cosines.png")


def _matrices() -> list[Figure]:
    """Sums, multiples, transposes, products of matrices and vectors, and what a linear map is."""
    a, b, c, f = np.array([2.0, 1.0, 0.0]), np.array([-1.0, 3.0, 0.0]), 2.5, np.array([[1.0, 2.0], [3.0, 4.0]])
    g = np.array([[0.0, 1.0], [1.0, 1.0]])
    angle = math.acos(float(a @ b) / float(np.linalg.norm(a) * np.linalg.norm(b)))

    def equal(what: str, expected: Any, of: Callable[[Twin], Any]) -> Figure:
        """Every element of a vector or matrix of the engine."""
        both = on_both(of)
        ok = all(np.allclose(twin.array(both[twin.name]), expected, rtol=0, atol=1e-14) for twin in TWINS)
        shown = {twin.name: _row(twin.array(both[twin.name])) for twin in TWINS}
        return Figure(what, expected=_row(np.asarray(expected)), scratch=shown["scratch"], torch=shown["torch"], ok=ok)

    def on(twin: Twin, *arrays: np.ndarray) -> tuple[Any, ...]:
        return tuple(twin.tensor(array.copy()) for array in arrays)

    def crossed(twin: Twin) -> Any:
        u, v = on(twin, a, b)
        return np.cross(u, v) if twin is SCRATCH else u.cross(v, dim=0)

    def apart(twin: Twin) -> Any:
        """Additivity and homogeneity of x -> F x."""
        m, u, v = on(twin, f, a[:2], b[:2])
        return abs(m @ (u + v) - (m @ u + m @ v)).max() + abs(m @ (c * u) - c * (m @ u)).max()

    return [
        equal("(2, 1, 0) + (-1, 3, 0)", a + b, lambda t: sum(on(t, a, b)[1:], on(t, a)[0])),
        equal("2.5 times (2, 1, 0)", c * a, lambda t: c * on(t, a)[0]),
        equal("|a| |b| cos θ, the inner product again", a @ b, lambda t: on(t, a)[0] @ on(t, b)[0]),
        equal("a row times a column", [[a @ b]], lambda t: on(t, a[None])[0] @ on(t, b[:, None])[0]),
        equal("cross product of (2, 1, 0) and (-1, 3, 0)", [0, 0, 7], crossed),
        equal(
            "its length, |a| |b| sin θ: the parallelogram",
            float(np.linalg.norm(a) * np.linalg.norm(b)) * math.sin(angle),
            lambda t: (crossed(t) ** 2).sum() ** 0.5,
        ),
        equal("transpose of ((1, 2), (3, 4))", [[1, 3], [2, 4]], lambda t: on(t, f)[0].T),
        equal("((1, 2), (3, 4)) + ((0, 1), (1, 1))", f + g, lambda t: on(t, f)[0] + on(t, g)[0]),
        equal("((1, 2), (3, 4)) times (2, 1)", [4, 10], lambda t: on(t, f)[0] @ on(t, a[:2])[0]),
        equal(
            "F G for F = ((1, 2), (3, 4)), G = ((0, 1), (1, 1))", [[2, 3], [4, 7]], lambda t: on(t, f)[0] @ on(t, g)[0]
        ),
        equal("G F: another matrix", [[3, 4], [4, 6]], lambda t: on(t, g)[0] @ on(t, f)[0]),
        equal("F (u + v) - F u - F v and F (c u) - c F u: a linear map", 0.0, apart),
        equal("ranks of a number, a vector, a matrix, a batch of pictures", [0, 1, 2, 4], _ranks),
        equal("a bias as a row of ones: X W + b beside [X 1] [W; b]", 0.0, _ones),
    ]


def _ranks(twin: Twin) -> np.ndarray:
    shapes = ((), (3,), (2, 3), (5, 1, 8, 8))
    return np.array([twin.tensor(np.zeros(shape)).ndim for shape in shapes], float)


def _ones(twin: Twin) -> Any:
    """The layer, beside one product with a larger matrix."""
    x = np.random.default_rng(0).normal(size=(4, 3))
    net = layer(twin, "Linear", 3, 2)
    w, b = (twin.array(parameter) for parameter in net.parameters())
    longer = twin.tensor(np.hstack([x, np.ones((4, 1))])) @ twin.tensor(np.vstack([w.T, b]))
    return abs(twin.tensor(twin.predict(net, twin.tensor(x))) - longer).max()


def _row(values: np.ndarray) -> str:
    """A number, vector or matrix in one line."""
    if values.ndim == 0:
        return f"{float(values) + 0:.4g}"
    return "(" + ", ".join(_row(value) for value in values) + ")"


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

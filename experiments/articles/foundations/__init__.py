"""The foundations of neural networks, part by part: its explanations, computed by both engines and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from experiments.articles.article import Article, Replay, quiet, under
from experiments.articles.foundations import (
    activations,
    batches,
    boxcars,
    costs,
    deltas,
    depth,
    derivatives,
    graph,
    information,
    printed,
    probability,
    ravine,
    unit,
    vanishing,
    vectors,
    xor,
)

PARTS: dict[str, Callable[[Replay, Path], None]] = {
    "printed": printed.replay,
    "vectors": vectors.replay,
    "probability": probability.replay,
    "information": information.replay,
    "derivatives": derivatives.replay,
    "graph": graph.replay,
    "activations": activations.replay,
    "vanishing": vanishing.replay,
    "boxcars": boxcars.replay,
    "costs": costs.replay,
    "deltas": deltas.replay,
    "depth": depth.replay,
    "batches": batches.replay,
    "ravine": ravine.replay,
    "unit": unit.replay,
    "xor": xor.replay,
}

HEADINGS = {
    "printed": "The numbers that the text prints",
    "vectors": "Vectors and matrices",
    "probability": "Probability",
    "information": "Information",
    "derivatives": "Derivatives",
    "graph": "Neuron, layer, network",
    "activations": "Activations",
    "vanishing": "Vanishing gradients and dying units",
    "boxcars": "Universal approximation",
    "costs": "Costs",
    "deltas": "Backpropagation in delta form",
    "depth": "Initial weights and depth",
    "ravine": "Descent and its improvements",
    "batches": "One sample, a mini-batch, all samples",
    "unit": "One unit: perceptron, linear and logistic regression",
    "xor": "Exclusive or",
}


def run(
    output: Path,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = quiet,
    parts: Iterable[str] = tuple(PARTS),
) -> Replay:
    """All parts, or some. None needs MNIST."""
    found = ARTICLE.start()
    for part in parts:
        progress(part)
        rows, checks = len(found.figures), len(found.checks)
        PARTS[part](found, output)
        found.figures[rows:] = under(HEADINGS[part], found.figures[rows:])
        found.checks[checks:] = under(HEADINGS[part], found.checks[checks:])
    return found


ARTICLE = Article(
    name="foundations",
    title="The nuts and bolts of neural networks, part by part",
    claim=(
        "A neuron is a weighted sum and a function, a layer a matrix product, a network a graph of operations whose "
        "derivatives the chain rule gives. Gradients of sigmoids vanish with depth and ReLU units can die; one hidden "
        "layer can follow any continuous function; initial weights must suit the activation; momentum, Nesterov's "
        "momentum and Adam improve on plain descent; one unit cannot learn exclusive or."
    ),
    run=run,
)

"""The foundations of neural networks, part by part: its explanations, computed by both engines and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from experiments.articles.article import Article, Replay, quiet
from experiments.articles.foundations import (
    activations,
    boxcars,
    costs,
    deltas,
    depth,
    derivatives,
    graph,
    information,
    probability,
    ravine,
    vanishing,
    vectors,
    xor,
)

PARTS: dict[str, Callable[[Replay, Path], None]] = {
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
    "ravine": ravine.replay,
    "xor": xor.replay,
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
        PARTS[part](found, output)
    return found


ARTICLE = Article(
    name="foundations",
    title="the nuts and bolts of neural networks, part by part",
    source="The Nuts and Bolts of Neural Networks",
    claim=(
        "A neuron is a weighted sum and a function, a layer a matrix product, a network a graph of operations whose "
        "derivatives the chain rule gives. Gradients of sigmoids vanish with depth and ReLU units can die; one hidden "
        "layer can follow any continuous function; initial weights must suit the activation; momentum and Adam go down "
        "a ravine faster than plain descent; one unit cannot learn exclusive or, two layers can."
    ),
    run=run,
)

"""Initial weights and depth: how activations and gradients change through many layers.

A sum of n products w_i x_i with independent weights of mean 0 and variance s² has the variance n s² E[x²]. A ReLU keeps
half of the mean square, so L layers of n units multiply it by

    (n s² / 2)^L        and the gradient, on its way back through the same weights, likewise.

    N(0, 1)         s² = 1                   (n / 2)^L: explodes; with tanh the gradient does
    N(0, 0.01²)     s² = 0.0001              vanishes
    Xavier          s² = 2 / (in + out)      1 for units that are nearly linear, such as tanh near 0; (1/2)^L for ReLU
    He              s² = 2 / in              1 for ReLU

A uniform distribution on (-a, a) has the variance a²/3, so the uniform forms have a = s √3 and do the same. The
logarithm of the measured factor wanders: a layer's factor has a relative variance of about 5 / n.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Figure, Replay
from experiments.articles.curves import TWIN_STYLES, Panel, draw
from experiments.articles.foundations.evaluate import evaluate
from experiments.articles.judge import DEVIATIONS, same_bits
from experiments.articles.twin import Twin, on_both

SEED = 0
DEPTH, WIDTH, EXAMPLES = 30, 128, 64
SHOWN = (1e-30, 1e30)  # what the plot shows

INITS: dict[str, tuple[Callable[[Any, Any], Any], float]] = {  # how the weights are drawn, and their variance
    "N(0, 1)": (lambda init, w: init.normal_(w), 1.0),
    "N(0, 0.01²)": (lambda init, w: init.normal_(w, 0.0, 0.01), 1e-4),
    "Xavier uniform": (lambda init, w: init.xavier_uniform_(w), 1 / WIDTH),
    "Xavier normal": (lambda init, w: init.xavier_normal_(w), 1 / WIDTH),
    "He uniform": (lambda init, w: init.kaiming_uniform_(w), 2 / WIDTH),
    "He normal": (lambda init, w: init.kaiming_normal_(w), 2 / WIDTH),
}


def mean_squares(twin: Twin, init: str, activation: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean square of x and of dL/dx at every depth, each relative to where it starts; and the first weights."""
    twin.manual_seed(SEED)
    nn, make = twin.lib.nn, twin.factory("float64")
    x = twin.array(twin.random.randn(EXAMPLES, WIDTH, **make))
    dy = twin.array(twin.random.randn(EXAMPLES, WIDTH, **make))
    layers = [
        nn.Sequential(nn.Linear(WIDTH, WIDTH, bias=False, **make), getattr(nn, activation)()) for _ in range(DEPTH)
    ]
    for block in layers:
        INITS[init][0](nn.init, block[0].weight)
    weights = twin.array(layers[0][0].weight).copy()
    inputs = [x]
    for block in layers:
        inputs.append(evaluate(twin, block, inputs[-1]).output)
    gradients = [dy]
    for block, before in zip(reversed(layers), reversed(inputs[:-1]), strict=True):
        gradients.append(evaluate(twin, block, before, dy=gradients[-1]).dx)
    forwards, back = (np.array([np.mean(a * a) for a in arrays]) for arrays in (inputs, gradients))
    return forwards / forwards[0], back / back[0], weights


def replay(found: Replay, output: Path) -> None:
    wander = DEVIATIONS * math.sqrt(5 * DEPTH / WIDTH)
    curves: dict[str, dict[str, Any]] = {"ReLU": {}, "tanh": {}}
    for name, (_, variance) in INITS.items():
        runs = on_both(partial(mean_squares, init=name, activation="ReLU"))
        curves["ReLU"][name] = runs
        expected = (WIDTH * variance / 2) ** DEPTH
        for number, what in enumerate(("activations", "gradients")):
            values = {engine: float(run[number][-1]) for engine, run in runs.items()}
            bounds = expected * math.exp(-wander), expected * math.exp(wander)
            text = f"{expected:.1e}, within a factor {math.exp(wander):.0f}"
            found.figures.append(Figure.of(f"{name}, ReLU: {what} after {DEPTH} layers", text, values, *bounds, ".1e"))
        found.figures.append(same_bits(f"{name}: weights of the first layer", {e: run[2] for e, run in runs.items()}))
        runs = on_both(partial(mean_squares, init=name, activation="Tanh"))
        curves["tanh"][name] = runs
        for number, what in enumerate(("activations", "gradients")):
            values = {engine: float(run[number][-1]) for engine, run in runs.items()}
            found.figures.append(Figure.of(f"{name}, tanh: {what} after {DEPTH} layers", "", values, form=".1e"))
    _draw(found, curves, output / "depth.png")


def _draw(found: Replay, curves: dict[str, dict[str, Any]], path: Path) -> None:
    depths = np.arange(DEPTH + 1)
    panels, leaves = [], []
    for activation, of_init in curves.items():
        shown = {name: runs for name, runs in of_init.items() if "uniform" not in name}
        for number, (what, way) in enumerate((("Activations", "layers passed"), ("Gradients", "layers passed back"))):
            pairs = {f"{name}, {e}": (depths, run[number]) for name, runs in shown.items() for e, run in runs.items()}
            options = {"yscale": "log", "ylim": SHOWN}
            title = f"{what}, {activation}"
            panels.append(
                Panel(title, pairs, way, "mean square, relative", options, TWIN_STYLES, legend="outside", whole=True)
            )
            for name, runs in shown.items():
                outside = np.flatnonzero((runs["torch"][number] < SHOWN[0]) | (runs["torch"][number] > SHOWN[1]))
                leaves += [f"{name} at layer {outside[0]} ({title.lower()})"] if len(outside) else []
    draw(path, panels, columns=2)
    caption = (
        f"Mean square of activations and gradients through {DEPTH} layers of {WIDTH} units, by the initial weights. "
        f"The uniform forms lie on the normal ones. Out of the picture: {', '.join(leaves) or 'none'}."
    )
    found.plots.append((path, caption))

"""Backpropagation in delta form.

Forward, layer by layer, from a⁰ = x:      z^l = W^l a^(l-1) + b^l        a^l = σ(z^l)
The delta of a layer is what its sums do to the cost, δ^l = dC/dz^l. Then, by the chain rule,

    δ^L = dC/da^L ⊙ σ'(z^L)                        the last layer: z^L acts on the cost through a^L alone
    δ^l = (W^(l+1)^T δ^(l+1)) ⊙ σ'(z^l)            z^l acts on every sum of the next layer, with weight W^(l+1)
    dC/db^l = δ^l                                  dz/db = 1
    dC/dW^l = δ^l a^(l-1)^T                        dz_o/dW_oi = a_i

One pass forward and one back give all derivatives: the work of about three forward passes, however many weights there
are. Here with C = ½ |a^L - y|², so dC/da^L = a^L - y, for several examples at once, one a column.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Figure, GradientCheck, Replay, gradient_check
from experiments.articles.foundations.evaluate import evaluate, layer
from experiments.articles.judge import SLACK
from experiments.articles.twin import Twin, on_both
from experiments.picture import COLORS, save

SIZES = (3, 5, 4, 2)
EXAMPLES = 6

Layers = list[tuple[np.ndarray, np.ndarray]]  # (W, b), b a column


def sigma(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def forward(layers: Layers, x: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The sums z¹ ... z^L and the activations a⁰ ... a^L."""
    sums, activations = [], [x]
    for w, b in layers:
        sums.append(w @ activations[-1] + b)
        activations.append(sigma(sums[-1]))
    return sums, activations


def cost(layers: Layers, x: np.ndarray, y: np.ndarray) -> float:
    return 0.5 * float(np.sum((forward(layers, x)[1][-1] - y) ** 2))


def delta_form(layers: Layers, x: np.ndarray, y: np.ndarray) -> Layers:
    """(dC/dW, dC/db) of every layer, first layer first."""
    sums, a = forward(layers, x)
    slope = [sigma(z) * (1 - sigma(z)) for z in sums]
    delta = (a[-1] - y) * slope[-1]
    gradients = [(delta @ a[-2].T, delta.sum(axis=1, keepdims=True))]
    for l in range(len(layers) - 2, -1, -1):
        delta = (layers[l + 1][0].T @ delta) * slope[l]
        gradients.append((delta @ a[l].T, delta.sum(axis=1, keepdims=True)))
    return gradients[::-1]


def problem(seed: int = 0) -> tuple[Layers, np.ndarray, np.ndarray]:
    """A random network and random examples."""
    rng = np.random.default_rng(seed)
    layers = [(rng.normal(size=(o, i)), rng.normal(size=(o, 1))) for i, o in pairwise(SIZES)]
    return layers, rng.normal(size=(SIZES[0], EXAMPLES)), rng.uniform(size=(SIZES[-1], EXAMPLES))


def replay(found: Replay, output: Path) -> None:
    layers, x, y = problem()
    gradients = delta_form(layers, x, y)

    def network(twin: Twin) -> Any:
        parts = []
        for w, b in layers:
            parts += [layer(twin, "Linear", *reversed(w.shape), weight=w, bias=b[:, 0]), twin.lib.nn.Sigmoid()]
        return twin.lib.nn.Sequential(*parts)

    def engine_gradients(twin: Twin) -> dict[str, np.ndarray]:
        net = network(twin)
        a = evaluate(twin, net, x.T).output
        net.zero_grad()
        return evaluate(twin, net, x.T, dy=a - y.T).parameters

    engines = on_both(engine_gradients)
    for number, (dw, db) in enumerate(gradients):
        for name, formula in (("weight", dw), ("bias", db[:, 0])):
            apart = {
                engine: float(np.abs(found_[f"{2 * number}.{name}"] - formula).max() / np.abs(formula).max())
                for engine, found_ in engines.items()
            }
            what = f"delta form: layer {number + 1}, {name}, beside the engine's gradient"
            found.figures.append(Figure.of(what, f"at most {SLACK:.0e}", apart, 0, SLACK, ".1e"))
    found.checks += checks(layers, x, y, gradients)
    _draw(found, engines, gradients, output / "deltas.png")


def checks(layers: Layers, x: np.ndarray, y: np.ndarray, gradients: Layers) -> list[GradientCheck]:
    """Each gradient of the delta form against differences of the cost."""
    results = []
    for number, (parameters, gradient) in enumerate(zip(layers, gradients, strict=True)):
        for which, name in enumerate("Wb"):

            def moved(value: np.ndarray, number: int = number, which: int = which) -> float:
                changed = list(layers)
                pair = list(layers[number])
                pair[which] = value
                changed[number] = (pair[0], pair[1])
                return cost(changed, x, y)

            error = gradient_check(moved, parameters[which], gradient[which])
            results.append(GradientCheck(f"delta form: dC/d{name} of layer {number + 1}", error))
    return results


def _draw(found: Replay, engines: dict[str, dict[str, np.ndarray]], gradients: Layers, path: Path) -> None:
    from matplotlib.figure import Figure as Picture
    from matplotlib.ticker import MaxNLocator

    figure = Picture(figsize=(12, 4), layout="constrained")
    for axes, number in zip(figure.subplots(1, len(SIZES) - 1), range(len(SIZES) - 1), strict=True):
        dw = gradients[number][0].ravel()
        place = np.arange(1, len(dw) + 1)
        axes.bar(place, dw, color="0.8", label="delta form")
        for engine, mark, size in (("torch", "s", 7), ("scratch", "o", 3)):
            looks = {"marker": mark, "markersize": size, "linestyle": "", "color": COLORS[engine]}
            axes.plot(place, engines[engine][f"{2 * number}.weight"].ravel(), label=engine, **looks)
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set(title=f"Layer {number + 1}", xlabel="weight, row by row", ylabel="dC / dW")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize="small")
    save(figure, path)
    found.plots.append((path, "The gradient of every weight: by the delta form, by scratch and by torch."))

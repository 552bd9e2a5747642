"""Exclusive or: impossible for one unit, learned by two layers.

The four points (0, 0), (0, 1), (1, 0), (1, 1) have the labels 0, 1, 1, 0. A unit answers by the sign of w·x + b. It
would need b < 0, w1 + b > 0, w2 + b > 0 and w1 + w2 + b < 0; the two in the middle add up to w1 + w2 + 2 b > 0, the two
others to w1 + w2 + 2 b < 0. So it has at most three of them right.

Its cross-entropy is convex in (w, b), and at w = 0, b = 0 the gradient, the mean of (σ(0) - label) (x, 1), vanishes:
that is the minimum, where the unit answers 1/2 to everything at a loss of ln 2. Training can only end there. A hidden
layer may bend the line: with two units, OR and AND, XOR is OR without AND.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Figure, Replay
from experiments.articles.foundations.evaluate import layer
from experiments.articles.judge import equal_to
from experiments.articles.twin import TWINS, Twin, network_check, on_both
from experiments.picture import ENGINE_STYLES, save

POINTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
LABELS = np.array([[0.0], [1.0], [1.0], [0.0]])
STEPS, LR, HIDDEN, SEEDS = 400, 0.05, 4, 5
LEARNED = 0.05  # a loss at which every point has more than 80 % of the probability


def network(twin: Twin, layers: int, seed: int = 0) -> Any:
    """One unit, or two layers."""
    twin.manual_seed(seed)
    nn, make = twin.lib.nn, twin.factory("float64")
    if layers == 1:
        return nn.Sequential(nn.Linear(2, 1, **make))
    return nn.Sequential(nn.Linear(2, HIDDEN, **make), nn.Tanh(), nn.Linear(HIDDEN, 1, **make))


def learn(twin: Twin, layers: int, seed: int = 0, steps: int = STEPS) -> tuple[list[float], Any]:
    """The loss of every step, and the net."""
    net = network(twin, layers, seed)
    criterion = twin.lib.nn.BCEWithLogitsLoss()
    optimizer = twin.lib.optim.Adam(net.parameters(), lr=LR)
    x, y = twin.tensor(POINTS), twin.tensor(LABELS)
    losses = [twin.step(net, criterion, optimizer, x, y) for _ in range(steps)]
    return losses, net


def loss_of_zero(twin: Twin) -> float:
    net = network(twin, 1)
    for parameter in net.parameters():
        twin.lib.nn.init.zeros_(parameter)
    return twin.loss(net, twin.lib.nn.BCEWithLogitsLoss(), twin.tensor(POINTS), twin.tensor(LABELS))


def right(twin: Twin, net: Any) -> float:
    return float(((twin.predict(net, twin.tensor(POINTS)) > 0) == (LABELS > 0)).sum())


def by_hand(twin: Twin) -> Any:
    """OR and AND, then OR without AND."""
    k = 20.0
    return twin.lib.nn.Sequential(
        layer(twin, "Linear", 2, 2, weight=[[k, k], [k, k]], bias=[-0.5 * k, -1.5 * k]),
        twin.lib.nn.Sigmoid(),
        layer(twin, "Linear", 2, 1, weight=[[k, -k]], bias=[-0.5 * k]),
    )


def replay(found: Replay, output: Path) -> None:
    one = on_both(lambda twin: learn(twin, 1))
    two = on_both(lambda twin: learn(twin, 2))
    floor = math.log(2)
    ends = {engine: losses[-1] for engine, (losses, _) in one.items()}
    found.figures.append(Figure.of("XOR: loss of one unit, trained", f"{floor:.4f}", ends, floor, floor + 1e-3, ".4f"))
    lowest = {engine: min(losses) for engine, (losses, _) in one.items()}
    found.figures.append(
        Figure.of("XOR: its least loss in all steps", f"at least {floor:.4f}", lowest, floor - 1e-12, form=".4f")
    )
    count = on_both(lambda twin: right(twin, one[twin.name][1]))
    found.figures.append(Figure.of("XOR: points that one unit classifies correctly", "at most 3", count, 0, 3, "g"))
    flat = on_both(loss_of_zero)
    found.figures.append(equal_to("XOR: loss of the unit with weights 0", floor, flat))
    count = on_both(lambda twin: right(twin, by_hand(twin)))
    found.figures.append(Figure.of("XOR: points right with OR without AND, set by hand", "4", count, 4, 4, "g"))
    ends = {engine: losses[-1] for engine, (losses, _) in two.items()}
    found.figures.append(Figure.of("XOR: loss of two layers, trained", f"below {LEARNED}", ends, 0, LEARNED, ".1e"))
    count = on_both(lambda twin: right(twin, two[twin.name][1]))
    found.figures.append(Figure.of("XOR: points that two layers have right", "4", count, 4, 4, "g"))
    seeds = on_both(lambda twin: float(sum(learn(twin, 2, seed)[0][-1] < LEARNED for seed in range(SEEDS))))
    found.figures.append(Figure.of(f"XOR: seeds of {SEEDS} with which two layers learn it", "", seeds, form="g"))
    found.checks += [
        network_check(
            twin,
            network(twin, 2, 1),
            twin.lib.nn.BCEWithLogitsLoss(),
            twin.tensor(POINTS),
            twin.tensor(LABELS),
            "XOR: two layers",
        )
        for twin in TWINS
    ]
    _draw(found, one, two, output / "xor.png")


def _draw(found: Replay, one: dict[str, Any], two: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure as Picture

    figure = Picture(figsize=(13, 4), layout="constrained")
    curves, *surfaces = figure.subplots(1, 3)
    for what, line, runs in (("one unit", "-", one), ("two layers", "--", two)):
        for engine, style in ENGINE_STYLES.items():
            curves.plot(np.arange(1, STEPS + 1), runs[engine][0], label=f"{what}, {engine}", linestyle=line, **style)
    curves.axhline(math.log(2), color="0.4", linestyle=":", label="ln 2")
    curves.set(title="Loss", xlabel="step", ylabel="cross-entropy, nats", yscale="log")
    curves.legend(fontsize="small")
    a, b = np.meshgrid(np.linspace(-0.4, 1.4, 91), np.linspace(-0.4, 1.4, 91))
    grid = TWINS[0].tensor(np.stack([a.ravel(), b.ravel()], axis=1))
    for axes, title, (_, net) in zip(
        surfaces, ("One unit", "Two layers"), (one["scratch"], two["scratch"]), strict=True
    ):
        p = 1 / (1 + np.exp(-TWINS[0].predict(net, grid).reshape(a.shape)))
        shade = axes.pcolormesh(a, b, p, cmap="Greys", vmin=0, vmax=1, shading="auto", rasterized=True)
        if p.min() < 0.5 < p.max():
            axes.contour(a, b, p, [0.5], colors="black", linewidths=1)
        for label, marker in ((0, "o"), (1, "s")):
            points = POINTS[LABELS[:, 0] == label]
            axes.plot(*points.T, marker, color="white", markeredgecolor="black", markersize=10, label=f"label {label}")
        axes.set(title=f"{title}: probability of 1", xlabel="first input", ylabel="second input")
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    figure.colorbar(shade, ax=surfaces, label="probability")
    save(figure, path)
    found.plots.append((path, "XOR: one unit stays at ln 2 and answers 1/2 to everything; two layers learn it."))

"""Universal approximation by hand: two steep sigmoids make a box, many boxes follow any continuous function.

    box between a and b, of height c:    c σ(k (x - a)) - c σ(k (x - b)),        k large

A hidden layer of 2 n sigmoids makes n boxes and the output layer adds them. Let the boxes be w wide, with the height
of f at their middles. For steep sigmoids the sum at x is the height of x's box or, at an edge, lies between two
neighbors'. Let f change by at most S a unit. Then the error is at most S w / 2 within a box; where the next box's part
is σ(-t), at a distance of t / k from the edge, it is at most S (w/2 + σ(-t) t / k), and σ(-t) t < 0.28. So it is of
order 1 / n. No weight is learned; the point is that they exist.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Figure, Replay
from experiments.articles.curves import Panel, draw
from experiments.articles.foundations.evaluate import backward_checks, layer, on_both_evaluated, outputs
from experiments.articles.judge import equal_to
from experiments.articles.twin import Twin, on_both

BOXES = (4, 8, 16, 32, 64, 128, 256, 512)
STEEP = 200.0  # k times the width of a box
SLOPE = 0.4 * np.pi + 1.5 * np.pi  # no derivative of the target is larger
BOUND = SLOPE * (0.5 + 0.28 / STEEP)  # of the error, times the number of boxes
X = np.linspace(0, 1, 4001)


def target(x: np.ndarray) -> np.ndarray:
    return 0.2 * np.sin(2 * np.pi * x) + 0.3 * np.cos(5 * np.pi * x)


def boxcars(twin: Twin, edges: np.ndarray, heights: np.ndarray, steep: float = STEEP) -> Any:
    """X (N, 1) to the sum of the boxes (N, 1); box i from edge i to edge i + 1."""
    n = len(heights)
    k = steep / float(edges[1] - edges[0])
    rise_and_fall = np.concatenate([edges[:-1], edges[1:]])
    return twin.lib.nn.Sequential(
        layer(twin, "Linear", 1, 2 * n, weight=np.full((2 * n, 1), k), bias=-k * rise_and_fall),
        twin.lib.nn.Sigmoid(),
        layer(twin, "Linear", 2 * n, 1, weight=[np.concatenate([heights, -heights])], bias=[0.0]),
    )


def approximation(twin: Twin, n: int, steep: float = STEEP) -> Any:
    """N boxes over [0, 1], and one more on either side so that the ends of the interval lie within."""
    edges = np.arange(-1, n + 2) / n
    return boxcars(twin, edges, target((edges[:-1] + edges[1:]) / 2), steep)


def replay(found: Replay, output: Path) -> None:
    box = outputs(
        on_both_evaluated(lambda twin: boxcars(twin, np.array([0.4, 0.6]), np.array([0.7])), [[0.3], [0.5], [0.7]])
    )
    for row, (where, height) in enumerate((("left of it", 0.0), ("in its middle", 0.7), ("right of it", 0.0))):
        found.figures.append(
            equal_to(f"box of two sigmoids: {where}", height, {e: float(y[row, 0]) for e, y in box.items()})
        )
    curves = {n: outputs(on_both_evaluated(partial(approximation, n=n), X[:, None])) for n in BOXES}
    exact = target(X)
    errors = {e: np.array([np.abs(curves[n][e][:, 0] - exact).max() for n in BOXES]) for e in ("scratch", "torch")}
    for i in (0, 3, 7):
        bound = BOUND / BOXES[i]
        values = {e: float(error[i]) for e, error in errors.items()}
        found.figures.append(
            Figure.of(f"{BOXES[i]} boxes: largest error", f"at most {bound:.2g}", values, 0, bound, ".2g")
        )
    order = on_both(lambda twin: float(np.polyfit(np.log(BOXES[3:]), np.log(errors[twin.name][3:]), 1)[0]))
    found.figures.append(Figure.of("boxes: exponent of the error in their number", "-1", order, -1.05, -0.95, ".2f"))
    gentle = 5.0  # so that differences can follow it
    points = np.array([[0.24], [0.51], [0.77]])
    found.checks += backward_checks("four boxes, by x", partial(approximation, n=4, steep=gentle), points)
    text_box = outputs(on_both_evaluated(the_texts_box, [[-10.0], [0.0], [10.0]]))
    for row, (where, height) in enumerate((("at -10", 0.0), ("at 0", 1.0), ("at 10", 0.0))):
        values = {e: float(y[row, 0]) for e, y in text_box.items()}
        found.figures.append(equal_to(f"the text's box between -5 and 5: {where}", height, values))
    _draw_units(found, output / "units.png")
    _draw(found, curves, errors, output / "boxcars.png")


def the_texts_box(twin: Twin) -> Any:
    """The box of height 1 between -5 and 5, of two sigmoids."""
    return boxcars(twin, np.array([-5.0, 5.0]), np.array([1.0]))


UNITS = ((1.0, 0.0), (100.0, 0.0), (1.0, 5.0), (-1.0, 5.0))  # w and b, ours: the text's stand in a picture


def _draw_units(found: Replay, path: Path) -> None:
    """One sigmoid unit at four (w, b), which crosses 1/2 at t = -b / w, and the text's box."""
    x = np.linspace(-10, 10, 801)

    def unit(twin: Twin, w: float, b: float) -> Any:
        return twin.lib.nn.Sequential(layer(twin, "Linear", 1, 1, weight=[[w]], bias=[b]), twin.lib.nn.Sigmoid())

    panels = []
    for w, b in UNITS:
        values = outputs(on_both_evaluated(partial(unit, w=w, b=b), x[:, None]))
        middle = on_both_evaluated(partial(unit, w=w, b=b), [[-b / w]])
        half = {engine: float(value.output[0, 0]) for engine, value in middle.items()}
        found.figures.append(equal_to(f"unit of w = {w:g}, b = {b:g}, at t = -b / w", 0.5, half))
        curves = {engine: (x, y[:, 0]) for engine, y in values.items()}
        panels.append(Panel(f"w = {w:g}, b = {b:g}: t = {-b / w + 0:g}", curves, "x", "σ(w x + b)"))
    box = {engine: (x, y[:, 0]) for engine, y in outputs(on_both_evaluated(the_texts_box, x[:, None])).items()}
    panels.append(Panel("two units: the box (-5, 5)", box, "x", "σ(k (x + 5)) - σ(k (x - 5))"))
    caption = "w makes a unit steep or turns it over, b shifts it by t = -b / w; two of them make a box."
    found.plots.append((draw(path, panels, columns=3), caption))


def _draw(found: Replay, curves: dict[int, dict[str, np.ndarray]], errors: dict[str, np.ndarray], path: Path) -> None:
    n = np.array(BOXES)
    panels = [
        Panel(
            f"{count} boxes",
            {"scratch": (X, curves[count]["scratch"]), "torch": (X, curves[count]["torch"]), "target": (X, target(X))},
            "x",
            "value",
        )
        for count in (8, 32)
    ]
    sizes = {e: (n, error) for e, error in errors.items()} | {"bound": (n, BOUND / n)}
    panels.append(Panel("Largest error", sizes, "boxes", "error", {"xscale": "log", "yscale": "log"}))
    found.plots.append(
        (draw(path, panels), "A hidden layer of steep sigmoids, its weights set by hand, follows a curve.")
    )

"""Neuron, layer, network: a graph of operations, read forwards for values and backwards for derivatives.

    neuron    y = f(Σ w_i x_i + b)
    layer     y = f(W x + b): row o of W is neuron o
    network   layers one after another. Without f between them two layers are one: W2 (W1 x + b1) + b2 = (W2 W1) x + ...

Every node knows its value and the derivative of that value by each node it was made from. Backwards, a node passes to
each of them its own derivative times that one, and a node that receives several adds them: the chain rule, one edge at
a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import GradientCheck, Replay, gradient_check
from experiments.articles.foundations.evaluate import Values, evaluate, layer, numbers, on_both_evaluated, outputs
from experiments.articles.judge import equal_to
from experiments.articles.twin import TWINS, Twin, on_both
from experiments.picture import save

START = {"x1": 1.0, "x2": -2.0, "w1": 0.5, "w2": -0.25, "b": 0.1, "t": 0.2}


@dataclass(eq=False)
class Node:
    """A number, what it was made from, and the derivative by each of these."""

    name: str
    value: float
    made_from: list[tuple[Node, float]] = field(default_factory=list)
    grad: float = 0.0

    def backward(self) -> None:
        """D self / d node into every node below."""
        order = list(self._parents_first([]))
        for node in order:
            node.grad = 0.0
        self.grad = 1.0
        for node in reversed(order):
            for below, derivative in node.made_from:
                below.grad += node.grad * derivative

    def _parents_first(self, seen: list[Node]) -> Iterator[Node]:
        if not any(self is node for node in seen):
            seen.append(self)
            for below, _ in self.made_from:
                yield from below._parents_first(seen)
            yield self


def product(name: str, a: Node, b: Node) -> Node:
    return Node(name, a.value * b.value, [(a, b.value), (b, a.value)])


def total(name: str, *parts: Node) -> Node:
    return Node(name, sum(part.value for part in parts), [(part, 1.0) for part in parts])


def sigmoid(name: str, z: Node) -> Node:
    y = 1 / (1 + math.exp(-z.value))
    return Node(name, y, [(z, y * (1 - y))])


def squared_error(name: str, y: Node, t: Node) -> Node:
    e = y.value - t.value
    return Node(name, e * e, [(y, 2 * e), (t, -2 * e)])


def power(name: str, a: Node, exponent: int) -> Node:
    return Node(name, a.value**exponent, [(a, exponent * a.value ** (exponent - 1))])


def affine(name: str, a: Node, factor: float, constant: float) -> Node:
    return Node(name, factor * a.value + constant, [(a, factor)])


def parabola(x: float) -> dict[str, Node]:
    """L = 3 x² + 2, the text's example, operation by operation."""
    n = {"x": Node("x", x)}
    n["n"] = power("n = x²", n["x"], 2)
    n["m"] = affine("m = 3 n", n["n"], 3, 0)
    n["L"] = affine("L = m + 2", n["m"], 1, 2)
    n["L"].backward()
    return n


def neuron(values: dict[str, float]) -> dict[str, Node]:
    """C = (σ(w1 x1 + w2 x2 + b) - t)², with all its nodes and their derivatives."""
    n = {name: Node(name, value) for name, value in values.items()}
    n["p1"] = product("p1 = w1 x1", n["w1"], n["x1"])
    n["p2"] = product("p2 = w2 x2", n["w2"], n["x2"])
    n["z"] = total("z = p1 + p2 + b", n["p1"], n["p2"], n["b"])
    n["y"] = sigmoid("y = σ(z)", n["z"])
    n["C"] = squared_error("C = (y - t)²", n["y"], n["t"])
    n["C"].backward()
    return n


def engine_neuron(twin: Twin) -> tuple[float, Values]:
    """The same neuron of the library, and its squared error."""
    s = START
    linear = layer(twin, "Linear", 2, 1, weight=[[s["w1"], s["w2"]]], bias=[s["b"]])
    net = twin.lib.nn.Sequential(linear, twin.lib.nn.Sigmoid())
    x = np.array([s["x1"], s["x2"]])
    y = evaluate(twin, net, x).output
    cost = evaluate(twin, twin.lib.nn.MSELoss(), y, target=[s["t"]])
    net.zero_grad()
    return float(cost.output), evaluate(twin, net, x, dy=cost.dx)


def replay(found: Replay, output: Path) -> None:
    n = neuron(START)
    engines = on_both(engine_neuron)
    found.figures.append(equal_to("neuron: cost C", n["C"].value, {e: cost for e, (cost, _) in engines.items()}, ".6f"))
    places: dict[str, tuple[str, Any]] = {
        "w1": ("0.weight", (0, 0)),
        "w2": ("0.weight", (0, 1)),
        "b": ("0.bias", 0),
        "x1": ("input", 0),
        "x2": ("input", 1),
    }
    for name, (where, index) in places.items():
        arrays = {e: v.dx if where == "input" else v.parameters[where] for e, (_, v) in engines.items()}
        found.figures.append(
            equal_to(f"neuron: dC/d{name}, graph beside layers", n[name].grad, numbers(arrays, index), ".6f")
        )

    def cost(values: np.ndarray) -> float:
        return neuron(dict(zip(START, values, strict=True)))["C"].value

    error = gradient_check(cost, np.array([*START.values()]), np.array([n[name].grad for name in START]))
    found.checks.append(GradientCheck("neuron: every derivative of the graph", error))
    _layers(found)
    _draw(n, output / "graph.png")
    caption = "A neuron with its cost as a graph: each node with its value and the derivative of C by it."
    found.plots.append((output / "graph.png", caption))
    caption = "The text's L = 3 x² + 2 as a graph: at x = 2 the derivatives 1, 1, 3 and 3 times 2 x = 12."
    found.plots.append((output / "parabola_graph.png", caption))
    _parabola(found)


def _parabola(found: Replay) -> None:
    """The graph of L = 3 x² + 2 beside the engines: the squared error of 0, then a linear unit."""
    n = parabola(2.0)

    def engine(twin: Twin) -> float:
        square = evaluate(twin, twin.lib.nn.MSELoss(reduction="none"), [2.0], target=[0.0])
        line = evaluate(twin, layer(twin, "Linear", 1, 1, weight=[[3.0]], bias=[2.0]), square.output)
        return float(line.dx[0] * square.dx[0])

    found.figures.append(equal_to("L = 3 x² + 2 at x = 2: dL/dx along the graph", n["x"].grad, on_both(engine)))


def _layers(found: Replay) -> None:
    """A layer is its neurons side by side, and two linear layers are one."""
    rng = np.random.default_rng(0)
    x, w1, b1, w2, b2 = (rng.normal(size=shape) for shape in ((3,), (4, 3), (4,), (2, 4), (2,)))
    whole = on_both_evaluated(lambda twin: layer(twin, "Linear", 3, 4, weight=w1, bias=b1), x)
    alone = {
        twin.name: [
            evaluate(twin, layer(twin, "Linear", 3, 1, weight=w1[[o]], bias=b1[[o]]), x).output[0] for o in range(4)
        ]
        for twin in TWINS
    }
    apart = {engine: float(np.abs(alone[engine] - values.output).max()) for engine, values in whole.items()}
    found.figures.append(equal_to("layer: largest difference from its neurons, one by one", 0.0, apart, ".1e"))

    def stacked(twin: Twin) -> Any:
        return twin.lib.nn.Sequential(
            layer(twin, "Linear", 3, 4, weight=w1, bias=b1), layer(twin, "Linear", 4, 2, weight=w2, bias=b2)
        )

    two = outputs(on_both_evaluated(stacked, x))
    one = outputs(on_both_evaluated(lambda twin: layer(twin, "Linear", 3, 2, weight=w2 @ w1, bias=w2 @ b1 + b2), x))
    apart = {e: float(np.abs(two[e] - one[e]).max()) for e in two}
    found.figures.append(
        equal_to("network: two layers without an activation beside the one they are", 0.0, apart, ".1e")
    )


def _draw(n: dict[str, Node], path: Path) -> None:
    places: dict[str, tuple[float, float]] = {
        "x1": (0, 4), "w1": (0, 3), "x2": (0, 2), "w2": (0, 1), "b": (0, 0),
        "p1": (1.4, 3.5), "p2": (1.4, 1.5), "z": (2.9, 2), "y": (4.3, 2), "C": (5.7, 2), "t": (4.3, 0.6),
    }  # fmt: skip
    title = "A neuron as a graph; on each arrow the derivative of its end by its start"
    draw_graph(n, places, "C", title, path, (12, 5.6))
    small = parabola(2.0)
    row: dict[str, tuple[float, float]] = {key: (1.5 * number, 0.0) for number, key in enumerate(small)}
    title = "L = 3 x² + 2 at x = 2: values forwards, derivatives backwards"
    draw_graph(small, row, "L", title, path.parent / "parabola_graph.png", (9, 2.4))


def draw_graph(
    n: dict[str, Node],
    places: dict[str, tuple[float, float]],
    last: str,
    title: str,
    path: Path,
    size: tuple[float, float],
) -> None:
    """Every node at its place, with its value and the derivative of the last by it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    arrow = {"arrowstyle": "-|>", "color": "0.35", "shrinkA": 40, "shrinkB": 42}
    blank: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    box: dict[str, Any] = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": "black"}
    for key, place in places.items():
        node = n[key]
        text = f"{node.name}\nvalue {node.value:.4f}\nd{last}/d{key} {node.grad:+.4f}"
        axes.text(place[0], place[1], text, ha="center", va="center", fontsize=9, bbox=box, zorder=3)
        for below, derivative in node.made_from:
            start = places[next(name for name in places if n[name] is below)]
            axes.annotate("", place, start, arrowprops=arrow, zorder=1)
            x, y = (start[0] + place[0]) / 2, (start[1] + place[1]) / 2
            axes.text(x, y, f"{derivative:.3g}", ha="center", va="center", fontsize=8, zorder=2, bbox=blank)
    xs, ys = zip(*places.values(), strict=True)
    axes.set(xlim=(min(xs) - 0.6, max(xs) + 0.6), ylim=(min(ys) - 0.5, max(ys) + 0.5), title=title)
    axes.axis("off")
    save(figure, path)

"""Two inputs, two ReLU units, one sigmoid unit, binary cross-entropy: every derivative on the way, by name."""

from __future__ import annotations

import numpy as np

from experiments.articles.article import Figure, GradientCheck
from experiments.articles.chain import chain_findings
from experiments.articles.twin import Twin, on_both

X, Y = np.array([[0.6, -0.4]]), np.array([[1.0]])
START = {  # of the two hidden units the first is on, the second off
    "W1": np.array([[0.5, -0.3], [-0.8, 0.2]]),
    "b1": np.array([0.1, -0.1]),
    "W2": np.array([[0.7, -0.9]]),
    "b2": np.array([0.2]),
}


def loss(**moved: np.ndarray) -> float:
    """L = -y log a2 - (1 - y) log(1 - a2), with any value on the way given instead of computed."""
    at = {"x": X, **START, **moved}
    z1 = at.get("z1", at["x"] @ at["W1"].T + at["b1"])
    a1 = at.get("a1", np.maximum(z1, 0))
    z2 = at.get("z2", a1 @ at["W2"].T + at["b2"])
    a2 = at.get("a2", 1 / (1 + np.exp(-z2)))
    return float((-Y * np.log(a2) - (1 - Y) * np.log(1 - a2)).sum())


def by_hand() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Every value, and the derivative of L by it: each line uses the one above."""
    x, (W1, b1, W2, b2) = X, START.values()
    z1 = x @ W1.T + b1
    a1 = np.maximum(z1, 0)
    z2 = a1 @ W2.T + b2
    a2 = 1 / (1 + np.exp(-z2))
    da2 = (1 - Y) / (1 - a2) - Y / a2
    dz2 = da2 * a2 * (1 - a2)
    da1 = dz2 @ W2
    dz1 = da1 * (z1 > 0)
    values = {"a2": a2, "z2": z2, "W2": W2, "b2": b2, "a1": a1, "z1": z1, "W1": W1, "b1": b1, "x": x}
    first = {"a2": da2, "z2": dz2, "W2": dz2.T @ a1, "b2": dz2[0], "a1": da1, "z1": dz1}
    return values, {**first, "W1": dz1.T @ x, "b1": dz1[0], "x": dz1 @ W1}


CHAIN = {
    "dL/da2 = (1 - y) / (1 - a2) - y / a2": ("a2", (0, 0)),
    "dL/dz2 = dL/da2 a2 (1 - a2) = a2 - y": ("z2", (0, 0)),
    "dL/dw21 = dL/dz2 a11": ("W2", (0, 0)),
    "dL/dw22 = dL/dz2 a12": ("W2", (0, 1)),
    "dL/db2 = dL/dz2": ("b2", (0,)),
    "dL/da11 = dL/dz2 w21": ("a1", (0, 0)),
    "dL/da12 = dL/dz2 w22": ("a1", (0, 1)),
    "dL/dz11 = dL/da11 [z11 > 0]": ("z1", (0, 0)),
    "dL/dz12 = dL/da12 [z12 > 0]": ("z1", (0, 1)),
    "dL/dw11 = dL/dz11 x1": ("W1", (0, 0)),
    "dL/dw12 = dL/dz11 x2": ("W1", (0, 1)),
    "dL/dw13 = dL/dz12 x1": ("W1", (1, 0)),
    "dL/dw14 = dL/dz12 x2": ("W1", (1, 1)),
    "dL/db11 = dL/dz11": ("b1", (0,)),
    "dL/db12 = dL/dz12": ("b1", (1,)),
    "dL/dx1 = dL/dz11 w11 + dL/dz12 w13": ("x", (0, 0)),
    "dL/dx2 = dL/dz11 w12 + dL/dz12 w14": ("x", (0, 1)),
}


def by_engine(twin: Twin) -> dict[str, np.ndarray]:
    """The same derivatives from the engine's own layers."""
    nn, double = twin.lib.nn, twin.factory("float64")
    net = nn.Sequential(nn.Linear(2, 2, **double), nn.ReLU(), nn.Linear(2, 1, **double), nn.Sigmoid())
    for parameter, value in zip(net.parameters(), START.values(), strict=True):
        twin.array(parameter)[...] = value
    _, gradients, _ = twin.trace(net, twin.lib.nn.BCELoss(), twin.tensor(X), twin.tensor(Y))
    weights = {name: twin.array(p.grad) for name, p in zip(START, net.parameters(), strict=True)}
    return {**dict(zip(("x", "z1", "a1", "z2", "a2"), gradients, strict=True)), **weights}


def findings() -> tuple[list[Figure], list[GradientCheck]]:
    values, derivatives = by_hand()
    return chain_findings(loss, values, derivatives, on_both(by_engine), CHAIN)

"""The article's first step by hand: a 2-2-1 network guesses a tree's age from its width and length."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.articles.article import Figure, GradientCheck
from experiments.articles.chain import chain_findings
from experiments.articles.twin import Twin, on_both

LR = 0.05
TREE, AGE = np.array([[5.0, 7.0]]), np.array([[5.0]])  # width and length; age
START = {  # weights that reproduce the article's numbers, which it shows in a picture
    "W": np.array([[0.2, 0.3], [1.0, 0.6]]),
    "b": np.array([0.1, 0.1]),
    "v": np.array([[0.5, 0.5]]),
    "c": np.array([0.0]),
}


def squared_error(**moved: np.ndarray) -> float:
    """(y - age)² with y = v h + c and h = W x + b; any of x, W, b, h, v, c, y may be given instead of computed."""
    at = {"x": TREE, **START, **moved}
    h = at.get("h", at["x"] @ at["W"].T + at["b"])
    y = at.get("y", h @ at["v"].T + at["c"])
    return float(((y - AGE) ** 2).sum())


def by_hand() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The values of the chain, and the derivative of the squared error by each of them."""
    x, (W, b, v, c) = TREE, START.values()
    h = x @ W.T + b
    y = h @ v.T + c
    dy = 2 * (y - AGE)
    dh = dy @ v
    values = {"y": y, "c": c, "v": v, "h": h, "b": b, "W": W, "x": x}
    return values, {"y": dy, "c": dy[0], "v": dy.T @ h, "h": dh, "b": dh[0], "W": dh.T @ x, "x": dh @ W}


CHAIN = {  # every derivative by name: which one, and where in it
    "dL/dy = 2 (y - age)": ("y", (0, 0)),
    "dL/dc = dL/dy": ("c", (0,)),
    "dL/dv1 = dL/dy h1": ("v", (0, 0)),
    "dL/dv2 = dL/dy h2": ("v", (0, 1)),
    "dL/dh1 = dL/dy v1": ("h", (0, 0)),
    "dL/dh2 = dL/dy v2": ("h", (0, 1)),
    "dL/db1 = dL/dh1": ("b", (0,)),
    "dL/db2 = dL/dh2": ("b", (1,)),
    "dL/dw1 = dL/dh1 width": ("W", (0, 0)),
    "dL/dw2 = dL/dh1 length": ("W", (0, 1)),
    "dL/dw3 = dL/dh2 width": ("W", (1, 0)),
    "dL/dw4 = dL/dh2 length": ("W", (1, 1)),
    "dL/dwidth = dL/dh1 w1 + dL/dh2 w3": ("x", (0, 0)),
    "dL/dlength = dL/dh1 w2 + dL/dh2 w4": ("x", (0, 1)),
}


def article_net(twin: Twin, *output: Any) -> Any:
    """The 2-2-1 network at the article's weights, in float64, followed by `output`, if given."""
    nn, double = twin.lib.nn, twin.factory("float64")
    net = nn.Sequential(nn.Linear(2, 2, **double), nn.Linear(2, 1, **double), *output)
    for parameter, value in zip(net.parameters(), START.values(), strict=True):
        twin.array(parameter)[...] = value
    return net


def by_engine(twin: Twin) -> dict[str, Any]:
    """Prediction, error, every derivative, then w1 and the prediction after one step of SGD."""
    net = article_net(twin)
    optimizer = twin.lib.optim.SGD(net.parameters(), lr=LR)
    x = twin.tensor(TREE)
    values, gradients, loss = twin.trace(net, twin.lib.nn.MSELoss(), x, twin.tensor(AGE))
    derivatives = dict(zip("xhy", gradients, strict=True))
    derivatives |= {name: twin.array(p.grad).copy() for name, p in zip(START, net.parameters(), strict=True)}
    optimizer.step()
    return {
        "first": values[-1].item(),
        "error": loss,
        "derivatives": derivatives,
        "w1": twin.array(net[0].weight)[0, 0],
        "next": twin.predict(net, x).item(),
    }


def findings() -> tuple[list[Figure], list[GradientCheck]]:
    found = on_both(by_engine)
    values, derivatives = by_hand()
    figures = []
    for what, text, key in (
        ("first prediction", "6.25", "first"),
        ("squared error", "1.5625", "error"),
        ("w1 after one step of SGD", "-0.1125", "w1"),
        ("next prediction", "-3.33", "next"),
    ):
        half = 0.5 * 10.0 ** -len(text.partition(".")[2])  # of the last digit printed
        numbers = {engine: one[key] for engine, one in found.items()}
        figures.append(Figure.of(what, text, numbers, float(text) - half, float(text) + half, ".6g"))
    derivatives_found = {engine: one["derivatives"] for engine, one in found.items()}
    chain, checks = chain_findings(squared_error, values, derivatives, derivatives_found, CHAIN)
    return figures + chain, checks


def output_figures() -> list[Figure]:
    """The article's tree after ten steps: lr 0.001 finds its age; lr 0.05 kills a ReLU output with the first."""

    def after(twin: Twin, lr: float, *output: str) -> float:
        net = article_net(twin, *(getattr(twin.lib.nn, name)() for name in output))
        optimizer = twin.lib.optim.SGD(net.parameters(), lr=lr)
        x, age = twin.tensor(TREE), twin.tensor(AGE)
        for _ in range(10):
            twin.step(net, twin.lib.nn.MSELoss(), optimizer, x, age)
        return twin.predict(net, x).item()

    return [
        Figure.of("lr 0.001, identity: prediction after 10 steps", "", on_both(lambda t: after(t, 0.001)), 4.9, 5.1),
        Figure.of("lr 0.05, ReLU output: prediction after 10 steps", "", on_both(lambda t: after(t, LR, "ReLU")), 0, 0),
    ]

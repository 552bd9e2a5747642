"""The text's first step by hand: a 2-2-1 network guesses a tree's age from its width and length.

The starting weights and the learning rate stand in pictures. These are inferred from the numbers in the text, and other
sets fit as well: `fitting` counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from experiments.articles.article import Figure
from experiments.articles.judge import equal_to
from experiments.articles.twin import Twin, on_both
from experiments.articles.worked import Arrays, Worked

TITLE = "The text's worked example, its weights and η inferred"
CASE, LEVEL, SGD = (
    "Training the network: an example",
    "Upgrading the neurons to a higher level",
    "Stochastic gradient descent",
)
EXAMPLE = Worked(
    x=np.array([[5.0, 7.0]]),
    t=5.0,
    start={
        "W": np.array([[0.2, 0.3], [1.0, 0.6]]),
        "b": np.array([0.1, 0.1]),
        "V": np.array([[0.5, 0.5]]),
        "c": np.array([0.0]),
    },
    hidden="Identity",
    output="Identity",
    criterion="MSELoss",
    lr=0.05,
    names={
        "x": ("x1, the width", "x2, the length"),
        "W": ("w1", "w2", "w3", "w4"),
        "b": ("b1", "b2"),
        "z": ("h1", "h2"),
        "a": ("H1", "H2"),
        "V": ("w5", "w6"),
        "c": ("b3",),
        "s": ("s",),
        "y": ("YPrediction",),
    },
    forward={
        "a": ("H1 = w1 x1 + w2 x2 + b1", "H2 = w3 x1 + w4 x2 + b2"),
        "y": ("YPrediction = w5 H1 + w6 H2 + b3",),
        "L": ("L = (YPrediction - YTrue)², YTrue = 5",),
    },
    backward={
        "y": ("dL/dYPrediction = 2 (YPrediction - YTrue)",),
        "V": ("dL/dw5 = dL/dYPrediction H1", "dL/dw6 = dL/dYPrediction H2"),
        "c": ("dL/db3 = dL/dYPrediction",),
        "a": ("dL/dH1 = dL/dYPrediction w5", "dL/dH2 = dL/dYPrediction w6"),
        "W": ("dL/dw1 = dL/dH1 x1", "dL/dw2 = dL/dH1 x2", "dL/dw3 = dL/dH2 x1", "dL/dw4 = dL/dH2 x2"),
        "b": ("dL/db1 = dL/dH1", "dL/db2 = dL/dH2"),
        "x": ("dL/dx1 = dL/dH1 w1 + dL/dH2 w3", "dL/dx2 = dL/dH1 w2 + dL/dH2 w4"),
    },
    quoted={
        "x1, the width": ("5", CASE),
        "x2, the length": ("7", CASE),
        "YPrediction = w5 H1 + w6 H2 + b3": ("6.25", CASE),
        "L = (YPrediction - YTrue)², YTrue = 5": ("1.5625", LEVEL),
        "new w1 = w1 - η dL/dw1": ("-0.1125", SGD),
        "YPrediction with the new weights": ("-3.33", SGD),
    },
)


def fitting(lr: float = EXAMPLE.lr) -> Iterator[Arrays]:
    """Every set of starting weights with one decimal in [0, 1] that gives the text's 6.25, -0.1125 and -3.33.

    With e = 2 (6.25 - 5) and |x|² + 1 = 75, the step turns H into H - lr e w 75, the output's w into w - lr e H, b3
    into b3 - lr e. So only H1, H2, w5, w6 and b3 matter, in tenths: whole numbers, compared exactly.
    """
    e, tenths = 2 * 1.25, range(11)
    for w1, w5 in product(tenths, tenths):
        if abs(w1 / 10 - lr * e * w5 / 10 * 5 + 0.1125) > 1e-12:
            continue
        firsts = [(w2, b1, 5 * w1 + 7 * w2 + b1) for w2, b1 in product(tenths, tenths)]
        seconds: dict[int, list[tuple[int, int, int]]] = {}
        for w3, w4, b2 in product(tenths, tenths, tenths):
            seconds.setdefault(5 * w3 + 7 * w4 + b2, []).append((w3, w4, b2))
        for (w2, b1, h1), h2, w6, b3 in product(firsts, seconds, tenths, tenths):
            if w5 * h1 + w6 * h2 + 10 * b3 != 625:
                continue
            after = [(h / 10 - lr * e * w / 10 * 75) * (w / 10 - lr * e * h / 10) for h, w in ((h1, w5), (h2, w6))]
            if abs(sum(after) + b3 / 10 - lr * e + 3.33) <= 0.005:
                for w3, w4, b2 in seconds[h2]:
                    yield {
                        "W": np.array([[w1, w2], [w3, w4]]) / 10,
                        "b": np.array([b1, b2]) / 10,
                        "V": np.array([[w5, w6]]) / 10,
                        "c": np.array([b3]) / 10,
                    }


def inferred() -> list[Figure]:
    """How many starting weights give the text's numbers, each tried with both engines."""
    sets = list(fitting())

    def fit(twin: Twin) -> float:
        count = 0
        for start in sets:
            found = replace(EXAMPLE, start=start).engine(twin)
            numbers = found["values"]["y"], found["moved"]["W"], found["after"]["y"]
            count += all(
                abs(float(array.flat[0]) - printed) <= half
                for array, printed, half in zip(numbers, (6.25, -0.1125, -3.33), (0.005, 5e-5, 0.005), strict=True)
            )
        return float(count)

    what = "starting weights with one decimal in [0, 1] that give 6.25, -0.1125 and -3.33 at η = 0.05"
    return [equal_to(what, float(len(sets)), on_both(fit), "g")]


def outputs() -> list[Figure]:
    """The text's tree after ten steps: η 0.001 finds its age; η 0.05 kills a ReLU output with the first."""

    def after(twin: Twin, lr: float, output: str) -> float:
        net = replace(EXAMPLE, output=output).network(twin)
        optimizer = twin.lib.optim.SGD(net.parameters(), lr=lr)
        x, age = twin.tensor(EXAMPLE.x), twin.tensor(np.array([[EXAMPLE.t]]))
        for _ in range(10):
            twin.step(net, twin.lib.nn.MSELoss(), optimizer, x, age)
        return twin.predict(net, x).item()

    slow, dead = on_both(lambda t: after(t, 0.001, "Identity")), on_both(lambda t: after(t, EXAMPLE.lr, "ReLU"))
    return [
        Figure.of("η 0.001, identity: YPrediction after 10 steps", "4.9 to 5.1", slow, 4.9, 5.1),
        Figure.of("η 0.05, ReLU output: YPrediction after 10 steps", "0: the unit is dead", dead, 0, 0),
    ]

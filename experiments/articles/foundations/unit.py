"""One unit: the perceptron rule with its dividing line, and linear and logistic regression.

    perceptron              y = [w·x + b > 0]        w += (t - y) x        b += t - y
    linear regression       y = w·x + b              the least mean squared error
    logistic regression     y = σ(w·x + b)           the least cross-entropy

The rule changes the weights at every mistake. If a line divides the classes with a margin γ, and no point is longer
than R, there are at most (R / γ)² mistakes in all; if none does, as for exclusive or, the rule goes on for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.articles.article import Figure, Replay
from experiments.articles.foundations.xor import LABELS, POINTS
from experiments.articles.twin import Twin, on_both
from experiments.picture import save

PASSES = 60
NORMAL, MARGIN = np.array([0.6, 0.8]), 0.25  # of the line that divides the points


class Rule(NamedTuple):
    """Where the perceptron rule ends: w and b, its mistakes in every pass, and the points that are right."""

    w: np.ndarray
    b: float
    mistakes: list[int]
    right: int


def separable() -> tuple[np.ndarray, np.ndarray]:
    """Points on either side of the line NORMAL·x = 0.3, none of them nearer than MARGIN."""
    x = np.random.default_rng(0).uniform(-2, 2, size=(60, 2))
    distance = x @ NORMAL - 0.3
    return x[np.abs(distance) > MARGIN], (distance > 0)[np.abs(distance) > MARGIN].astype(float)


def perceptron(twin: Twin, x: np.ndarray, t: np.ndarray, passes: int = PASSES) -> Rule:
    """The rule, point by point, until a pass is without mistake."""
    points, w, b = twin.tensor(x), twin.tensor(np.zeros(x.shape[1])), 0.0
    mistakes: list[int] = []
    for _ in range(passes):
        mistakes.append(0)
        for point, target in zip(points, t, strict=True):
            wrong = float(target) - float((w * point).sum() + b > 0)
            if wrong:
                w, b, mistakes[-1] = w + wrong * point, b + wrong, mistakes[-1] + 1
        if not mistakes[-1]:
            break
    right = int(((twin.array(points) @ twin.array(w) + b > 0) == (t > 0)).sum())
    return Rule(twin.array(w), b, mistakes, right)


def replay(found: Replay, output: Path) -> None:
    x, t = separable()
    lengths = np.hstack([x, np.ones((len(x), 1))])
    margin = float(np.abs(x @ NORMAL - 0.3).min()) / np.sqrt(1 + 0.3**2)
    most = float((lengths**2).sum(1).max() / margin**2)
    rules = on_both(lambda twin: perceptron(twin, x, t))
    xor = on_both(lambda twin: perceptron(twin, POINTS, LABELS[:, 0]))

    def each(both: dict[str, Rule], pick: Callable[[Rule], float]) -> dict[str, float]:
        return {engine: float(pick(rule)) for engine, rule in both.items()}

    found.figures += [
        Figure.of(
            "perceptron: mistakes in all", f"at most {most:.0f}", each(rules, lambda r: sum(r.mistakes)), 1, most, "g"
        ),
        Figure.of(
            f"perceptron: of {len(t)} points right", f"{len(t)}", each(rules, lambda r: r.right), len(t), len(t), "g"
        ),
        Figure.of(
            f"perceptron on XOR: mistakes in pass {PASSES}",
            "at least 1",
            each(xor, lambda r: r.mistakes[-1]),
            1,
            form="g",
        ),
        Figure.of("perceptron on XOR: points right", "at most 3", each(xor, lambda r: r.right), 0, 3, "g"),
        *_regressions(),
    ]
    _draw(found, (x, t, rules["torch"]), (POINTS, LABELS[:, 0], xor["torch"]), output / "perceptron.png")


def _draw(found: Replay, *shown: Any) -> None:
    from matplotlib.figure import Figure as Picture

    *problems, path = shown
    figure = Picture(figsize=(9, 4), layout="constrained")
    titles = ("Separable: the rule ends", "XOR: it never does")
    for axes, (x, t, rule), title in zip(figure.subplots(1, 2), problems, titles, strict=True):
        for label, marker, color in ((0, "o", "white"), (1, "s", "0.3")):
            points = x[t == label]
            axes.plot(*points.T, marker, color=color, markeredgecolor="black", markersize=6, label=f"label {label}")
        low, high = x.min(0) - 0.4, x.max(0) + 0.4
        if np.abs(rule.w).max() > 0:
            direction = np.array([-rule.w[1], rule.w[0]]) / np.linalg.norm(rule.w)
            foot = -rule.b * rule.w / (rule.w @ rule.w)
            axes.plot(
                *np.array([foot - 9 * direction, foot + 9 * direction]).T, "k-", linewidth=1.1, label="w·x + b = 0"
            )
        axes.set(
            title=title, xlabel="first input", ylabel="second input", xlim=(low[0], high[0]), ylim=(low[1], high[1])
        )
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3)
    save(figure, path)
    found.plots.append((path, "The perceptron rule and its dividing line; scratch's is the same."))


# --- regression -------------------------------------------------------------------------------------------------------


def fitted(twin: Twin, x: np.ndarray, y: np.ndarray, criterion: str) -> np.ndarray:
    """Weights and bias of one unit at the least cost, found by the engine's L-BFGS."""
    net = twin.lib.nn.Linear(x.shape[1], 1, **twin.factory("float64"))
    for parameter in net.parameters():
        twin.lib.nn.init.zeros_(parameter)
    cost = getattr(twin.lib.nn, criterion)()
    optimizer = twin.lib.optim.LBFGS(net.parameters(), max_iter=100, tolerance_grad=1e-12, tolerance_change=1e-15)
    inputs, targets = twin.tensor(x), twin.tensor(y)

    def closure() -> float:
        optimizer.zero_grad()
        return twin.backward(net, cost, inputs, targets)

    for _ in range(3):
        optimizer.step(closure)
    return np.append(twin.array(net.weight)[0], twin.array(net.bias))


def _regressions() -> list[Figure]:
    from sklearn.linear_model import LinearRegression, LogisticRegression

    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    z = 1.5 * x[:, 0] - x[:, 1] + 0.5
    noisy, label = z + rng.normal(size=200), (z + rng.logistic(size=200) > 0).astype(float)
    linear = LinearRegression().fit(x, noisy)
    logistic = LogisticRegression(C=1e12, tol=1e-12, max_iter=1000).fit(x, label)
    rows = []
    for name, criterion, y, theirs, limit in (
        ("identity unit, MSE, beside LinearRegression", "MSELoss", noisy, [*linear.coef_, linear.intercept_], 1e-8),
        (
            "sigmoid unit, cross-entropy, beside LogisticRegression",
            "BCEWithLogitsLoss",
            label,
            [*logistic.coef_[0], logistic.intercept_[0]],
            1e-4,
        ),
    ):
        both = on_both(lambda twin, y=y, criterion=criterion: fitted(twin, x, y[:, None], criterion))  # type: ignore[misc]
        apart = {engine: float(np.abs(weights - theirs).max()) for engine, weights in both.items()}
        rows.append(Figure.of(f"{name}: weights apart by", f"at most {limit:.0e}", apart, 0, limit, ".0e"))
    return rows

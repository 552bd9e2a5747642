"""When to stop: a forest drawn from the seed, four networks, four rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.articles.article import Figure
from experiments.articles.judge import SLACK
from experiments.articles.twin import Twin, on_both

SEED = 5
TREES, HELD_BACK = 6, 12  # so few that the noise in six ages can be learned by heart
NOISE = 0.8  # years
MOST, THRESHOLD, WINDOW, ENOUGH, PATIENCE = 10_000, 0.05, 10, 0.4, 10
SHORT = 400


def forest(twin: Twin, trees: int = TREES, held_back: int = HELD_BACK, seed: int = SEED) -> tuple[Any, Any, Any, Any]:
    """Trees from the seed, sizes of mean 0 and standard deviation 1: some to learn from, the rest held back."""
    twin.manual_seed(seed)
    n, double = trees + held_back, twin.factory("float64")
    size = twin.random.randn(n, 2, **double)
    age = 5 + size @ twin.tensor(np.array([[0.6], [1.1]])) + NOISE * twin.random.randn(n, 1, **double)
    return size[:trees], age[:trees], size[trees:], age[trees:]


def net_of(twin: Twin, hidden: Sequence[int], activation: str, output: str) -> Any:
    """Widths of the hidden layers, the activation after each, and that of the output."""
    nn, double, width = twin.lib.nn, twin.factory("float64"), 2
    layers = []
    for next_width in hidden:
        layers += [nn.Linear(width, next_width, **double), getattr(nn, activation)()]
        width = next_width
    return nn.Sequential(*layers, nn.Linear(width, 1, **double), getattr(nn, output)())


NETS: dict[str, tuple[Sequence[int], str, str]] = {
    "one hidden layer, identity": ((2,), "Identity", "Identity"),
    "two hidden layers, identity": ((2, 2), "Identity", "Identity"),
    "one hidden layer, ReLU output": ((2,), "Identity", "ReLU"),
    "two hidden layers of 8 ReLU": ((8, 8), "ReLU", "Identity"),
}


@dataclass
class Curve:
    """The loss before every iteration, on the trees learned from and on those held back."""

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)


def learn(twin: Twin, net_name: str, iterations: int, lr: float = 0.02) -> Curve:
    """Gradient descent on the forest."""
    x, age, other_x, other_age = forest(twin)
    net, criterion = net_of(twin, *NETS[net_name]), twin.lib.nn.MSELoss()
    optimizer = twin.lib.optim.SGD(net.parameters(), lr=lr)
    curve = Curve()
    for _ in range(iterations):
        curve.validation.append(twin.loss(net, criterion, other_x, other_age))
        curve.train.append(twin.step(net, criterion, optimizer, x, age))
    return curve


# --- one tree at a time, as the text has it ---------------------------------------------------------------------------

WOOD, SEEDS = 100, 3  # trees, and forests of them


@dataclass(frozen=True)
class OneByOne:
    """The text's loop: one tree an iteration. Where its rule stops, the mean loss there, and the least there is."""

    stop: int
    change: float  # the median difference of two following losses before that
    mean_loss: float
    least: float


def one_by_one(twin: Twin, seed: int, lr: float = 0.02, most: int = MOST) -> OneByOne:
    """SGD on single trees until the loss of two following ones differs by less than the threshold."""
    x, age, *_ = forest(twin, WOOD, 0, seed)
    net, criterion = net_of(twin, *NETS["one hidden layer, identity"]), twin.lib.nn.MSELoss()
    optimizer = twin.lib.optim.SGD(net.parameters(), lr=lr)
    losses: list[float] = []
    while len(losses) < most:
        for row in twin.batches(WOOD, 1):
            losses.append(twin.step(net, criterion, optimizer, x[row], age[row]))
            if len(losses) > 1 and abs(losses[-1] - losses[-2]) < THRESHOLD:
                design = np.hstack([twin.array(x), np.ones((WOOD, 1))])
                rest = twin.array(age) - design @ np.linalg.lstsq(design, twin.array(age), rcond=None)[0]
                change = float(np.median(np.abs(np.diff(losses))))
                return OneByOne(len(losses), change, twin.loss(net, criterion, x, age), float((rest**2).mean()))
    raise RuntimeError(f"tree-age: no two following losses of {most} differ by less than {THRESHOLD}.")


def one_by_one_figures() -> list[Figure]:
    rows = []
    for seed in range(SEEDS):
        both = on_both(lambda twin, seed=seed: one_by_one(twin, seed))  # type: ignore[misc]
        least = both["torch"].least

        def pick(name: str, both: dict[str, OneByOne] = both) -> dict[str, float]:
            return {engine: getattr(one, name) for engine, one in both.items()}

        rows += [
            Figure.of(f"forest {seed + 1}: the rule stops at iteration", "", pick("stop"), form="d"),
            Figure.of(
                f"forest {seed + 1}: median change of the loss before", f"over {THRESHOLD}", pick("change"), 0.05
            ),
            Figure.of(
                f"forest {seed + 1}: mean loss of all trees there",
                f"{least:.4g} could be reached",
                pick("mean_loss"),
                least - SLACK,
            ),
        ]
    return rows


def slow(curve: Curve, i: int) -> bool:
    """On average over the last iterations the loss decreases by less than the threshold."""
    return i >= WINDOW and (curve.train[i - WINDOW] - curve.train[i]) / WINDOW < THRESHOLD


def good(curve: Curve, i: int) -> bool:
    return curve.train[i] <= ENOUGH


def overfitting(curve: Curve, i: int) -> bool:
    """For some iterations in a row the loss rises on the trees held back and falls on those learned from."""
    fall, rise = (np.diff(losses[max(i - PATIENCE, 0) : i + 1]) for losses in (curve.train, curve.validation))
    return len(rise) == PATIENCE and bool((fall < 0).all() and (rise > 0).all())


RULES: dict[str, Callable[[Curve, int], bool]] = {
    f"average decrease below {THRESHOLD}": slow,
    f"error at most {ENOUGH}": good,
    "validation rises, training falls": overfitting,
    "maximum of iterations": lambda curve, i: i + 1 == len(curve.train),
}


def stop(rule: Callable[[Curve, int], bool], curve: Curve) -> int:
    """The iteration, counted from 0, at which the rule ends the training."""
    return next(i for i in range(len(curve.train)) if rule(curve, i) or i + 1 == len(curve.train))


def figures(curves: dict[str, Curve]) -> list[Figure]:
    found = []
    for name, rule in RULES.items():
        stops = {engine: stop(rule, curve) for engine, curve in curves.items()}
        losses = {engine: curve.validation[stops[engine]] for engine, curve in curves.items()}
        found.append(Figure.of(f"stop by {name}: iteration", "", {e: i + 1 for e, i in stops.items()}, form="d"))
        found.append(Figure.of(f"stop by {name}: validation loss", "", losses))
    return found

"""When to stop: a forest drawn from the seed, four networks, four rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.articles.article import Figure
from experiments.articles.twin import Twin

SEED = 5
TREES, HELD_BACK = 6, 12  # so few that the noise in six ages can be learned by heart
NOISE = 0.8  # years
MOST, THRESHOLD, WINDOW, ENOUGH, PATIENCE = 10_000, 0.05, 10, 0.4, 10
SHORT = 400


def forest(twin: Twin) -> tuple[Any, Any, Any, Any]:
    """Trees from the seed, sizes of mean 0 and standard deviation 1: six to learn from, the rest held back."""
    twin.manual_seed(SEED)
    n, double = TREES + HELD_BACK, twin.factory("float64")
    size = twin.random.randn(n, 2, **double)
    age = 5 + size @ twin.tensor(np.array([[0.6], [1.1]])) + NOISE * twin.random.randn(n, 1, **double)
    return size[:TREES], age[:TREES], size[TREES:], age[TREES:]


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

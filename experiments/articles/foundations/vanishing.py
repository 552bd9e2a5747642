"""Why sigmoid derivatives vanish layer by layer, and why ReLU units die.

    σ'(z) = σ (1 - σ) <= 1/4, so a layer's gradient    |dx| = |W^T (σ'(z) dy)| <= |W|₂ |dy| / 4

With weights whose largest stretch |W|₂ is below 4 every sigmoid layer shortens the gradient, L layers do so L times.
tanh' reaches 1 and ReLU' is 1 for every unit that is on.

A ReLU unit whose sum is negative for every example has the gradient 0, exactly, in its weights and its bias. Plain
descent never moves it again, nor does Adam once its moments have faded, be it silent from the start or killed by a step
that was too long. A leaky ReLU lets a little through, and Adam, whose steps do not depend on the size of the gradient,
brings it back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.articles.article import Figure, Replay
from experiments.articles.curves import LINES, Panel, draw
from experiments.articles.foundations.evaluate import evaluate, numbers, on_both_evaluated, slopes
from experiments.articles.judge import SLACK, equal_to
from experiments.articles.twin import Twin, on_both
from experiments.training.data import Part, load

SEED = 0
LAYERS, WIDTH = 20, 64
UNITS, STEPS = 32, 100
KINDS = {  # activation, initial bias, rule, learning rate
    "ReLU": ("ReLU", 0.0, "Adam", 0.02),
    "ReLU, long steps": ("ReLU", 0.0, "SGD", 5.0),
    "ReLU, silent at first": ("ReLU", -2.0, "Adam", 0.02),
    "leaky ReLU, silent at first": ("LeakyReLU", -2.0, "Adam", 0.02),
}


class Run(NamedTuple):
    """For every step: the units that are silent on every digit, the largest gradient in their weights, and the loss."""

    silent: np.ndarray  # (steps, units)
    gradient: np.ndarray
    losses: np.ndarray

    def woken(self) -> int:
        return int((self.silent[:-1] & ~self.silent[1:]).sum())


def gradient_lengths(twin: Twin, activation: str) -> tuple[np.ndarray, np.ndarray]:
    """|dL/dx| before each layer, relative to that at the end, last layer first; and the bound of the sigmoid's."""
    twin.manual_seed(SEED)
    nn, make = twin.lib.nn, twin.factory("float64")
    layers = [nn.Sequential(nn.Linear(WIDTH, WIDTH, **make), getattr(nn, activation)()) for _ in range(LAYERS)]
    for block in layers:
        nn.init.xavier_uniform_(block[0].weight, nn.init.calculate_gain(activation.lower()))
        nn.init.zeros_(block[0].bias)
    x = twin.array(twin.random.randn(1, WIDTH, **make))
    inputs = [x]
    for block in layers:
        inputs.append(evaluate(twin, block, inputs[-1]).output)
    dy = twin.array(twin.random.randn(1, WIDTH, **make))
    lengths, bounds = [np.linalg.norm(dy)], [np.linalg.norm(dy)]
    for block, before in zip(reversed(layers), reversed(inputs[:-1]), strict=True):
        dy = evaluate(twin, block, before, dy=dy).dx
        lengths.append(np.linalg.norm(dy))
        bounds.append(bounds[-1] * np.linalg.norm(twin.array(block[0].weight), 2) / 4)
    return np.array(lengths) / lengths[0], np.array(bounds) / bounds[0]


def learn(twin: Twin, digits: Part, activation: str, bias: float, rule: str, lr: float) -> Run:
    """A hidden layer whose biases start at `bias`, trained on all digits at once."""
    x, labels = twin.tensor(digits.images.reshape(len(digits.labels), -1)), twin.tensor(digits.labels)
    twin.manual_seed(SEED)
    nn, make = twin.lib.nn, twin.factory("float64")
    first = nn.Linear(64, UNITS, **make)
    nn.init.constant_(first.bias, bias)
    net = nn.Sequential(first, getattr(nn, activation)(), nn.Linear(UNITS, 10, **make))
    optimizer, criterion = getattr(twin.lib.optim, rule)(net.parameters(), lr=lr), nn.CrossEntropyLoss()
    silent, gradient, losses = np.zeros((STEPS, UNITS), bool), np.zeros(STEPS), np.zeros(STEPS)
    for step in range(STEPS):
        silent[step] = (twin.predict(first, x) <= 0).all(axis=0)
        losses[step] = twin.step(net, criterion, optimizer, x, labels)
        gradient[step] = np.abs(twin.array(first.weight.grad)[silent[step]]).max(initial=0.0)
    return Run(silent, gradient, losses)


def replay(found: Replay, output: Path) -> None:
    steepest = slopes(on_both_evaluated(lambda twin: twin.lib.nn.Sigmoid(), np.linspace(-6, 6, 25)))
    found.figures.append(
        equal_to(
            "sigmoid: largest derivative",
            0.25,
            {e: float(dx.max()) for e, dx in steepest.items()},
            text="0.25",
            place="Weight initialization",
        )
    )
    lengths = {name: on_both(partial(gradient_lengths, activation=name)) for name in ("Sigmoid", "Tanh", "ReLU")}
    bound = float(lengths["Sigmoid"]["torch"][1][-1])
    shortened = {engine: found_[-1] for engine, (found_, _) in lengths["Sigmoid"].items()}
    found.figures.append(
        Figure.of(
            f"sigmoid: gradient left after {LAYERS} layers", f"at most {bound:.1e}", numbers(shortened), 0, bound, ".1e"
        )
    )
    for name in ("Tanh", "ReLU"):
        left = {engine: values[-1] for engine, (values, _) in lengths[name].items()}
        found.figures.append(Figure.of(f"{name}: gradient left after {LAYERS} layers", "", numbers(left), form=".1e"))
    depths = np.arange(LAYERS + 1)
    curves = {
        "sigmoid, scratch": (depths, lengths["Sigmoid"]["scratch"][0]),
        "sigmoid, torch": (depths, lengths["Sigmoid"]["torch"][0]),
        "sigmoid, bound": (depths, lengths["Sigmoid"]["torch"][1]),
        "tanh, torch": (depths, lengths["Tanh"]["torch"][0]),
        "ReLU, torch": (depths, lengths["ReLU"]["torch"][0]),
    }
    ylabel = "relative to the last layer's"
    panel = Panel("Length of the gradient", curves, "layers passed backwards", ylabel, {"yscale": "log"}, whole=True)
    found.plots.append((draw(output / "vanishing.png", [panel]), "Sigmoids shorten the gradient at every layer."))
    _dead(found, output / "dying.png")


def _dead(found: Replay, path: Path) -> None:
    digits = load("digits", dtype="float64").train
    runs: dict[str, dict[str, Run]] = {}
    for name, (activation, bias, rule, lr) in KINDS.items():
        runs[name] = on_both(partial(learn, digits=digits, activation=activation, bias=bias, rule=rule, lr=lr))
        silent = {engine: float(run.silent[-1].sum()) for engine, run in runs[name].items()}
        found.figures.append(Figure.of(f"{name}: units of {UNITS} silent after {STEPS} steps", "", silent, form="g"))
    share = np.bincount(digits.labels) / len(digits.labels)
    floor = -float(np.sum(share * np.log(share)))  # for one who knows how frequent each digit is, and sees nothing
    relu, leaky = runs["ReLU, silent at first"], runs["leaky ReLU, silent at first"]
    losses = {name: {engine: float(run.losses[-1]) for engine, run in runs[name].items()} for name in runs}
    found.figures += [
        Figure.of("silent ReLU: largest gradient in its weights", "0", _each(relu, lambda r: r.gradient.max()), 0, 0),
        Figure.of("silent ReLU: how many ever woke", "0", _each(relu, Run.woken), 0, 0),
        Figure.of("long steps: how many killed units ever woke", "0", _each(runs["ReLU, long steps"], Run.woken), 0, 0),
        Figure.of(
            "silent ReLU: loss", f"at least {floor:.4f}", losses["ReLU, silent at first"], floor - SLACK, form=".4f"
        ),
        Figure.of("silent leaky ReLU: how many woke", "some", _each(leaky, Run.woken), 1),
        Figure.of(
            "silent leaky ReLU: loss", f"below {floor:.4f}", losses["leaky ReLU, silent at first"], 0, floor, ".4f"
        ),
    ]
    panels = [
        Panel(title, {name: pick(run["torch"]) for name, run in runs.items()}, "step", ylabel, {}, LINES)
        for title, pick, ylabel in (
            ("Units silent on every digit", lambda run: run.silent.sum(axis=1), f"units of {UNITS}"),
            ("Loss", lambda run: run.losses, "cross-entropy, nats"),
        )
    ]
    caption = (
        "ReLU units that are silent on every example stay so, and the net learns nothing; leaky ones come back. "
        "The curves are torch's; scratch's figures are in the table."
    )
    found.plots.append((draw(path, panels), caption))


def _each(runs: dict[str, Run], number: Callable[[Run], Any]) -> dict[str, float]:
    return {engine: float(number(run)) for engine, run in runs.items()}

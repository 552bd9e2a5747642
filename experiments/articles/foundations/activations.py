"""Activations, each with its derivative.

threshold   1 if x > 0 else 0                              0: nothing to learn from
identity    x                                              1
sigmoid     σ = 1 / (1 + e^-x)                             σ (1 - σ), at most 1/4
tanh        (e^x - e^-x) / (e^x + e^-x)                    1 - tanh², at most 1
ReLU        max(0, x)                                      1 if x > 0 else 0
leaky ReLU  x if x > 0 else α x, the text's α is 0.2       1 or α
PReLU       x if x > 0 else a x, a learned                 1 or a; by a: x where x < 0
ELU         x if x > 0 else α (e^x - 1), α = 0.2 as well   1 or α e^x
SELU        λ ELU, α = 1.67326..., λ = 1.05070...          λ or λ α e^x
softmax     s_i = e^(x_i) / Σ e^(x_j)                      ds_i/dx_j = s_i (δ_ij - s_j)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.articles.article import Figure, Replay
from experiments.articles.curves import TWIN_STYLES, Panel, broken, draw
from experiments.articles.foundations.evaluate import (
    Build,
    backward_checks,
    evaluate,
    layer,
    on_both_evaluated,
    outputs,
    slopes,
)
from experiments.articles.judge import equal_to, largest
from experiments.articles.twin import Twin, on_both

ALPHA = 0.2  # of leaky ReLU and ELU, as the text plots them
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
GRID = np.linspace(-4, 4, 400)  # an even number of points: none at the kink
APART = 1e-15  # four units in the last place of 1, a few roundings

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Activation:
    """The library's component, and the text's formulas."""

    build: Build
    value: Function
    derivative: Function


def either(right: Any, left: Any) -> Function:
    """A function that is one thing for positive numbers and another elsewhere."""
    return lambda x: np.where(x > 0, right(x), left(x))


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def constant(c: float) -> Function:
    return lambda x: np.full_like(x, c)


ACTIVATIONS = {
    "identity": Activation(lambda twin: twin.lib.nn.Identity(), lambda x: x, constant(1)),
    "sigmoid": Activation(lambda twin: twin.lib.nn.Sigmoid(), logistic, lambda x: logistic(x) * (1 - logistic(x))),
    "tanh": Activation(
        lambda twin: twin.lib.nn.Tanh(),
        lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
        lambda x: 1 - np.tanh(x) ** 2,
    ),
    "ReLU": Activation(lambda twin: twin.lib.nn.ReLU(), lambda x: np.maximum(x, 0), either(constant(1), constant(0))),
    "leaky ReLU": Activation(
        lambda twin: twin.lib.nn.LeakyReLU(ALPHA),
        either(lambda x: x, lambda x: ALPHA * x),
        either(constant(1), constant(ALPHA)),
    ),
    "PReLU": Activation(
        lambda twin: layer(twin, "PReLU", init=0.25),
        either(lambda x: x, lambda x: 0.25 * x),
        either(constant(1), constant(0.25)),
    ),
    "ELU": Activation(
        lambda twin: twin.lib.nn.ELU(ALPHA),
        either(lambda x: x, lambda x: ALPHA * (np.exp(x) - 1)),
        either(constant(1), lambda x: ALPHA * np.exp(x)),
    ),
    "SELU": Activation(
        lambda twin: twin.lib.nn.SELU(),
        either(lambda x: SELU_SCALE * x, lambda x: SELU_SCALE * SELU_ALPHA * (np.exp(x) - 1)),
        either(constant(SELU_SCALE), lambda x: SELU_SCALE * SELU_ALPHA * np.exp(x)),
    ),
}


def replay(found: Replay, output: Path) -> None:
    _threshold(found)
    for name, activation in ACTIVATIONS.items():
        values = on_both_evaluated(activation.build, GRID)
        limit = APART * max(1.0, float(np.abs(activation.value(GRID)).max()))
        apart = {e: y - activation.value(GRID) for e, y in outputs(values).items()}
        steep = {e: dx - activation.derivative(GRID) for e, dx in slopes(values).items()}
        found.figures += [
            largest(f"{name}: largest difference from the formula", apart, limit),
            largest(f"{name}: the same for the derivative", steep, limit),
        ]
        found.checks += backward_checks(name, activation.build, GRID[::40])
    kink = on_both_evaluated(lambda twin: twin.lib.nn.ReLU(), [0.0])
    at_kink = {engine: float(value.dx[0]) for engine, value in kink.items()}
    found.figures.append(equal_to("ReLU: derivative at 0, where there is none: both engines take", 0.0, at_kink, "g"))
    _prelu_slope(found)
    _softmax(found)
    _draw(found, output / "activations.png")


def _threshold(found: Replay) -> None:
    x = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    steps = {
        "scratch": np.heaviside(x, 0.0),
        "torch": torch.heaviside(torch.tensor(x), torch.zeros((), dtype=torch.float64)).numpy(),
    }
    steps_expected = "".join(str(int(value > 0)) for value in x)
    shown = {engine: "".join(str(int(value)) for value in y) for engine, y in steps.items()}
    found.figures.append(
        Figure(
            "threshold at -2, -0.5, 0, 0.5, 2",
            expected=steps_expected,
            scratch=shown["scratch"],
            torch=shown["torch"],
            ok={*shown.values()} == {steps_expected},
        )
    )
    found.notes.append(
        "Threshold: the derivative of a step is 0 wherever there is one, so no gradient ever reaches its weights. "
        "Torch has no such layer (nn.Threshold is another function): these are NumPy's and torch's heaviside."
    )


def _prelu_slope(found: Replay) -> None:
    """PReLU learns its slope: the derivative by it is the sum of the negative inputs."""
    values = on_both_evaluated(lambda twin: layer(twin, "PReLU"), GRID)
    by_slope = {engine: float(value.parameters["weight"][0]) for engine, value in values.items()}
    found.figures.append(
        equal_to("PReLU: derivative by its slope, summed over the grid", float(GRID[GRID < 0].sum()), by_slope)
    )


def _softmax(found: Replay) -> None:
    x = np.array([1.0, -0.5, 2.0, 0.25])
    s = np.exp(x) / np.exp(x).sum()
    expected = np.diag(s) - np.outer(s, s)

    def softmax(twin: Twin) -> Any:
        return twin.lib.nn.Softmax(dim=0)

    def jacobian(twin: Twin) -> np.ndarray:
        """Row i is the gradient of output i."""
        return np.stack([evaluate(twin, softmax(twin), x, dy=row).dx for row in np.eye(4)])

    values = outputs(on_both_evaluated(softmax, x))
    found.figures += [
        equal_to("softmax: its outputs sum to", 1.0, {e: float(y.sum()) for e, y in values.items()}),
        largest(
            "softmax: Jacobian beside s_i (δ_ij - s_j)", {e: j - expected for e, j in on_both(jacobian).items()}, APART
        ),
    ]
    found.checks += backward_checks("softmax", softmax, x)


def _draw(found: Replay, path: Path) -> None:
    panels = []
    for name, activation in ACTIVATIONS.items():
        values = on_both_evaluated(activation.build, GRID)
        curves = {engine: (GRID, y) for engine, y in outputs(values).items()}
        curves["derivative"] = (GRID, broken(slopes(values)["torch"], 0.1))
        title = f"{name}, α = {ALPHA:g}" if name in ("leaky ReLU", "ELU") else name
        panels.append(Panel(title, curves, "x", "value"))
    curves = {engine: (GRID, s) for engine, s in _first_of_three().items()}
    panels.append(Panel("softmax of (x, 1, -1), first output", curves, "x", "value"))
    caption = (
        "Each activation by both engines, and its derivative, which has a gap where it jumps. Each has its own scale."
    )
    found.plots.append((draw(path, panels, columns=3), caption))
    _draw_squashed(found, path.parent / "squashed.png")


def _first_of_three() -> dict[str, np.ndarray]:
    """Softmax of (x, 1, -1): the share of the first."""
    logits = np.stack([GRID, np.full_like(GRID, 1.0), np.full_like(GRID, -1.0)], axis=1)
    values = outputs(on_both_evaluated(lambda twin: twin.lib.nn.Softmax(dim=-1), logits))
    return {engine: value[:, 0] for engine, value in values.items()}


def _draw_squashed(found: Replay, path: Path) -> None:
    """σ once, twice and three times; ReLU changes nothing more after the first time."""
    panels = []
    for layer_name, title in (("Sigmoid", "σ again and again"), ("ReLU", "ReLU again and again")):
        curves: dict[str, Any] = {}
        for times in (1, 2, 3):

            def again(twin: Twin, times: int = times, layer_name: str = layer_name) -> Any:
                return twin.lib.nn.Sequential(*(getattr(twin.lib.nn, layer_name)() for _ in range(times)))

            for engine, y in outputs(on_both_evaluated(again, GRID)).items():
                curves[f"{times} times, {engine}"] = (GRID, y)
        panels.append(Panel(title, curves, "x", "value", styles=TWIN_STYLES))
    caption = "Three sigmoids squash everything into 0.62 to 0.68; ReLU is idempotent, its three curves are one."
    found.plots.append((draw(path, panels), caption))

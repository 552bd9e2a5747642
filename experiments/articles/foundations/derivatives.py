"""Derivatives: a limit, a chain, and one variable at a time.

    f'(x) = lim (f(x + h) - f(x)) / h        error h f''/2 + ...        and a rounding of order eps / h
          = lim (f(x + h) - f(x - h)) / 2h   error h² f'''/6 + ...
    (f ∘ g)'(x) = f'(g(x)) g'(x)
    ∂f/∂a: the derivative by a while every other variable is constant

A computer cannot take the limit: below some h the rounding of f, divided by h, grows faster than the rest shrinks. The
best h is near √eps for the one-sided quotient and near ∛eps for the symmetric one, which the gradient checks use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Figure, Replay
from experiments.articles.curves import STYLES, Panel, draw
from experiments.articles.foundations.evaluate import (
    Build,
    backward_checks,
    evaluate,
    layer,
    numbers,
    on_both_evaluated,
    outputs,
    slopes,
)
from experiments.articles.judge import equal_to
from experiments.articles.twin import TWINS, Twin, on_both

X = 0.5
STEPS = np.logspace(-15, -1, 141)
WEIGHTS, BIAS = (1.5, -0.7), 0.3


def composed(twin: Twin) -> Any:
    return twin.lib.nn.Sequential(twin.lib.nn.Tanh(), twin.lib.nn.Sigmoid())


def two_variables(twin: Twin) -> Any:
    return twin.lib.nn.Sequential(layer(twin, "Linear", 2, 1, weight=[WEIGHTS], bias=[BIAS]), twin.lib.nn.Tanh())


def quotients(build: Build) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For every step the relative error of the one-sided and of the symmetric quotient at X."""

    def errors(twin: Twin) -> tuple[np.ndarray, np.ndarray]:
        module = build(twin)
        above, below = (evaluate(twin, module, X + sign * STEPS).output for sign in (1, -1))
        here = evaluate(twin, module, [X])
        slope = here.dx[0]
        one_sided = (above - here.output) / ((X + STEPS) - X)  # the step that was really taken
        symmetric = (above - below) / ((X + STEPS) - (X - STEPS))
        return np.abs(one_sided - slope) / slope, np.abs(symmetric - slope) / slope

    return on_both(errors)


def replay(found: Replay, output: Path) -> None:
    errors = quotients(composed)
    for number, (name, order, smallest) in enumerate((("one-sided", 1, 1e-5), ("symmetric", 2, 1e-3))):
        fitted = {engine: _order(pair[number], smallest) for engine, pair in errors.items()}
        found.figures.append(
            Figure.of(
                f"derivative: order of the {name} quotient's error in h",
                f"{order}",
                fitted,
                order - 0.05,
                order + 0.05,
                ".2f",
            )
        )
        best = {engine: float(STEPS[np.argmin(_smooth(pair[number]))]) for engine, pair in errors.items()}
        eps = float(np.finfo(np.float64).eps) ** (1 / (order + 1))
        found.figures.append(
            Figure.of(
                f"derivative: best step of the {name} quotient", f"near {eps:.0e}", best, eps / 10, eps * 10, ".0e"
            )
        )
    chain = slopes(on_both_evaluated(composed, [X]))
    inner = np.tanh(X)
    expected = float(1 / (2 + np.exp(inner) + np.exp(-inner)) * (1 - inner**2))
    found.figures.append(equal_to("chain rule: σ'(tanh x) tanh'(x) at 0.5", expected, numbers(chain, 0), ".6f"))

    def by_links(twin: Twin) -> float:
        """The product of the derivatives of all links."""
        first = evaluate(twin, twin.lib.nn.Tanh(), [X])
        return float((evaluate(twin, twin.lib.nn.Sigmoid(), first.output).dx * first.dx)[0])

    found.figures.append(equal_to("chain rule: the same, link by link", expected, on_both(by_links), ".6f"))
    point = np.array([0.4, 0.9])
    partial = slopes(on_both_evaluated(two_variables, point))
    steep = float(1 - np.tanh(point @ WEIGHTS + BIAS) ** 2)
    for number, name in enumerate("ab"):
        value = numbers(partial, number)
        found.figures.append(
            equal_to(
                f"partial derivative of tanh(1.5 a - 0.7 b + 0.3) by {name}", steep * WEIGHTS[number], value, ".6f"
            )
        )
    found.checks += backward_checks("chain rule: σ(tanh x)", composed, np.linspace(-2, 2, 9))
    found.checks += backward_checks("partial derivatives of tanh(w x + b)", two_variables, point)
    _draw(found, errors, output / "derivatives.png")


SLOPES = (*STYLES[:2], *3 * ({"color": "0.3", "linewidth": 1.6, "linestyle": "--"},))


def _slopes() -> dict[str, Any]:
    """A curve by both engines, and tangents at its maximum, its inflection and its minimum."""
    x = np.linspace(-2.2, 2.2, 201)
    curves: dict[str, Any] = {}
    for twin in TWINS:
        t = twin.tensor(x)
        curves[twin.name] = (x, twin.array(t * t * t - 3 * t))
    for at in (-1.0, 0.0, 1.0):
        near = at + np.array([-0.7, 0.7])
        slope = 3 * at**2 - 3
        curves[f"slope {slope + 0:g} at {at:g}"] = (near, at**3 - 3 * at + slope * (near - at))
    return curves


def _order(errors: np.ndarray, smallest: float) -> float:
    """The exponent k of error ~ h^k, before rounding is visible."""
    part = (smallest <= STEPS) & (STEPS <= 1e-2)
    return float(np.polyfit(np.log(STEPS[part]), np.log(errors[part]), 1)[0])


def _smooth(errors: np.ndarray) -> np.ndarray:
    """The worst of nine neighbors: a single lucky rounding does not make a good step."""
    padded = np.pad(errors, 4, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 9).max(axis=1)


def _draw(found: Replay, errors: dict[str, tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    tiny = 1e-17  # a quotient without any error has no place on a log axis
    quotient = {
        f"{name}, {engine}": (STEPS, np.maximum(errors[engine][number], tiny))
        for number, name in enumerate(("one-sided", "symmetric"))
        for engine in ("scratch", "torch")
    }
    styles = (
        {"color": "0.8", "linewidth": 3.0},
        {"color": "black", "linewidth": 0.8},
        {"color": "0.6", "linewidth": 3.0},
        {"color": "black", "linewidth": 0.9, "linestyle": ":"},
    )
    x = np.linspace(-3, 3, 301)
    curve = on_both_evaluated(composed, x)
    here = on_both_evaluated(composed, [X])["scratch"]
    tangent = here.output[0] + here.dx[0] * (x - X)
    lines = {name: (x, value) for name, value in outputs(curve).items()} | {"tangent at 0.5": (x, tangent)}
    draw(
        path,
        [
            Panel("σ(tanh x) and a tangent", lines, "x", "value", {"ylim": (0.2, 0.85)}),
            Panel("x³ - 3 x and its slopes", _slopes(), "x", "value", {"ylim": (-5, 5)}, SLOPES),
            Panel(
                "A derivative by differences",
                quotient,
                "h",
                "relative error",
                {"xscale": "log", "yscale": "log"},
                styles,
            ),
        ],
    )
    found.plots.append((path, "A slope as a limit: smaller steps help until rounding takes over."))

"""Descent in a ravine: plain, with momentum, Nesterov's, and Adam, as paths.

    f(a, b) = (a² + 25 b²) / 2            gentle along a, steep along b

    plain       θ -= lr g                                        along an axis of curvature λ: θ_k = (1 - lr λ)^k θ_0
    momentum    v = m v + g          θ -= lr v
    Nesterov    v = m v + g          θ -= lr (g + m v)
    Adam        m = β1 m + (1 - β1) g        v = β2 v + (1 - β2) g²        θ -= lr m̂ / (√v̂ + ε)
                m̂ = m / (1 - β1^t)           v̂ = v / (1 - β2^t)            since m and v start at 0 and are too small

On a quadratic the first three are linear in (θ, v), so a power of a 2 by 2 matrix says where they are after k steps.
The correction makes Adam's first step lr in every direction; without it, it would be lr (1 - β1) / √(1 - β2) = 3.16 lr.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Replay
from experiments.articles.curves import STYLES
from experiments.articles.judge import equal_to
from experiments.articles.twin import Twin, on_both
from experiments.picture import save

CURVATURE = np.array([1.0, 25.0])
START = np.array([-9.0, 1.6])
STEPS = 60
LR, MOMENTUM, ADAM_LR = 0.03, 0.8, 0.4
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("SGD", {"lr": LR}),
    "momentum": ("SGD", {"lr": LR, "momentum": MOMENTUM}),
    "Nesterov": ("SGD", {"lr": LR, "momentum": MOMENTUM, "nesterov": True}),
    "Adam": ("Adam", {"lr": ADAM_LR, "betas": (BETA1, BETA2), "eps": EPS}),
}


def height(theta: np.ndarray) -> np.ndarray:
    return (CURVATURE * theta * theta).sum(axis=-1) / 2


def path_of(twin: Twin, rule: str, steps: int = STEPS) -> np.ndarray:
    """(steps + 1, 2): where the engine's optimizer goes."""
    name, options = RULES[rule]
    theta = twin.lib.nn.Parameter(twin.tensor(START.copy()))
    optimizer = getattr(twin.lib.optim, name)([theta], **options)
    path = [START]
    for _ in range(steps):
        theta.grad = twin.tensor(CURVATURE * path[-1])
        optimizer.step()
        path.append(twin.array(theta).copy())
    return np.array(path)


def by_powers(rule: str, steps: int = STEPS) -> np.ndarray:
    """The positions of plain descent, momentum and Nesterov after this many steps."""
    m = 0.0 if rule == "plain" else MOMENTUM
    end = []
    for curvature, start in zip(CURVATURE, START, strict=True):
        velocity = np.array([curvature, m])  # v' = λ θ + m v
        gradient = np.array([curvature, 0.0])
        update = gradient + m * velocity if rule == "Nesterov" else velocity
        step = np.array([np.array([1.0, 0.0]) - LR * update, velocity])
        end.append((np.linalg.matrix_power(step, steps) @ [start, 0.0])[0])
    return np.array(end)


def adam(steps: int, corrected: bool = True) -> np.ndarray:
    """The position of Adam by its formulas, with or without the correction."""
    theta, m, v = START.copy(), np.zeros(2), np.zeros(2)
    for t in range(1, steps + 1):
        g = CURVATURE * theta
        m = BETA1 * m + (1 - BETA1) * g
        v = BETA2 * v + (1 - BETA2) * g * g
        scale = (1 - BETA1**t, 1 - BETA2**t) if corrected else (1.0, 1.0)
        theta = theta - ADAM_LR * (m / scale[0]) / (np.sqrt(v / scale[1]) + EPS)
    return theta


def replay(found: Replay, output: Path) -> None:
    paths = {rule: on_both(partial(path_of, rule=rule)) for rule in RULES}
    for rule, path in paths.items():
        end = adam(STEPS) if rule == "Adam" else by_powers(rule)
        values = {engine: float(height(points[-1])) for engine, points in path.items()}
        found.figures.append(equal_to(f"{rule}: f after {STEPS} steps", float(height(end)), values, ".3e"))
        for number, axis in enumerate("ab"):
            values = {engine: float(points[-1, number]) for engine, points in path.items()}
            found.figures.append(equal_to(f"{rule}: {axis} after {STEPS} steps", float(end[number]), values, ".6f"))
    first = {engine: float(points[1, 0] - points[0, 0]) / ADAM_LR for engine, points in paths["Adam"].items()}
    steep = abs(float(CURVATURE[0] * START[0]))
    found.figures.append(equal_to("Adam: first step along a, in units of lr", steep / (steep + EPS), first))
    without = float(adam(1, corrected=False)[0] - START[0]) / ADAM_LR
    found.notes.append(
        f"Adam: without the correction of its moments the first step would be {without:.2f} lr long, and after {STEPS} "
        f"steps f would be {height(adam(STEPS, corrected=False)):.1e} instead of {height(adam(STEPS)):.1e}."
    )
    _draw(found, paths, output / "ravine.png")


def _draw(found: Replay, paths: dict[str, dict[str, np.ndarray]], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 10), layout="constrained")
    grid = figure.subplot_mosaic([["plain", "momentum"], ["Nesterov", "Adam"], ["height", "height"]])
    a, b = np.meshgrid(np.linspace(-10, 5, 151), np.linspace(-2.4, 2.4, 121))
    levels = np.geomspace(0.1, 100, 10)
    for rule, path in paths.items():
        axes = grid[rule]
        axes.contour(a, b, height(np.stack([a, b], axis=-1)), levels, colors="0.75", linewidths=0.7)
        axes.plot(*path["scratch"].T, color="0.6", linewidth=3.2, label="scratch")
        axes.plot(*path["torch"].T, "k.-", linewidth=0.7, markersize=3.5, label="torch")
        axes.plot(0, 0, "k+", markersize=12)
        axes.set(title=f"{rule}, {STEPS} steps", xlabel="a", ylabel="b", xlim=(-10, 5), ylim=(-2.4, 2.4))
        axes.legend(fontsize="small", loc="upper right")
    below = grid["height"]
    for (rule, path), style in zip(paths.items(), STYLES, strict=False):
        below.plot(height(path["torch"]), label=rule, **style)
    below.set(title="Height above the bottom", xlabel="step", ylabel="f", yscale="log")
    below.legend(fontsize="small")
    save(figure, file)
    found.plots.append((file, "Four rules from one start in a ravine, both engines over each other; + is the bottom."))

"""Descent in a ravine: plain, with momentum, Nesterov's, and by rates of each weight's own, as paths.

    f(a, b) = (a² + 25 b²) / 2            gentle along a, steep along b

    plain       θ -= lr g                                        along an axis of curvature λ: θ_k = (1 - lr λ)^k θ_0
    momentum    v = m v + g          θ -= lr v
    Nesterov    v = m v + g          θ -= lr (g + m v)
    AdaGrad     s = s + g²                               θ -= lr g / (√s + ε)
    RMSProp     s = α s + (1 - α) g²                     θ -= lr g / (√s + ε)
    Adam        m = β1 m + (1 - β1) g        v = β2 v + (1 - β2) g²        θ -= lr m̂ / (√v̂ + ε)
                m̂ = m / (1 - β1^t)           v̂ = v / (1 - β2^t)            since m and v start at 0 and are too small

Each rule has its best rate here, of those with two digits up to 1: `height` after 60 steps decides. The text writes
momentum as v = μ v - η g, θ += v, as far as its words tell, and takes Nesterov's gradient at the future point θ + μ v.
The first is the same path as long as η stays; of the second the future point takes the path of the θ above.

On a quadratic the first three are linear in (θ, v), so a power of a 2 by 2 matrix says where they are after k steps.
The correction makes Adam's first step lr in every direction; without it, it would be lr (1 - β1) / √(1 - β2) = 3.16 lr.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Figure, Replay
from experiments.articles.curves import LINES, STYLES, Panel, draw
from experiments.articles.judge import equal_to
from experiments.articles.twin import Twin, on_both
from experiments.picture import ENGINE_STYLES, save

CURVATURE = np.array([1.0, 25.0])
START = np.array([-9.0, 1.6])
STEPS = 60
MOMENTUM, ALPHA = 0.8, 0.99
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
RATES = {"plain": 0.076, "momentum": 0.013, "Nesterov": 0.047, "AdaGrad": 1.0, "RMSProp": 1.0, "Adam": 0.66}
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("SGD", {}),
    "momentum": ("SGD", {"momentum": MOMENTUM}),
    "Nesterov": ("SGD", {"momentum": MOMENTUM, "nesterov": True}),
    "AdaGrad": ("Adagrad", {"eps": EPS}),
    "RMSProp": ("RMSprop", {"alpha": ALPHA, "eps": EPS}),
    "Adam": ("Adam", {"betas": (BETA1, BETA2), "eps": EPS}),
}


def height(theta: np.ndarray) -> np.ndarray:
    return (CURVATURE * theta * theta).sum(axis=-1) / 2


def path_of(twin: Twin, rule: str, steps: int = STEPS) -> np.ndarray:
    """(steps + 1, 2): where the engine's optimizer goes."""
    name, options = RULES[rule]
    theta = twin.lib.nn.Parameter(twin.tensor(START.copy()))
    optimizer = getattr(twin.lib.optim, name)([theta], lr=RATES[rule], **options)
    path = [START]
    for _ in range(steps):
        theta.grad = twin.tensor(CURVATURE * path[-1])
        optimizer.step()
        path.append(twin.array(theta).copy())
    return np.array(path)


def by_powers(rule: str, steps: int = STEPS, lr: float | None = None) -> np.ndarray:
    """The positions of plain descent, momentum and Nesterov after this many steps."""
    m = 0.0 if rule == "plain" else MOMENTUM
    lr = lr or RATES[rule]
    end = []
    for curvature, start in zip(CURVATURE, START, strict=True):
        velocity = np.array([curvature, m])  # v' = λ θ + m v
        gradient = np.array([curvature, 0.0])
        update = gradient + m * velocity if rule == "Nesterov" else velocity
        step = np.array([np.array([1.0, 0.0]) - lr * update, velocity])
        end.append((np.linalg.matrix_power(step, steps) @ [start, 0.0])[0])
    return np.array(end)


def adaptive(rule: str, steps: int = STEPS, lr: float | None = None) -> np.ndarray:
    """The position of AdaGrad or RMSProp by its formulas."""
    theta, s = START.copy(), np.zeros(2)
    for _ in range(steps):
        g = CURVATURE * theta
        s = s + g * g if rule == "AdaGrad" else ALPHA * s + (1 - ALPHA) * g * g
        theta = theta - (lr or RATES[rule]) * g / (np.sqrt(s) + EPS)
    return theta


def adam(steps: int, corrected: bool = True, lr: float | None = None) -> np.ndarray:
    """The position of Adam by its formulas, with or without the correction."""
    theta, m, v = START.copy(), np.zeros(2), np.zeros(2)
    for t in range(1, steps + 1):
        g = CURVATURE * theta
        m = BETA1 * m + (1 - BETA1) * g
        v = BETA2 * v + (1 - BETA2) * g * g
        scale = (1 - BETA1**t, 1 - BETA2**t) if corrected else (1.0, 1.0)
        theta = theta - (lr or RATES["Adam"]) * (m / scale[0]) / (np.sqrt(v / scale[1]) + EPS)
    return theta


def by_formula(rule: str, lr: float | None = None) -> np.ndarray:
    """The position of a rule after all steps."""
    if rule == "Adam":
        return adam(STEPS, lr=lr)
    return adaptive(rule, lr=lr) if rule in ("AdaGrad", "RMSProp") else by_powers(rule, lr=lr)


def in_the_texts_form(rule: str) -> np.ndarray:
    """The path of the text's momentum, η inside v; of its Nesterov, whose gradient is the future point's, θ + μ v."""
    theta, v, lr = START.copy(), np.zeros(2), RATES[rule]
    path = [START]
    for _ in range(STEPS):
        at = theta + MOMENTUM * v if rule == "Nesterov" else theta
        v = MOMENTUM * v - lr * CURVATURE * at
        theta = theta + v
        path.append(theta + MOMENTUM * v if rule == "Nesterov" else theta)
    return np.array(path)


def replay(found: Replay, output: Path) -> None:
    paths = {rule: on_both(partial(path_of, rule=rule)) for rule in RULES}
    for rule, path in paths.items():
        end = by_formula(rule)
        values = {engine: float(height(points[-1])) for engine, points in path.items()}
        found.figures.append(
            equal_to(f"{rule} at lr {RATES[rule]:g}: f after {STEPS} steps", float(height(end)), values, ".3e")
        )
        for number, axis in enumerate("ab"):
            values = {engine: float(points[-1, number]) for engine, points in path.items()}
            found.figures.append(equal_to(f"{rule}: {axis} after {STEPS} steps", float(end[number]), values, ".6f"))
    first = {engine: float(points[1, 0] - points[0, 0]) / RATES["Adam"] for engine, points in paths["Adam"].items()}
    steep = abs(float(CURVATURE[0] * START[0]))
    found.figures.append(equal_to("Adam: first step along a, in units of lr", steep / (steep + EPS), first))
    without = float(adam(1, corrected=False)[0] - START[0]) / RATES["Adam"]
    found.notes.append(
        f"Adam: without the correction of its moments the first step would be {without:.2f} lr long, and after {STEPS} "
        f"steps f would be {height(adam(STEPS, corrected=False)):.1e} instead of {height(adam(STEPS)):.1e}."
    )
    for rule in ("momentum", "Nesterov"):
        apart = {
            engine: float(np.abs(points - in_the_texts_form(rule)).max()) for engine, points in paths[rule].items()
        }
        found.figures.append(
            Figure.of(f"{rule} in the text's form, inferred: paths apart by", "at most 1e-13", apart, 0, 1e-13, ".0e")
        )
    _parabola(found, output / "parabola.png")
    _draw(found, paths, output / "ravine.png")


def _parabola(found: Replay, path: Path) -> None:
    """Descent on one weight: the mean squared error of y = θ x at x = 1 and t = 2."""
    lrs = {"lr 0.1": 0.1, "lr 0.45": 0.45, "lr 1.02, too long": 1.02}
    steps: dict[str, dict[str, np.ndarray]] = {}

    def descend(twin: Twin, lr: float) -> np.ndarray:
        theta = twin.lib.nn.Parameter(twin.tensor(np.zeros(1)))
        optimizer = twin.lib.optim.SGD([theta], lr=lr)
        at = [0.0]
        for _ in range(8):
            theta.grad = twin.tensor(np.array([2 * (at[-1] - 2)]))
            optimizer.step()
            at.append(float(twin.array(theta)[0]))
        return np.array(at)

    for name, lr in lrs.items():
        steps[name] = on_both(partial(descend, lr=lr))
        last = {engine: float(at[-1]) for engine, at in steps[name].items()}
        found.figures.append(equal_to(f"one weight, {name}: θ after 8 steps", 2 - 2 * (1 - 2 * lr) ** 8, last))
    theta = np.linspace(-0.6, 4.6, 201)
    panels = []
    for name, both in steps.items():
        curves: dict[str, Any] = {"cost": (theta, (theta - 2) ** 2)}
        curves |= {engine: (at, (at - 2) ** 2) for engine, at in both.items()}
        styles = (STYLES[3], {"color": "0.72", "linewidth": 4}, {"color": "black", "linewidth": 0.9, "marker": "."})
        panels.append(Panel(name, curves, "θ", "(θ - 2)²", {"ylim": (-0.3, 7)}, styles))
    found.plots.append(
        (draw(path, panels), "Descent on one weight from θ = 0: short steps, long ones, and too long ones.")
    )


def _draw(found: Replay, paths: dict[str, dict[str, np.ndarray]], file: Path) -> None:
    from matplotlib.figure import Figure as Picture

    figure = Picture(figsize=(12, 13), layout="constrained")
    mosaic: Any = [["plain", "momentum"], ["Nesterov", "AdaGrad"], ["RMSProp", "Adam"], ["height", "height"]]
    grid = figure.subplot_mosaic(mosaic)
    a, b = np.meshgrid(np.linspace(-10, 5, 151), np.linspace(-2.4, 2.4, 121))
    levels = np.geomspace(0.1, 100, 10)
    for rule, path in paths.items():
        axes = grid[rule]
        axes.contour(a, b, height(np.stack([a, b], axis=-1)), levels, colors="0.75", linewidths=0.7)
        for engine, style in ENGINE_STYLES.items():
            axes.plot(*path[engine].T, marker=".", markersize=3 * style["linewidth"], label=engine, **style)
        axes.plot(0, 0, "k+", markersize=12)
        axes.set(
            title=f"{rule}, lr {RATES[rule]:g}, {STEPS} steps", xlabel="a", ylabel="b", xlim=(-10, 5), ylim=(-2.4, 2.4)
        )
        axes.legend(fontsize="small", loc="upper right")
    below = grid["height"]
    for (rule, path), style in zip(paths.items(), LINES, strict=False):
        below.plot(height(path["torch"]), label=f"{rule}, lr {RATES[rule]:g}", **style)
    below.set(title="Height above the bottom", xlabel="step", ylabel="f", yscale="log", ylim=(1e-12, 1e3))
    below.legend(fontsize="small")
    save(figure, file)
    found.plots.append(
        (
            file,
            "Six rules from one start in a ravine, each at its best rate; + is the bottom. RMSProp leaves the plot.",
        )
    )

"""Costs, each with its derivative by the prediction y; e = y - t, and n numbers to average over.

    MSE            Σ e² / n                                      2 e / n
    MAE            Σ |e| / n                                     sign(e) / n
    Huber          Σ (e²/2 if |e| <= δ else δ (|e| - δ/2)) / n   e / n, no further than ±δ / n
    cross-entropy  -Σ t log y                                    -t / y
    KL             Σ t log(t / y)                                -t / y: the same, the entropy of t does not depend on y

MSE is the cost of normal noise, and its best constant is the mean; MAE's is the median, which one wild value does not
move. Huber is MSE near the target and MAE far from it, and its best constant lies between.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Replay
from experiments.articles.curves import TWIN_STYLES, Panel, draw
from experiments.articles.foundations.evaluate import Build, backward_checks, on_both_evaluated, outputs, slopes
from experiments.articles.judge import equal_to
from experiments.articles.twin import Twin

DELTAS = (0.5, 1.0, 2.0)
DATA = np.array([1.0, 2.0, 3.0, 5.0, 100.0])  # one wild value


def costs(reduction: str) -> dict[str, Build]:
    """The cost layers by name."""
    built: dict[str, Build] = {
        "MSE": lambda twin: twin.lib.nn.MSELoss(reduction=reduction),
        "MAE": lambda twin: twin.lib.nn.L1Loss(reduction=reduction),
    }
    for delta in DELTAS:
        built[f"Huber, δ = {delta:g}"] = partial(huber, reduction=reduction, delta=delta)
    return built


def huber(twin: Twin, reduction: str, delta: float) -> Any:
    return twin.lib.nn.HuberLoss(reduction, delta)


def replay(found: Replay, output: Path) -> None:
    at_three = {"MSE": (9.0, 6.0), "MAE": (3.0, 1.0)} | {f"Huber, δ = {d:g}": (d * (3 - d / 2), d) for d in DELTAS}
    for name, build in costs("none").items():
        values = on_both_evaluated(build, [3.0], target=[0.0])
        cost, slope = at_three[name]
        found.figures += [
            equal_to(f"{name}: cost of an error of 3", cost, {e: float(y[0]) for e, y in outputs(values).items()}, "g"),
            equal_to(f"{name}: its slope there", slope, {e: float(dx[0]) for e, dx in slopes(values).items()}, "g"),
        ]
        rng = np.random.default_rng(0)
        found.checks += backward_checks(name, costs("mean")[name], rng.normal(size=7) * 2, target=rng.normal(size=7))
    errors = on_both_evaluated(lambda twin: twin.lib.nn.MSELoss(reduction="sum"), [1.0, 2.0, 3.0], target=[0.0] * 3)
    summed = {engine: float(value) for engine, value in outputs(errors).items()}
    found.figures.append(equal_to("SSE, the sum of squared errors of 1, 2 and 3", 14.0, summed, "g"))
    _probabilities(found)
    _best_constants(found)
    _draw(found, output / "costs.png")


def _probabilities(found: Replay) -> None:
    """Cross-entropy and KL of the prediction (0.7, 0.2, 0.1) for the target (1, 0, 0) and a soft one."""
    y = np.array([[0.7, 0.2, 0.1]])
    for name, t in (("(1, 0, 0)", np.array([[1.0, 0.0, 0.0]])), ("(0.8, 0.1, 0.1)", np.array([[0.8, 0.1, 0.1]]))):
        entropy = -float(np.sum(t[t > 0] * np.log(t[t > 0])))
        crossed = -float(np.sum(t * np.log(y)))
        cross = on_both_evaluated(lambda twin: twin.lib.nn.CrossEntropyLoss(), np.log(y), target=t)
        apart = on_both_evaluated(lambda twin: twin.lib.nn.KLDivLoss(reduction="sum"), np.log(y), target=t)
        found.figures += [
            equal_to(
                f"cross-entropy of (0.7, 0.2, 0.1) for {name}, nats",
                crossed,
                {e: float(v) for e, v in outputs(cross).items()},
            ),
            equal_to(
                f"KL of (0.7, 0.2, 0.1) for {name}, nats",
                crossed - entropy,
                {e: float(v) for e, v in outputs(apart).items()},
            ),
        ]


def _best_constants(found: Replay) -> None:
    """The slopes of all five errors cancel at the constant that costs least."""
    mean, median = float(DATA.mean()), float(np.median(DATA))
    best = {"MSE": mean, "MAE": median, "Huber, δ = 0.5": median, "Huber, δ = 1": median, "Huber, δ = 2": 10 / 3}
    numbers = ", ".join(f"{x:g}" for x in DATA)
    for name, constant in best.items():
        total = on_both_evaluated(costs("none")[name], np.full(len(DATA), constant), target=DATA)
        values = {e: float(dx.sum()) for e, dx in slopes(total).items()}
        found.figures.append(
            equal_to(f"{name}: slope at {constant:.4g}, its best constant for {numbers}", 0.0, values, "g")
        )


def _draw(found: Replay, path: Path) -> None:
    e = np.linspace(-4, 4, 401)
    values = {name: on_both_evaluated(build, e, target=np.zeros_like(e)) for name, build in costs("none").items()}
    kinds, steep = {}, {}
    for name, value in values.items():
        for engine in ("scratch", "torch"):
            kinds[f"{name}, {engine}"] = (e, outputs(value)[engine])
            slope = slopes(value)[engine]
            steep[f"{name}, {engine}"] = (e, np.where(e == 0, np.nan, slope) if name == "MAE" else slope)
    p = np.linspace(0.01, 0.99, 99)
    both = np.stack([p, 1 - p], axis=1)
    panels = [
        Panel("Cost", kinds, "prediction - target", "cost", {"ylim": (0, 6)}, TWIN_STYLES, legend="outside"),
        Panel(
            "Slope",
            steep,
            "prediction - target",
            "d cost / d prediction",
            {"ylim": (-4, 4)},
            TWIN_STYLES,
            legend="outside",
        ),
    ]
    t = np.tile([0.8, 0.2], (len(p), 1))
    cross = outputs(
        on_both_evaluated(lambda twin: twin.lib.nn.CrossEntropyLoss(reduction="none"), np.log(both), target=t)
    )
    apart = outputs(on_both_evaluated(lambda twin: twin.lib.nn.KLDivLoss(reduction="none"), np.log(both), target=t))
    curves = {f"cross-entropy, {n}": (p, v) for n, v in cross.items()}
    curves |= {f"KL, {n}": (p, v.sum(axis=1)) for n, v in apart.items()}
    panels.append(Panel("Target 0.8 and 0.2", curves, "predicted probability of the first", "nats", {}, TWIN_STYLES))
    found.plots.append(
        (
            draw(path, panels),
            "Costs and their slopes, cut at the edges: Huber is MSE near the target and MAE far from it.",
        )
    )

"""The cost of a step as a size grows: exponents fitted on log axes, and the picture of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from experiments.bench.cases.cnn import AXES, EXPECTED
from experiments.bench.measure import Result, totals
from experiments.picture import COLORS, save

FITTED = 3  # the largest sizes, where constant costs no longer matter

Curves = dict[str, dict[str, list[tuple[int, float]]]]  # axis -> engine -> (size, seconds)


def curves(results: Sequence[Result]) -> Curves:
    """The results that belong to a curve."""
    found: Curves = {}
    for result in results:
        axis = result["setting"].get("axis")
        threads = f", {result['threads']} threads" if result.get("threads", 1) > 1 else ""
        for engine, values in result["values"].items() if axis else ():
            points = found.setdefault(axis, {}).setdefault(engine + threads, [])
            points.append((result["setting"][axis], median(totals(values))))
    return found


def exponent(points: Sequence[tuple[int, float]]) -> float:
    """The slope on log axes through the largest sizes: time ~ size^slope."""
    sizes, seconds = np.log(np.array(points[-FITTED:])).T
    return float(np.polyfit(sizes, seconds, 1)[0])


def summary(results: Sequence[Result]) -> str:
    """One line for the report; empty where there are no curves."""
    texts = []
    for axis, engines in curves(results).items():
        slopes = ", ".join(f"{exponent(points):.2f} {engine}" for engine, points in engines.items())
        texts.append(f"{axis}^({slopes}; expected {EXPECTED[axis]})")
    return f"A step's time grows as {'; '.join(texts)}, over the {FITTED} largest sizes." if texts else ""


def draw(results: Sequence[Result], path: Path) -> None:
    """One panel per axis, both engines, and a line with the expected exponent."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    found = curves(results)
    figure = Figure(figsize=(4 * len(AXES), 4), layout="constrained")
    for axes, axis in zip(figure.subplots(1, len(AXES), squeeze=False)[0], AXES, strict=True):
        engines = found.get(axis, {})
        axes.set(xscale="log", yscale="log", xticks=AXES[axis])
        for engine, points in engines.items():
            sizes, seconds = zip(*points, strict=True)
            label = f"{engine}, exponent {exponent(points):.2f}"
            name, _, several = engine.partition(",")
            style = {"color": COLORS.get(name, "black"), "markerfacecolor": "white"}
            axes.plot(sizes, 1e3 * np.array(seconds), "s--" if several else "o-", label=label, **style)
        _expected(axes, axis, engines)
        axes.set(xlabel=f"{axis}{_unit(axis)}", ylabel="time of a training step (ms)")
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.legend(fontsize="small", loc="upper left")
    figure.suptitle("A training step of 3x3 convolutions on 14x14 images, or of a transformer layer: medians")
    save(figure, path, 150)


def _expected(axes: Any, axis: str, engines: dict[str, list[tuple[int, float]]]) -> None:
    """A line of the expected slope below the curves, from the largest size down to the smallest fitted one."""
    if not engines:
        return
    sizes = np.array([size for size, _ in next(iter(engines.values()))][-FITTED:])
    last = min(points[-1][1] for points in engines.values())
    line = 0.5e3 * last * (sizes / sizes[-1]) ** EXPECTED[axis]
    axes.plot(sizes, line, color="0.5", linewidth=3, label=f"expected exponent {EXPECTED[axis]}")
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top * 4)  # room for the legend


def _unit(axis: str) -> str:
    return {"batch": " (images)", "channels": " (in and out of a layer)", "depth": " (convolutions)", "tokens": ""}[
        axis
    ]

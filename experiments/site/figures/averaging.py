"""Averaged weights: some weights after each update, on both engines."""

from __future__ import annotations

import numpy as np

from experiments.site.figures.drawing import ENGINE_STYLES, Picture, new, picture, styled
from experiments.site.figures.first_row import cases
from experiments.site.pages import Component
from parity_tests.checks.averaging import run
from parity_tests.engine import SCRATCH, TORCH
from parity_tests.rule import distance
from parity_tests.table.row import Averaging

SHOWN = 3


@styled
def draw(component: Component) -> list[Picture]:
    rows = [row for row in cases(component) if isinstance(row, Averaging)][:SHOWN]
    if not rows:
        return []
    figure = new(8.6, 2.8)
    grid = figure.subplots(1, len(rows), squeeze=False)[0]
    apart = 0.0
    for axes, row in zip(grid, rows, strict=True):
        sides = {"torch": run(row, TORCH, "float32", 0), "scratch": run(row, SCRATCH, "float32", 0)}
        names = [name for name in sides["torch"] if "weight" in name or "running" in name]
        for engine, style in ENGINE_STYLES.items():
            axes.plot(_lines(sides[engine], names), label=engine, **style)
        apart = max([apart, *(distance(sides["scratch"][name], sides["torch"][name]) for name in names)])
        xlabel, ylabel = ("update", "weight") if len(names) > 2 * row.updates else ("number", "statistic")
        axes.set(title=row.case or "default", xlabel=xlabel, ylabel=ylabel)
    handles, labels = grid[0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    grid[0].legend(unique.values(), unique.keys())
    caption = f"The averages of {component.name} over a small network; the engines differ by {apart:.2g} ulp."
    return [picture(figure, f"{component.name}: averages", caption, component.name)]


def _lines(numbers: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    """(updates, weights) of the first layer's weights; without updates all statistics in a row."""
    first = [numbers[name].ravel() for name in names if "0.weight after" in name]
    if not first:
        return np.concatenate([numbers[name].ravel() for name in names])
    return np.array(first)[:, :SHOWN]

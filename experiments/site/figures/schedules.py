"""Schedules: the rate, and the momentum where it is cycled, after every step on both engines."""

from __future__ import annotations

import numpy as np

from experiments.site.figures.drawing import ENGINE_STYLES, Picture, new, picture, styled
from experiments.site.figures.first_row import cases, quietly
from experiments.site.pages import Component
from parity_tests.checks.scheduler import run
from parity_tests.engine import ENGINES

COLUMNS = 3


@styled
def draw(component: Component) -> list[Picture]:
    rows = cases(component)
    lines = -(-len(rows) // COLUMNS)
    figure = new(8.6, 2.2 * lines + 0.4)
    grid = figure.subplots(lines, min(COLUMNS, len(rows)), squeeze=False)
    for axes in grid.flat[len(rows) :]:
        axes.set_visible(False)
    for axes, row in zip(grid.flat, rows, strict=False):
        with quietly():
            values = {engine: run(row, [ENGINES[engine]]) for engine in ENGINE_STYLES}
        for engine, style in ENGINE_STYLES.items():
            rates = values[engine]["lr of group 0"]
            axes.step(np.arange(len(rates)), rates, where="post", label=engine, **style)
        momentum = values["scratch"]["momentum of group 0"]
        if np.ptp(momentum):
            beside = axes.twinx()
            beside.plot(momentum, **(ENGINE_STYLES["scratch"] | {"linestyle": ":"}))
            beside.set(ylabel="momentum (dotted)")
            beside.grid(visible=False)
        axes.set(title=row.case or "default", xlabel="step", ylabel="lr", ylim=(0, None))
    handles, names = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=2)  # beside the curves, not on them
    caption = (
        f"The rate that {component.name} sets, step by step, from an initial rate of 0.1 (where the schedule does "
        "not choose its own): torch thick and blue, scratch thin and orange over it."
    )
    return [picture(figure, f"{component.name}: rates", caption, component.name)]

"""Clipping: every number of the gradients before and after it."""

from __future__ import annotations

import numpy as np

from experiments.site.figures.drawing import ENGINE_STYLES, SOFT, Picture, new, picture, styled
from experiments.site.figures.first_row import cases, titled
from experiments.site.pages import Component
from parity_tests.checks.clipping import gradients, run
from parity_tests.engine import ENGINES
from parity_tests.rule import distance


@styled
def draw(component: Component) -> list[Picture]:
    row = cases(component)[0]
    before = _flat(gradients(row, "float32", 0))
    sides = {name: run(row, engine, "float32", 0) for name, engine in ENGINES.items()}
    after = {name: _flat([value for what, value in side.items() if what != "norm"]) for name, side in sides.items()}
    figure = new(8, 2.8)
    axes = figure.subplots()
    order = np.argsort(before)
    axes.plot(before[order], color=SOFT, linestyle="--", label="before")
    for engine, style in ENGINE_STYLES.items():
        axes.plot(after[engine][order], label=f"after, {engine}", **style)
    axes.set(xlabel="number, by size", ylabel="gradient")
    axes.legend()
    norm = f" It returns the norm {float(sides['scratch']['norm']):.6g}." if "norm" in sides["scratch"] else ""
    caption = (
        f"All numbers of the gradients before and after {titled(row)}; the engines are "
        f"{distance(after['scratch'], after['torch']):.2g} ulp apart.{norm}"
    )
    return [picture(figure, f"{component.name}: gradients", caption, component.name)]


def _flat(arrays: list[np.ndarray | None]) -> np.ndarray:
    return np.concatenate([array.ravel() for array in arrays if array is not None])

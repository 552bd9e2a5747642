"""Everything else: the numbers of the worked example as tiles: what is given, outputs, gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from experiments.lessons.example import Example, example
from experiments.lessons.trace import decimal
from experiments.site.figures.drawing import Picture, new, picture, styled
from experiments.site.figures.first_row import quietly
from experiments.site.figures.images import show_plane
from experiments.site.pages import Component
from parity_tests.rule import distance

COLUMNS, SHOWN = 4, 12
WRITTEN = 32  # numbers of an array that are written into its tiles


@styled
def draw(component: Component) -> list[Picture]:
    with quietly():
        found = example(component.name)
    if found is None:
        return []
    results = {name: found.scratch[name] for name in found.scratch}
    panels = [*(found.inputs | found.parameters | found.cotangents | results).items()]
    panels = [(name, array) for name, array in panels if array.dtype.kind in "fiub" and array.size][:SHOWN]
    rows = math.ceil(len(panels) / COLUMNS)
    figure = new(9, 1.75 * rows + 0.2)
    grid = figure.subplots(rows, COLUMNS, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (name, array) in zip(grid.flat, panels, strict=False):
        axes.set_title(f"{name} {list(array.shape)}", fontsize=9)
        _tiles(axes, _plane(array))
    worst = max((distance(found.scratch[name], found.torch[name]) for name in found.torch), default=0.0)
    caption = (
        f"The numbers of the worked example of {component.name}: what is given, the outputs, and the gradients. "
        f"Torch's are the same, at most {worst:.2g} ulp apart.{_cells(found)}"
    )
    return [picture(figure, f"{component.name}: the worked example", caption, component.name)]


def _tiles(axes: Any, plane: np.ndarray) -> None:
    """A shade for each number, and the number on it where there is room."""
    plane = np.asarray(plane, np.float64)
    bound = float(np.abs(plane[np.isfinite(plane)]).max(initial=1e-30))
    show_plane(axes, plane, symmetric=True)
    if plane.size <= WRITTEN and plane.shape[1] <= 8:
        for (i, j), value in np.ndenumerate(plane):
            color = "black" if value > 0.1 * bound else "white"
            axes.text(j, i, decimal(round(value, 3)), ha="center", va="center", fontsize=8, color=color)


def _cells(found: Example) -> str:
    """One element of each product, spelled out."""
    spelled = [step for step in [*found.forward, *found.backward] if step.cell and step.values]
    names = {"returned": "dx", "self.weight.grad": "dweight"}
    texts = [f"{names.get(step.values[0][0], step.values[0][0])}[0, 0] begins as {step.cell}" for step in spelled[:3]]
    return f" Spelled out: {'; '.join(texts)}." if texts else ""


def _plane(values: np.ndarray) -> np.ndarray:
    """Any array as a matrix: a number, a row, or the last dimension against all others."""
    return values.reshape(1, -1) if values.ndim < 2 else values.reshape(-1, values.shape[-1])[:64]

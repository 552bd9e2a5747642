"""Everything else: the inputs, the outputs of both engines, and the gradients, as pictures."""

from __future__ import annotations

import math

import numpy as np

from experiments.site.figures.drawing import Picture, new, picture, styled
from experiments.site.figures.first_row import cases, has_forward, quietly, titled
from experiments.site.figures.images import show_plane
from experiments.site.pages import Component
from parity_tests.checks.sides import ScratchSide, TorchSide, generator
from parity_tests.checks.sides import draw as drawn
from parity_tests.nests import leaves
from parity_tests.rule import distance

SHOWN = 6


@styled
def draw(component: Component) -> list[Picture]:
    row = next((row for row in cases(component) if has_forward(row)), None)
    if row is None:
        return []
    given, call = drawn((row.inputs, row.call), generator(row, 0, 0), np.dtype(np.float32))
    with quietly():
        ours, theirs = ScratchSide(row, "float32").run(given, call), TorchSide(row, "float32").run(given, call)
    inputs = [(f"input {i}" if i else "input", x) for i, x in enumerate(leaves(given)) if isinstance(x, np.ndarray)]
    results = [(name, ours[name]) for name in ours if not name.startswith("buffer")]
    panels = [(name, np.asarray(x)) for name, x in [*inputs, *results] if np.asarray(x).dtype.kind in "fiub"][:SHOWN]
    figure = new(9, 2.4 * math.ceil(len(panels) / 3) + 0.3)
    grid = figure.subplots(math.ceil(len(panels) / 3), 3, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (name, values) in zip(grid.flat, panels, strict=False):
        shown = show_plane(axes, np.asarray(_plane(values), np.float64))
        axes.set_title(f"{name} {list(values.shape)}", fontsize=9)
        figure.colorbar(shown, ax=axes)
    worst = max((distance(ours[name], theirs[name]) for name, _ in results), default=0.0)
    caption = (
        f"The inputs of {titled(row)}, the outputs of scratch, and the gradients for random "
        f"cotangents. Torch's arrays look the same: the largest difference is {worst:.2g} ulp."
    )
    return [picture(figure, f"{component.name}: arrays", caption, component.name)]


def _plane(values: np.ndarray) -> np.ndarray:
    """Any array as a matrix: a number, a row, or the last dimension against all others."""
    return values.reshape(1, -1) if values.ndim < 2 else values.reshape(-1, values.shape[-1])[:64]

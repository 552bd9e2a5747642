"""Layers of images: a small picture, its outputs on both engines, and the gradient; dropout's masks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from experiments.site.figures.drawing import Picture, new, picture, styled
from experiments.site.figures.first_row import cases, first_inputs, has_forward, outputs, quietly, sides, titled
from experiments.site.pages import Component
from parity_tests.checks.sides import ScratchSide
from parity_tests.nests import leaves
from parity_tests.rule import distance

SIDE = 24
SIZES = {1: (48,), 2: (SIDE, SIDE), 3: (12, SIDE, SIDE)}


def small_picture(axes: int) -> np.ndarray:
    """A ring, a bar and a slope; a wave on one axis; a ball of shells on three."""
    places = np.meshgrid(*(np.linspace(-1, 1, size) for size in SIZES[axes]), indexing="ij")
    if axes == 1:
        return np.sin(9 * places[0]) * (1 - places[0] ** 2)
    radius = np.sqrt(sum(place**2 for place in places))
    shape = np.exp(-(((radius - 0.6) / 0.12) ** 2)) + 0.25 * (places[-1] + 1)
    return shape + (np.abs(places[-1] - places[-2]) < 0.12)


@styled
def draw(component: Component) -> list[Picture]:
    row = next((row for row in cases(component) if has_forward(row) and len(row.inputs) == 1), None)
    if row is None:
        return []
    (drawn,) = first_inputs(row)
    axes = drawn.ndim - 2
    if axes not in SIZES:
        return []
    shift = [np.roll(small_picture(axes), 3 * c, axis=-1) * (1 - 0.1 * c) for c in range(drawn.shape[1])]
    x = np.array([shift], np.float32)
    ours, theirs = sides(row)
    try:
        with quietly():
            y, expected = outputs(ours, (x,))[0], outputs(theirs, (x,))[0]
            dx = _gradient(ours, x)
    except (RuntimeError, ValueError, IndexError):
        return []
    panels = [("input x", x), ("y, scratch", y), ("y, torch", expected), ("dx of Σ y²/2", dx)]
    figure = new(9, 2.7)
    for place, (title, values) in zip(figure.subplots(1, 4), panels, strict=True):
        _show(place, values, title)
    what = {1: "a wave", 2: "a small picture", 3: "the middle of a small volume"}[axes]
    caption = (
        f"What {titled(row)} makes of {what}: the first channel of the input, of the output of both engines, "
        f"{distance(y, expected):.2g} ulp apart, and of the gradient that comes back where the loss is half the sum of "
        "squares."
    )
    return [picture(figure, f"{component.name}: a small picture", caption, component.name)]


def _gradient(side: ScratchSide, x: np.ndarray) -> np.ndarray:
    output = side.forward((x,), {}, True, 0)
    return np.asarray(next(leaves(side.backward(output))))


def _show(axes: Any, values: np.ndarray, title: str) -> None:
    """The first channel of the first sample: a line, a picture, or the middle slice of a volume."""
    plane = values[0, 0] if values.ndim > 3 else values[0]
    if plane.ndim == 3:
        plane = plane[len(plane) // 2]
    if values.ndim == 3 and values.shape[1] < 16:
        plane = values[0, 0]
    size = " x ".join(map(str, values.shape[2:] if values.ndim > 3 or plane.ndim == 1 else plane.shape))
    axes.set_title(f"{title}, {size}", fontsize=9)
    if plane.ndim == 1:
        axes.plot(plane, color="#050505", linewidth=1)
    else:
        show_plane(axes, plane)


def show_plane(axes: Any, plane: np.ndarray, symmetric: bool = False) -> Any:
    """Numbers as shades of gray, dark for small; with `symmetric` 0 is in the middle."""
    bound = float(np.abs(plane[np.isfinite(plane)]).max(initial=1e-30)) if symmetric else None
    limits = {"vmin": -bound, "vmax": bound} if bound else {}
    aspect = "equal" if plane.shape[0] == plane.shape[1] else "auto"
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])
    return axes.imshow(plane, cmap="gray", interpolation="nearest", aspect=aspect, **limits)


# --- dropout ----------------------------------------------------------------------------------------------------------

MASKS = {2: (24, 32), 3: (6, 4, 32), 4: (6, 4, 4, 8), 5: (6, 4, 2, 2, 8)}


@styled
def draw_mask(component: Component) -> list[Picture]:
    row = cases(component)[0]
    (drawn,) = first_inputs(row)
    x = np.ones(MASKS[drawn.ndim], np.float32)
    figure = new(8.6, 3, bars=True)
    axes = figure.subplots(1, 2)
    with quietly():
        results = {name: outputs(side, (x,))[0] for name, side in zip(("scratch", "torch"), sides(row), strict=True)}
    for place, (name, y) in zip(axes, results.items(), strict=True):
        shown = show_plane(place, y.reshape(-1, math.prod(MASKS[drawn.ndim][2:])) if y.ndim > 2 else y)
        ylabel, xlabel = ("sample, channel", "position") if y.ndim > 2 else ("row", "column")
        place.set(title=name, ylabel=ylabel, xlabel=xlabel)
    figure.colorbar(shown, ax=list(axes), label="y")
    same = "equal to the last bit" if np.array_equal(results["scratch"], results["torch"]) else "not equal"
    caption = f"The output of {component.name} for ones in training, from seed 0 on both engines: {same}."
    return [picture(figure, f"{component.name}: masks", caption, component.name)]

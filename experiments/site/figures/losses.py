"""Losses: a slice along one number of the prediction with the others fixed, and the surface over two of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.site.figures.drawing import ACCENT, ENGINE_STYLES, INK, Picture, new, picture, styled
from experiments.site.figures.first_row import cases, first_inputs, quietly, sides, titled
from experiments.site.pages import Component
from parity_tests.nests import leaves
from parity_tests.table.row import Layer

POINTS, SURFACE, SPAN = 161, 33, 4.0
Nest = list[Any]


@styled
def draw(component: Component) -> list[Picture]:
    row = next((row for row in cases(component) if row.inputs and _pliable(first_inputs(row)[0])), None)
    if row is None:
        return []
    inputs = first_inputs(row)
    x = np.linspace(*_range(inputs[0]), POINTS, dtype=np.float32)
    with quietly():
        a, b = _liveliest(row, inputs)
        curves = {}
        for engine in ENGINE_STYLES:
            curves[engine] = np.array([_slope(row, engine, _with(inputs, {a: value}), a) for value in x]).T
        steps = np.linspace(x[0], x[-1], SURFACE, dtype=np.float32)
        side = sides(row)[0]
        surface = np.array([[_total(side, _with(inputs, {a: u, b: v})) for u in steps] for v in steps])
    figure = new(8.6, 2.9)
    axes = figure.subplots(1, 3)
    for engine, style in ENGINE_STYLES.items():
        for place, values in zip(axes, curves[engine], strict=False):
            place.plot(x, values, label=engine, **style)
    axes[0].set(title="loss", xlabel="x₁")
    axes[1].set(title="its slope", xlabel="x₁")
    axes[0].legend()
    if np.isfinite(surface).all() and np.ptp(surface):
        axes[2].contour(steps, steps, surface, 8, colors=INK, linewidths=0.8)
    axes[2].plot(inputs[0].flat[a], inputs[0].flat[b], "o", color=ACCENT)
    axes[2].set(title="over two numbers", xlabel="x₁", ylabel="x₂")
    caption = (
        f"A slice through {titled(row)}: the number x₁ of the prediction varies, the others are fixed, torch "
        "thick and blue, scratch thin and orange over it; and lines of equal loss over the two numbers that "
        "matter most, with a dot where they were drawn."
    )
    return [picture(figure, f"{component.name}: slices of the loss", caption, component.name)]


def _pliable(array: Any) -> bool:
    floats = isinstance(array, np.ndarray) and array.dtype.kind == "f"
    return floats and array.size > 1 and bool(np.isfinite(array).all())


def _range(x: np.ndarray) -> tuple[float, float]:
    """Probabilities stay probabilities; other numbers go some way to either side."""
    return (0.02, 0.98) if x.min() >= 0 and x.max() <= 1 else (-SPAN, SPAN)


def _liveliest(row: Layer, inputs: Nest) -> tuple[int, int]:
    """The two numbers of the prediction with the largest effect on the loss."""
    slopes = np.abs(_scratch_slopes(row, inputs)[1]).ravel()
    first, second = np.argsort(-slopes, kind="stable")[:2]
    return int(first), int(second)


def _with(inputs: Nest, changes: dict[int, float]) -> Nest:
    changed = inputs[0].copy()
    for place, value in changes.items():
        changed.flat[place] = value
    return [changed, *inputs[1:]]


def _total(side: Any, inputs: Nest) -> float:
    """The loss as one number; if a loss returns several, the last is the loss itself."""
    import scratch

    with scratch.no_grad():
        return float(np.sum(list(leaves(side.forward(tuple(inputs), side.row.call, True, 0)))[-1]))


def _slope(row: Layer, engine: str, inputs: Nest, place: int) -> tuple[float, float]:
    """The loss and its slope at one number of the prediction."""
    if engine == "scratch":
        total, slopes = _scratch_slopes(row, inputs)
        return total, float(slopes.flat[place])
    import torch

    from parity_tests.nests import map_nest

    theirs = _sides(row)[1]
    tensors = map_nest(theirs._tensor, tuple(inputs))
    tensors[0].requires_grad_()
    loss = list(leaves(theirs.forward(tensors, row.call, True, 0)))[-1].sum()
    (slope,) = torch.autograd.grad(loss, tensors[0])
    return float(loss.detach()), float(slope.flatten()[place])


def _scratch_slopes(row: Layer, inputs: Nest) -> tuple[float, np.ndarray]:
    ours = _sides(row)[0]
    parts = list(leaves(ours.forward(tuple(inputs), row.call, True, 0)))
    ones = [None] * (len(parts) - 1) + [np.ones_like(parts[-1])]
    return float(np.sum(parts[-1])), next(leaves(ours.module.backward(*ones)))


_BUILT: dict[str, tuple[Any, Any]] = {}


def _sides(row: Layer) -> tuple[Any, Any]:
    """The row's two sides, built once."""
    if row.label not in _BUILT:
        _BUILT.clear()
        _BUILT[row.label] = sides(row)
    return _BUILT[row.label]

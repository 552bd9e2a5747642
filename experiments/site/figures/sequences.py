"""Recurrent layers: the gates and states over a short sequence. Attention: the weights."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import numpy as np

from experiments.site.figures.drawing import Picture, new, picture, styled
from experiments.site.figures.first_row import cases, first_inputs, has_forward, outputs, quietly, sides
from experiments.site.figures.images import show_plane
from experiments.site.pages import Component
from parity_tests.checks.sides import ScratchSide
from parity_tests.rule import distance

LENGTH = 16
GATES = {"LSTM": "i f g o", "GRU": "r z n"}


@styled
def draw_states(component: Component) -> list[Picture]:
    """A layer over a sequence. Cells take one step and their base classes none, so they show their arrays."""
    row = next((row for row in cases(component) if has_forward(row)), None)
    drawn = first_inputs(row)[0] if row else None
    if row is None or not isinstance(drawn, np.ndarray) or drawn.ndim != 3:
        return []
    steps = np.arange(LENGTH)[:, np.newaxis, np.newaxis]
    waves = np.sin(steps * (1 + np.arange(drawn.shape[2])) / 3) * (steps < LENGTH // 2)
    x = np.repeat(waves, drawn.shape[1], axis=1).astype(np.float32)
    ours, theirs = sides(row)
    with quietly():
        gates = _gates(ours, x)
        y, expected = outputs(ours, (x,))[0], outputs(theirs, (x,))[0]
    panels = [("input", x[:, 0].T), *gates, ("y, scratch", y[:, 0].T), ("y, torch", expected[:, 0].T)]
    figure = new(8.6, 0.95 * len(panels) + 0.6, bars=True)
    for axes, (title, plane) in zip(figure.subplots(len(panels), 1, sharex=True), panels, strict=True):
        shown = show_plane(axes, plane)
        axes.set_ylabel(title, rotation=0, ha="right", va="center")
        figure.colorbar(shown, ax=axes, pad=0.01)
    figure.axes[len(panels) - 1].set_xlabel("time step, left to right")
    inside = f", its gates ({', '.join(name for name, _ in gates)})" if gates else ""
    caption = (
        f"{component.name} over {LENGTH} steps: waves that fall silent in the middle{inside}, and its output on "
        f"both engines, {distance(y, expected):.2g} ulp apart. One row is one unit."
    )
    return [picture(figure, f"{component.name}: a short sequence", caption, component.name)]


def _gates(side: ScratchSide, x: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The gates of the first layer, if it has any, as forward computes and saves them."""
    seen: list[Any] = []
    kind = type(side.module)
    steps = kind.forward_steps

    def watched(self: Any, *args: Any) -> Any:
        y, saved = steps(self, *args)
        seen.append(saved)
        return y, saved

    with patch.object(kind, "forward_steps", watched):
        outputs(side, (x,))
    names = GATES.get(kind.__name__, "").split()
    if not names or not side.row.args or seen[0].steps.shape[1] != len(x) * x.shape[1] * side.row.args[1]:
        return []
    of_first = seen[0].steps.reshape(-1, len(x), side.row.args[1], x.shape[1])[..., 0]
    return [(name, gate.T) for name, gate in zip(names, of_first, strict=False)]


@styled
def draw_weights(component: Component) -> list[Picture]:
    """Attention's weights: a separate output, or the output for values that are the identity."""
    row = cases(component)[0]
    inputs = [x for x in first_inputs(row) if isinstance(x, np.ndarray)]
    query, key = inputs[0], inputs[1]
    length = query.shape[0] if row.name.endswith("MultiheadAttention") else query.shape[-2]
    ours, theirs = sides(row)
    with quietly():
        found = [outputs(side, inputs, row.call) for side in (ours, theirs)]
        if len(found[0]) == 1:
            span = key.shape[-2]
            identity = np.broadcast_to(np.eye(span, dtype=np.float32), (*key.shape[:-2], span, span)).copy()
            found = [outputs(side, [query, key, identity], row.call) for side in (ours, theirs)]
    weights = [results[-1].reshape(-1, *results[-1].shape[-2:])[0] for results in found]
    figure = new(6.4, 3, bars=True)
    axes = figure.subplots(1, 2)
    for place, plane, name in zip(axes, weights, ("scratch", "torch"), strict=True):
        shown = show_plane(place, plane)
        place.set(title=name, xlabel="key", ylabel="query")
    figure.colorbar(shown, ax=list(axes), label="weight")
    caption = (
        f"How much each of {length} queries attends to each of {weights[0].shape[1]} keys in {component.name}, first "
        f"sample; rows sum to 1. The two engines are {distance(*weights):.2g} ulp apart."
    )
    return [picture(figure, f"{component.name}: weights", caption, component.name)]

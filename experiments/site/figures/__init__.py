"""The figure of a component follows from its family and its behavior; a new component needs no entry here."""

from __future__ import annotations

from collections.abc import Callable

from experiments.site.figures import (
    arrays,
    averaging,
    clipping,
    distributions,
    elementwise,
    every_float,
    images,
    initialisers,
    losses,
    optimizers,
    schedules,
    sequences,
)
from experiments.site.figures.drawing import Picture
from experiments.site.pages import Component

Draw = Callable[[Component], list[Picture]]

BY_FAMILY: dict[str, list[Draw]] = {
    "activation": [elementwise.draw],
    "loss": [losses.draw],
    "dropout": [images.draw_mask],
    "conv": [images.draw],
    "fold": [images.draw],
    "pooling": [images.draw],
    "padding": [images.draw],
    "vision": [images.draw],
    "pixelshuffle": [images.draw],
    "channelshuffle": [images.draw],
    "normalization": [distributions.draw],
    "recurrent": [sequences.draw_states],
    "attention": [sequences.draw_weights],
    "init": [initialisers.draw],
    "clip": [clipping.draw],
    "optim": [optimizers.draw],
    "lr_scheduler": [schedules.draw],
    "swa_utils": [averaging.draw, schedules.draw],
}


def draw(component: Component) -> list[Picture]:
    """The figures of a component: those of its family, or its arrays if these do not apply; its error at all floats."""
    for way in [*BY_FAMILY.get(component.family, []), arrays.draw]:
        if pictures := way(component):
            return [*pictures, *every_float.draw(component)]
    return every_float.draw(component)

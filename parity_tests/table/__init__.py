"""THE TABLE: one row for each component and case, family by family. Everything else reads it.

A family is a room of scratch, and has its name: its rows stand in the file of this name, its components together in
COMPONENTS.md and on the pages. "optim" is the update rules, one in each file of scratch/optim.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from parity_tests.table import (
    activation,
    attention,
    channelshuffle,
    clip,
    container,
    conv,
    data,
    distance,
    dropout,
    flatten,
    fold,
    init,
    linear,
    loss,
    loss_labels,
    loss_margin,
    lr_scheduler,
    normalization,
    optim,
    padding,
    pixelshuffle,
    pooling,
    recurrent,
    sparse,
    swa_utils,
    transformer,
    utils,
    vision,
)
from parity_tests.table.row import Row

FAMILIES: dict[str, Sequence[Row]] = {
    "linear": linear.ROWS,
    "activation": activation.ROWS,
    "loss": [*loss.ROWS, *loss_labels.ROWS, *loss_margin.ROWS],
    "dropout": dropout.ROWS,
    "conv": conv.ROWS,
    "fold": fold.ROWS,
    "pooling": pooling.ROWS,
    "padding": padding.ROWS,
    "normalization": normalization.ROWS,
    "recurrent": recurrent.ROWS,
    "sparse": sparse.ROWS,
    "attention": attention.ROWS,
    "transformer": transformer.ROWS,
    "vision": vision.ROWS,
    "pixelshuffle": pixelshuffle.ROWS,
    "channelshuffle": channelshuffle.ROWS,
    "distance": distance.ROWS,
    "flatten": flatten.ROWS,
    "container": container.ROWS,
    "init": init.ROWS,
    "clip": clip.ROWS,
    "utils": utils.ROWS,
    "optim": optim.ROWS,
    "lr_scheduler": lr_scheduler.ROWS,
    "swa_utils": swa_utils.ROWS,
    "data": data.ROWS,
}

TABLE: list[Row] = [row for rows in FAMILIES.values() for row in rows]


def select(pattern: str = "") -> list[Row]:
    """The rows of the component of this name; else those whose label contains the pattern, or matches its wildcards.

    Upper and lower case differ. "nn.Linear" is the component, "nn.Linear*" and "Linear" are also other ones.
    """
    if any(c in pattern for c in "*?"):
        return [row for row in TABLE if fnmatchcase(row.label, pattern)]
    return [row for row in TABLE if row.name == pattern] or [row for row in TABLE if pattern in row.label]

"""THE TABLE: one row for each component and case, family by family. Everything else reads it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from parity_tests.table import (
    activation,
    attention,
    averaging,
    clipping,
    container,
    conv,
    distance,
    dropout,
    initialiser,
    linear,
    loss,
    loss_labels,
    loss_margin,
    normalization,
    optimizer,
    padding,
    pooling,
    recurrent,
    scheduler,
    sparse,
    transformer,
    vision,
)
from parity_tests.table.row import Row

FAMILIES: dict[str, Sequence[Row]] = {
    "linear": linear.ROWS,
    "activation": activation.ROWS,
    "loss": [*loss.ROWS, *loss_labels.ROWS, *loss_margin.ROWS],
    "dropout": dropout.ROWS,
    "convolution": conv.ROWS,
    "pooling": pooling.ROWS,
    "padding": padding.ROWS,
    "normalization": normalization.ROWS,
    "recurrent": recurrent.ROWS,
    "sparse": sparse.ROWS,
    "attention": attention.ROWS,
    "transformer": transformer.ROWS,
    "vision": vision.ROWS,
    "distance": distance.ROWS,
    "container": container.ROWS,
    "initialiser": initialiser.ROWS,
    "clipping": clipping.ROWS,
    "optimizer": optimizer.ROWS,
    "scheduler": scheduler.ROWS,
    "averaging": averaging.ROWS,
}

TABLE: list[Row] = [row for rows in FAMILIES.values() for row in rows]


def select(pattern: str = "") -> list[Row]:
    """The rows of the component of this name; else those whose label contains the pattern, or matches its wildcards.

    Upper and lower case differ. "nn.Linear" is the component, "nn.Linear*" and "Linear" are also other ones.
    """
    if any(c in pattern for c in "*?"):
        return [row for row in TABLE if fnmatchcase(row.label, pattern)]
    return [row for row in TABLE if row.name == pattern] or [row for row in TABLE if pattern in row.label]

"""Models of other frameworks as sides. A framework is imported only if an object of its own is compared."""

from __future__ import annotations

import importlib
from typing import Any

from parity_tests.comparer.side import Given, Side

# the first part of the module in which a class among an object's bases is defined, and the file here that knows it
FRAMEWORKS = {
    "keras": "keras_side",
}


def framework_of(model: Any) -> str | None:
    """The framework in which a model, or one of the classes that it is made from, is written."""
    for kind in type(model).__mro__:
        name = kind.__module__.partition(".")[0]
        if name in FRAMEWORKS:
            return name
    return None


def foreign_side(model: Any, given: Given, loss: Any = None) -> Side | None:
    """The side of a model of another framework; None for torch, scratch, NumPy and anything else."""
    framework = framework_of(model)
    if framework is None:
        return None
    room = importlib.import_module(f"{__name__}.{FRAMEWORKS[framework]}")
    return room.side_of(model, given, loss)

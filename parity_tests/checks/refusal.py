"""Check bad input: torch raises, and scratch raises the same class of error, and its message names the component."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity_tests.checks.sides import ScratchSide, TorchSide, draw, generator
from parity_tests.engine import Engine, Torch
from parity_tests.nests import map_nest
from parity_tests.rule import Result, exactly
from parity_tests.table.row import Refusal


def check_refusal(row: Refusal, dtypes: tuple[str, ...], ours: Engine, theirs: Torch) -> list[Result]:
    error, expected = refusal_by(ours, row), refusal_by(theirs, row)
    named = error is not None and row.name.split(".")[-1] in str(error)
    same = error is not None and expected is not None and same_class(error, expected)
    unnamed = "" if named else "; the text names no component"
    note = f"scratch: {verdict(error)}; torch: {verdict(expected)}{unnamed}"
    return [exactly(row.label, "refusal", None, same and named, note)]


def refusal_by(engine: Engine, row: Refusal) -> Exception | None:
    """The error of an engine's component; an optimizer is given one parameter, and not called."""
    if row.name.startswith("optim."):
        parameters = [engine.parameter(np.ones(3, np.float32))]
        return attempt(lambda: engine.find(row.name)(parameters, *row.args, **row.kwargs))[1]
    side: Any = TorchSide if isinstance(engine, Torch) else ScratchSide
    return refusal(row, lambda: side(row, np.float32, engine=engine))


def refusal(row: Refusal, build: Callable[[], ScratchSide | TorchSide]) -> Exception | None:
    """The error of building the component, or else of calling it."""

    def call() -> None:
        side = build()
        inputs, options = draw((row.inputs, row.call), generator(row, 0, 0), np.float32)
        native = lambda x: side.engine.native(x) if isinstance(x, np.ndarray | np.generic) else x  # noqa: E731
        output = side.forward(map_nest(native, inputs), options, True, 0)
        if row.inputs == ():
            raise AssertionError(f"nothing was refused, the output is {output}")

    return attempt(call)[1]


def attempt(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """What a call returns, or its error."""
    try:
        return call(), None
    except Exception as error:
        return None, error


def same_class(ours: Exception, theirs: Exception) -> bool:
    """Whether code that catches either error also catches the other."""
    return isinstance(ours, type(theirs)) or isinstance(theirs, type(ours))


def verdict(error: Exception | None) -> str:
    """What a call did, in a few words."""
    return "accepts it" if error is None else f"{type(error).__name__}: {str(error).splitlines()[0][:140]}"

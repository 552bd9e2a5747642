"""Parameters and gradients with the same values on every engine, and errors that must be alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from parity_tests.engine import ENGINES, Engine


def start(engine: Engine, *shapes: tuple[int, ...], dtype: str = "float32") -> list[Any]:
    """Parameters with the same values on every engine."""
    rng = np.random.default_rng(3)
    values = [np.asarray(rng.normal(size=shape), np.float32).astype(dtype) for shape in shapes]
    return [engine.parameter(value) for value in values]


def give_gradients(engine: Engine, parameters: Iterable[Any], seed: int = 0) -> None:
    """Random gradients, the same on every engine."""
    rng = np.random.default_rng(seed)
    for parameter in parameters:
        gradient = np.asarray(rng.normal(size=tuple(parameter.shape)), np.float32)
        parameter.grad = engine.native(gradient.astype(engine.array_view(parameter).dtype))


def assert_refused_alike(call: Callable[[Engine], Any], name: str) -> None:
    """Both engines raise, of one class, and scratch's text names the component."""
    ours, theirs = (_error(call, engine) for engine in ENGINES.values())
    assert theirs is not None, "torch accepts it"
    assert ours is not None, f"scratch accepts it; torch: {theirs!r}"
    assert isinstance(ours, type(theirs)), f"scratch: {ours!r}; torch: {theirs!r}"
    assert name in str(ours), f"the text names no component: {ours!r}"


def _error(call: Callable[[Engine], Any], engine: Engine) -> Exception | None:
    try:
        call(engine)
    except Exception as error:
        return error
    return None

"""A component's first row on both engines, with equal parameters, for any inputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from experiments.site.pages import Component
from parity_tests.checks.sides import ScratchSide, TorchSide, draw, generator
from parity_tests.nests import leaves
from parity_tests.table.row import Layer, Pair

SEED = 0


def cases(component: Component) -> list[Any]:
    return [row for row in component.rows if isinstance(row, Pair)]


def first_inputs(row: Layer) -> list[Any]:
    """The inputs of forward in the row's first draw, in float32."""
    return list(draw(row.inputs, generator(row, 0, 0), np.dtype(np.float32)))


def sides(row: Layer, dtype: str = "float32") -> tuple[ScratchSide, TorchSide]:
    """Scratch and torch, built from one seed and so with equal weights."""
    return ScratchSide(row, dtype, SEED), TorchSide(row, dtype, SEED)


@contextmanager
def quietly() -> Iterator[None]:
    """Without the warnings that both engines give their users."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def outputs(side: Any, inputs: Any, call: Any = None, training: bool = True) -> list[np.ndarray]:
    """The outputs of forward, flattened, as arrays."""
    given = draw(call or {}, np.random.default_rng(SEED), np.dtype(np.float32))
    if isinstance(side, TorchSide):
        import torch

        from parity_tests.nests import map_nest

        with torch.no_grad():
            result = side.forward(map_nest(side._tensor, tuple(inputs)), given, training, SEED)
        return [np.asarray(y.numpy()) for y in leaves(result) if y is not None]
    import scratch

    with scratch.no_grad():
        result = side.forward(tuple(inputs), given, training, SEED)
    return [np.asarray(y) for y in leaves(result) if y is not None]


def titled(row: Pair) -> str:
    """A component and its case, as captions name them."""
    return f"{row.name} ({row.case})" if row.case else row.name


def has_forward(row: Pair) -> bool:
    return isinstance(row, Layer) and bool(row.inputs)

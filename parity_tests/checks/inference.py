"""Check a layer in eval mode without gradients: the forward alone, over several draws, against the rule."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np

from parity_tests.checks.draws import over_draws
from parity_tests.checks.sides import Numbers, draw, generator, parameter_noise
from parity_tests.engine import Engine, Torch
from parity_tests.nests import leaves, map_nest, numbered
from parity_tests.rule import Result
from parity_tests.table.recipe import Recipe
from parity_tests.table.row import Inference


def check_inference(row: Inference, dtypes: tuple[str, ...], ours: Engine, theirs: Torch) -> list[Result]:
    layer = cache(partial(_layer, row))  # in eval mode it is the same in all draws

    def run(row: Inference, engine: Engine, dtype: str, number: int) -> Numbers:
        return _outputs(layer(engine, dtype), row, engine, dtype, number)

    return over_draws(row, dtypes, ours, theirs, run)


def _layer(row: Inference, engine: Engine, dtype: str) -> Any:
    """The row's layer in eval mode, its parameters off their initial values in float32."""
    layer = _build(row, engine, dtype).eval()
    initial = dict(_build(row, engine, "float32").named_parameters())
    for name, parameter in layer.named_parameters():
        values = engine.array(initial[name]) + parameter_noise(row, name, tuple(parameter.shape))
        parameter.data[...] = engine.native(values.astype(dtype))
    return layer


def _outputs(layer: Any, row: Inference, engine: Engine, dtype: str, number: int) -> Numbers:
    """The outputs of one draw."""
    rng = generator(row, 0, number)
    arrays = {leaf: engine.native(leaf(rng, dtype)) for leaf in leaves(row.inputs) if isinstance(leaf, Recipe)}
    inputs = map_nest(lambda leaf: arrays[leaf] if isinstance(leaf, Recipe) else leaf, row.inputs)
    call = map_nest(lambda leaf: engine.native(leaf(rng, dtype)) if isinstance(leaf, Recipe) else leaf, row.call)
    with engine.no_grad(), engine.fast_path(row.fast_path):
        output = layer(*inputs, **call)
    return {numbered("output", i): engine.array(y) for i, y in enumerate(leaves(output)) if y is not None}


def _build(row: Inference, engine: Engine, dtype: str) -> Any:
    args, kwargs = draw((row.args, row.kwargs), generator(row, 1), np.dtype(dtype))
    engine.seed(7)
    return engine.build(row.name, args, kwargs, dtype)

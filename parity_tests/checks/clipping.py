"""Check gradient clipping: the norm that is returned and every gradient afterwards.

None among the row's gradients means a parameter without one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from parity_tests.checks.draws import over_draws
from parity_tests.checks.sides import Numbers, draw, generator
from parity_tests.engine import Engine
from parity_tests.rule import Result
from parity_tests.table.row import Clipping


def check_clipping(row: Clipping, dtypes: tuple[str, ...], ours: Engine, theirs: Engine) -> list[Result]:
    return over_draws(row, dtypes, ours, theirs, run)


def gradients(row: Clipping, dtype: str, number: int) -> list[np.ndarray | None]:
    return list(draw(row.gradients, generator(row, 0, number), np.dtype(dtype)))


def run(row: Clipping, engine: Engine, dtype: str, number: int) -> Numbers:
    """What the function returns, as "norm", and every gradient afterwards."""
    arrays = gradients(row, dtype, number)
    parameters = [engine.parameter(np.zeros(1 if g is None else g.shape, dtype)) for g in arrays]
    for parameter, gradient in zip(parameters, arrays, strict=True):
        parameter.grad = None if gradient is None else engine.native(gradient)
    returned = _call(row, engine, parameters, dtype)
    after = {f"gradient {i}": engine.array(p.grad) for i, p in enumerate(parameters) if p.grad is not None}
    return after if returned is None else {"norm": engine.array(returned), **after}


def _call(row: Clipping, engine: Engine, parameters: list[Any], dtype: str) -> Any:
    function = engine.find(row.name)
    if row.name.endswith("get_total_norm"):
        return function([p.grad for p in parameters if p.grad is not None], **row.kwargs)
    if row.name.endswith("clip_grads_with_norm_"):
        norm = engine.native(np.array(row.kwargs["total_norm"], dtype))
        return function(parameters, row.kwargs["max_norm"], norm)
    return function(parameters, **row.kwargs)

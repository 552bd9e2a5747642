"""Parameters that lie strided or in another order in memory give the same outputs and gradients, in every layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from parity_tests.checks.sides import Numbers, ScratchSide, draw, generator
from parity_tests.table import TABLE
from parity_tests.table.row import Layer


def every_second(x: np.ndarray) -> np.ndarray:
    """The same numbers, with NaN in the gaps between them."""
    wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan, x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


ORDERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"Fortran": np.asfortranarray, "strided": every_second}
FIRST = {row.name: row for row in reversed(TABLE) if isinstance(row, Layer) and row.smooth}


def outcome(row: Layer, order: Callable[[np.ndarray], np.ndarray] | None) -> Numbers:
    """Outputs, gradients of inputs and parameters, buffers; nothing of a layer without parameters."""
    side = ScratchSide(row, np.float32)
    named = dict(side.module.named_parameters())
    rng = generator(row, 1)
    for parameter in named.values():
        values = rng.normal(size=parameter.data.shape).astype(np.float32)
        parameter.data = values if order is None or not values.ndim else order(values)
    return side.run(draw(row.inputs, generator(row, 0), np.float32), row.call) if named else {}


@pytest.mark.parametrize("name", FIRST)
def test_the_order_in_memory_changes_nothing(name: str) -> None:
    usual = outcome(FIRST[name], None)
    for what, order in ORDERS.items() if usual else ():
        for key, value in outcome(FIRST[name], order).items():
            size = float(np.abs(usual[key]).max(initial=1e-30))
            np.testing.assert_allclose(value, usual[key], 2e-5, 2e-5 * size, err_msg=f"{name}, {what}, {key}")


def test_layers_with_parameters_are_among_them() -> None:
    assert {"nn.Linear", "nn.Conv2d", "nn.LSTM", "nn.BatchNorm2d", "nn.MultiheadAttention", "nn.Embedding"} <= {*FIRST}

"""Parameters and buffers in any memory layout: transposed, with gaps, reversed."""

import numpy as np
import pytest

from parity_tests.checks.sides import ScratchSide, draw, generator, leaves
from parity_tests.tests.properties.example import rows
from parity_tests.tests.test_refusals_sweep import FIRST


def with_gaps(x):
    """The same numbers, with NaN between them."""
    if not x.ndim:
        return x
    wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan if x.dtype.kind == "f" else -1, x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


LAYOUTS = {
    "Fortran order": lambda x: np.array(x, order="F"),
    "with gaps": with_gaps,
    "reversed": lambda x: np.array(x[::-1])[::-1] if x.ndim else x,
}


def parts(side):
    """Every array of the state, as (module, name, parameter or None)."""
    for module in side.module.modules():
        for name, parameter in module.named_parameters(recurse=False):
            yield module, name, parameter
        for name, _ in module.named_buffers(recurse=False):
            yield module, name, None


def computed(row, layout):
    """Output, input gradients, parameter gradients and state after one forward and backward, in float64."""
    side = ScratchSide(row, np.float64)
    for module, name, parameter in parts(side):
        if parameter is None:
            setattr(module, name, layout(getattr(module, name)))
        else:
            parameter.data = layout(parameter.data)
    inputs, call = draw((row.inputs, row.call), generator(row, 0), np.float64)
    output = side.forward(inputs, call, True, 0)
    gradients = side.backward(side.cotangents(output))
    own = [parameter.grad for parameter in side.module.parameters()]
    found = leaves([output, gradients, own, list(side.state().values())])
    return [None if x is None else np.array(x) for x in found]


WITH_STATE = [name for name in FIRST if any(parts(ScratchSide(rows()[FIRST[name]], np.float64)))]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("name", WITH_STATE)
def test_the_layout_of_a_parameter_changes_nothing(name, layout):
    row = rows()[FIRST[name]]
    plain, other = computed(row, lambda x: x), computed(row, layout)
    assert len(plain) == len(other)
    for a, b in zip(plain, other, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12) if a is not None else None
    assert any(x is not None for x in plain)


def test_layers_with_parameters_are_among_them():
    assert {"nn.Linear", "nn.Conv2d", "nn.LSTM", "nn.BatchNorm2d", "nn.MultiheadAttention", "nn.Embedding"} <= {
        *WITH_STATE
    }

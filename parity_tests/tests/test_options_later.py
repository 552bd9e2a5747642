"""Options that are assigned to a layer after it was built count, as in torch; none is forgotten."""

import numpy as np
import pytest
import torch

import scratch
from parity_tests.checks.sides import ScratchSide, TorchSide, draw, generator, leaves
from parity_tests.nests import map_nest
from parity_tests.tests.properties.refusal_text import fault
from parity_tests.tests.test_options import (
    components_with_options,
    exact,
    forward_and_backward,
    options_of,
    row_of,
    same_bits,
)
from parity_tests.tests.test_refusals_sweep import outcome

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's, of what is deprecated or slow

VALUES = {
    int: (1, 2, 3, 0),
    float: (0.5, 0.25, 2.0, 1e-3),
    bool: (True, False),
    str: ("none", "sum", "mean", "tanh", "relu", "nearest", "bilinear", "reflect", "circular", "zeros"),
    tuple: ((1, 1), (2, 2)),
}
SIZES = {("nn.LSTM", "hidden_size"), ("nn.LSTM", "bias")}  # of weights that are there already: torch's LSTM reads them


def output(side, inputs, call):
    """The arrays of one output in training mode."""
    if isinstance(side, TorchSide):
        inputs = map_nest(lambda x: torch.tensor(x) if isinstance(x, np.ndarray) else x, inputs)
    y = side.forward(inputs, call, True, 3)
    return [np.asarray(x.detach() if isinstance(x, torch.Tensor) else x) for x in leaves(y) if x is not None]


def near(a, b):
    return len(a) == len(b) and all(
        x.shape == y.shape and np.allclose(x, y, rtol=1e-4, atol=1e-5, equal_nan=True)
        for x, y in zip(a, b, strict=True)
    )


def sides(name):
    """Both engines' component of the row, with the same parameters."""
    row = row_of(name)
    ours, theirs = ScratchSide(row, np.float32, 7), TorchSide(row, np.float32, 7)
    ours.module.load_state_dict({key: np.array(value) for key, value in theirs.state().items()})
    return ours, theirs


def followed(name, key, value):
    """Whether scratch follows an assignment that torch follows, or refuses it in words; None if torch does not."""
    ours, theirs = sides(name)
    inputs, call = draw((row_of(name).inputs, row_of(name).call), generator(row_of(name), 0), np.float32)
    if not hasattr(theirs.module, key):
        return None
    before = output(theirs, inputs, call)
    found = []
    if outcome(lambda: (setattr(theirs.module, key, value), found.append(output(theirs, inputs, call)))) is not None:
        return None
    if near(found[0], before):
        return None
    got = []
    refusal = outcome(lambda: (setattr(ours.module, key, value), got.append(output(ours, inputs, call))))
    return near(got[0], found[0]) if refusal is None else not fault(refusal)


@pytest.mark.parametrize("name", [name for name in components_with_options() if name.startswith("nn.")])
def test_an_option_assigned_later_counts_as_in_torch(name):
    forgotten = [
        (key, value)
        for key, default in options_of(name).items()
        for value in VALUES.get(type(default), ())
        if (name, key) not in SIZES and value != default and followed(name, key, value) is False
    ]
    assert not forgotten


def test_such_options_are_found():
    assert followed("nn.ELU", "alpha", 0.5)
    assert followed("nn.Unfold", "stride", 2)
    assert followed("nn.LSTM", "hidden_size", 1) is False


@pytest.mark.parametrize("name", [name for name in components_with_options() if name.startswith("nn.")])
def test_a_numpy_scalar_assigned_later_is_the_number(name):
    for key, value in options_of(name).items():
        if type(value) is not float or not hasattr(ScratchSide(row_of(name), np.float32).module, key):
            continue
        found = []
        for kind in (float, np.float64, np.float32):
            side = ScratchSide(row_of(name), np.float32)
            if isinstance(getattr(side.module, key), scratch.nn.Module):
                break
            setattr(side.module, key, kind(exact(value)))
            found.append(forward_and_backward(side, row_of(name)))
        assert all(same_bits(one, found[0]) for one in found), key

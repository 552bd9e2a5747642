"""Masked arrays, matrices, objects, text, records, dates and foreign byte orders: one rule, at every door."""

import numpy as np
import pytest
import torch

import scratch
from parity_tests.checks.sides import ScratchSide, draw, generator
from parity_tests.tests.properties.example import rows
from parity_tests.tests.properties.refusal_text import fault
from parity_tests.tests.test_refusals_sweep import FIRST
from scratch import nn, random
from scratch.nn.utils import rnn

pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")

X = np.ones((2, 3), np.float32)
RULES_OF_THEIR_OWN = {"masked": np.ma.MaskedArray, "matrix": lambda x: np.asmatrix(np.reshape(x, (1, -1)))}
OTHER_CONTENTS = {
    "objects": lambda x: x.astype(object),
    "text": lambda x: np.full(x.shape, "x"),
    "records": lambda x: np.zeros(x.shape, [("a", "f4")]),
    "dates": lambda x: np.zeros(x.shape, "M8[s]"),
    "foreign byte order": lambda x: x.astype(x.dtype.newbyteorder(">")),
}
KINDS = RULES_OF_THEIR_OWN | OTHER_CONTENTS


def is_number(x):
    return isinstance(x, np.ndarray) and x.dtype.itemsize > 1  # one byte has no order


def each_disguised(nest, disguise):
    """The nest, once for each array in it with that one disguised."""
    if isinstance(nest, tuple):
        for i, part in enumerate(nest):
            for other in each_disguised(part, disguise):
                parts = (*nest[:i], other, *nest[i + 1 :])
                yield type(nest)(*parts) if hasattr(nest, "_fields") else parts
    elif is_number(nest):
        yield disguise(nest)


@pytest.mark.parametrize("name", FIRST)
def test_no_layer_computes_with_them(name):
    row = rows()[FIRST[name]]
    side = ScratchSide(row, np.float32)
    inputs, call = draw((row.inputs, row.call), generator(row, 0), np.float32)
    for kind, disguise in KINDS.items():
        for strange in each_disguised(tuple(inputs), disguise):
            with pytest.raises(TypeError, match=r"must be a NumPy array, got (a|an) (masked|matrix|array)") as error:
                side.module(*strange, **call)
            assert not fault(error.value), kind


@pytest.mark.parametrize("name", FIRST)
def test_no_cotangent_has_rules_of_its_own(name):
    row = rows()[FIRST[name]]
    side = ScratchSide(row, np.float32)
    inputs, call = draw((row.inputs, row.call), generator(row, 0), np.float32)
    cotangents = side.cotangents(side.forward(inputs, call, True, 0))
    several = tuple(cotangents) if isinstance(cotangents, tuple | list) else (cotangents,)
    for strange in each_disguised(several, np.ma.MaskedArray):
        side.forward(inputs, call, True, 0)
        with pytest.raises(TypeError, match=r"the cotangent must be a plain array, got a masked array") as error:
            side.module.backward(*strange)
        assert not fault(error.value)
    side.module.forget()


def test_a_matrix_of_the_outputs_shape_is_no_cotangent():
    layer = nn.GELU()
    layer(X)
    with pytest.raises(TypeError, match=r"GELU\(approximate='none'\)\.backward: the cotangent .* got a matrix"):
        layer.backward(np.asmatrix(X))


def stepped(gradient):
    parameter = nn.Parameter(X.copy())
    parameter.grad = gradient
    scratch.optim.SGD([parameter], lr=0.1).step()


DOORS = {
    "Parameter": nn.Parameter,
    "a buffer": lambda x: nn.Module().register_buffer("mean", x),
    "a state": lambda x: nn.Bilinear(1, 3, 2, bias=False).load_state_dict({"weight": x}),
    "a gradient": stepped,
    "an initialiser": nn.init.normal_,
    "a fill": random.uniform_,
    "a dataset": scratch.data.TensorDataset,
    "a vector": lambda x: nn.utils.vector_to_parameters(x, [nn.Parameter(X.copy())]),
    "sequences": lambda x: rnn.pad_sequence([X, x]),
    "a padded batch": lambda x: rnn.pack_padded_sequence(x, [2, 1, 1]),
}


@pytest.mark.parametrize("door", DOORS)
def test_no_door_takes_an_array_with_rules_of_its_own(door):
    for strange in (np.ma.masked_array(X, X > 0), np.asmatrix(X)):
        with pytest.raises(TypeError, match=r"(must be a plain array), got (a masked array|a matrix)\. ") as error:
            DOORS[door](strange)
        assert not fault(error.value)


def test_a_state_in_a_foreign_byte_order_is_the_same_numbers():
    layer = nn.PReLU(3)
    layer.load_state_dict({"weight": np.arange(3, dtype=">f4")})
    assert np.array_equal(layer.weight.data, [0, 1, 2])
    assert layer.weight.dtype.isnative


@pytest.mark.parametrize("dtype", [np.float16, "bfloat16"])
def test_a_state_in_half_precision_is_refused(dtype):
    half = np.ones(3, dtype) if dtype is np.float16 else torch.ones(3, dtype=torch.bfloat16)
    layer = nn.PReLU(3, init=0.5)
    with pytest.raises(RuntimeError, match=r"PReLU.load_state_dict: .*weight is in b?float16, but .* Widen it first"):
        layer.load_state_dict({"weight": half})
    assert (layer.weight.data == 0.5).all()

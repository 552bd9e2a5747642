"""What a beginner does wrong on the first day: one clear line, which names the call and not what it is built of."""

import numpy as np
import pytest

import scratch
from parity_tests.tests.properties.example import rows
from parity_tests.tests.properties.refusal_text import fault
from parity_tests.tests.test_refusals_sweep import FIRST, outcome, side_of
from scratch import nn, optim

X = np.ones((2, 4), np.float32)


def network():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU())


MISTAKES = {
    "an option is missing": (lambda: nn.Linear(4), TypeError, r"Linear: missing .*'out_features'\. It takes in_f"),
    "in a family": (lambda: nn.Conv2d(3, 4), TypeError, r"Conv2d: missing a required argument: 'kernel_size'"),
    "an option that is none": (lambda: nn.Linear(4, 3, biaz=True), TypeError, r"Linear: .*'biaz'\. It takes .*bias"),
    "no input": (lambda: network()(), TypeError, r"Sequential: missing a required argument: 'x'\. It takes x\."),
    "no input, recurrent": (lambda: nn.LSTM(4, 3)(), TypeError, r"LSTM: missing a required argument: 'x'"),
    "two inputs": (lambda: nn.Linear(4, 3)(X, X), TypeError, r"Linear: too many positional arguments\. It takes x\."),
    "no target": (lambda: nn.MSELoss()(X), TypeError, r"MSELoss: missing .*'target'\. It takes x, target\."),
    "another name": (lambda: network()(images=X), TypeError, r"Sequential: got an unexpected .*'images'. It takes x"),
    "no key": (lambda: nn.MultiheadAttention(4, 2)(X), TypeError, r"MultiheadAttention: missing .*'key'"),
    "backward of nothing": (lambda: network().backward(), TypeError, r"Sequential\.backward: missing .*'dy'"),
    "backward, elementwise": (lambda: nn.ReLU().backward(), TypeError, r"ReLU\.backward: missing .*'dy'"),
    "backward, recurrent": (lambda: nn.GRU(4, 3).backward(), TypeError, r"GRU\.backward: missing .*'dy'"),
    "a layer that is not there": (lambda: network()[7], IndexError, r"Sequential: no layer 7 among 2"),
    "a number for a generator": (
        lambda: nn.Linear(4, 3, generator=3),
        TypeError,
        r"must be a scratch\.Generator .*int",
    ),
    "a draw from a number": (lambda: scratch.rand(3, generator=1), TypeError, r"must be a scratch\.Generator or None"),
    "a word for a seed": (lambda: scratch.manual_seed("a"), ValueError, r"manual_seed: the seed .* got 'a'"),
    "nothing for a seed": (lambda: scratch.manual_seed(None), TypeError, r"manual_seed: the seed .* got None"),
    "a step with the loss": (
        lambda: optim.SGD(network().parameters(), lr=0.1).step(0.3),
        TypeError,
        r"SGD\.step: closure .* got float",
    ),
}


@pytest.mark.parametrize(("call", "kind", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_first_mistake_is_named(call, kind, message):
    with pytest.raises(kind, match=message) as error:
        call()
    assert not fault(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", FIRST)
def test_a_layer_without_inputs_is_called_by_its_name(name):
    """None of the files' private classes, which share a forward or a constructor."""
    side, *_ = side_of(name)
    for call in (side.module, lambda: side.module(nothing=X)):
        with pytest.raises(TypeError) as error:
            call()
        assert str(error.value).startswith(f"{name.removeprefix('nn.')}: ")
    refusal = outcome(lambda: type(side.module)(*range(40)))  # Identity takes anything, as torch's does
    assert refusal is None or str(refusal).startswith(name.removeprefix("nn."))


def test_an_error_inside_a_forward_of_ones_own_is_ones_own():
    class Own(nn.Module):
        def forward(self, x):
            return len(3)

    with pytest.raises(TypeError, match=r"^object of type 'int' has no len\(\)$"):
        Own()(X)


def test_every_component_is_among_them():
    assert {rows()[label].name for label in FIRST.values()} == set(FIRST)

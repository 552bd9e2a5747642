"""Initialisers and gradient clipping beyond their rows: bad input, warnings, generators."""

import numpy as np
import pytest
import torch

import scratch
from parity_tests.engine import ENGINES
from parity_tests.tests.alike import assert_refused_alike, give_gradients, start
from scratch.nn import Parameter

BAD_FILLS = {
    "uniform_": ((3,), (2, 1)),
    "normal_": ((3,), (0, -1)),
    "trunc_normal_": ((3,), (0, 0)),
    "trunc_normal_ bounds": ((3,), (0, 1, 2, -2)),
    "constant_": ((3,), (1e300,)),
    "eye_": ((3,), ()),
    "dirac_": ((3, 4), ()),
    "dirac_ groups": ((3, 4, 5), (2,)),
    "dirac_ kernel": ((4, 2, 0), ()),
    "xavier_uniform_": ((3,), ()),
    "xavier_normal_": ((3,), ()),
    "xavier_uniform_ empty": ((0, 0), ()),
    "kaiming_uniform_": ((3,), ()),
    "kaiming_uniform_ mode": ((3, 4), (0, "fan_x")),
    "kaiming_normal_ mode": ((3, 4), (0, "fan_x")),
    "orthogonal_": ((3,), ()),
    "sparse_": ((3,), (0.5,)),
}


@pytest.mark.parametrize("case", BAD_FILLS)
def test_bad_input_to_an_initialiser(case):
    name, *_ = case.split()
    shape, arguments = BAD_FILLS[case]
    assert_refused_alike(
        lambda engine: getattr(engine.lib.nn.init, name)(engine.native(np.zeros(shape, np.float32)), *arguments), name
    )


def test_initialisers_take_parameters_and_return_them():
    parameter = Parameter(np.zeros((3, 5), np.float32))
    data = parameter.data
    assert scratch.nn.init.xavier_normal_(parameter) is parameter
    assert parameter.data is data
    assert data.all()


def test_initialisers_use_the_generator_they_are_given():
    ours, theirs = np.zeros((7, 5), np.float32), torch.zeros(7, 5)
    scratch.manual_seed(1)
    scratch.nn.init.kaiming_normal_(ours, generator=scratch.Generator().manual_seed(5))
    torch.nn.init.kaiming_normal_(theirs, generator=torch.Generator().manual_seed(5))
    np.testing.assert_array_equal(ours, theirs.numpy())
    np.testing.assert_array_equal(scratch.get_rng_state(), scratch.Generator().manual_seed(1).get_state())


WARNED = [
    ("kaiming_uniform_", (0, 3), (), "nothing to init|no-op"),
    ("kaiming_normal_", (3, 0), (), "nothing to init|no-op"),
    ("trunc_normal_", (3,), (9.0,), "more than 2 std"),
]


@pytest.mark.parametrize(("name", "shape", "arguments", "text"), WARNED)
def test_initialisers_warn_as_torch_does(name, shape, arguments, text):
    for engine in ENGINES.values():
        with pytest.warns(UserWarning, match=text):
            getattr(engine.lib.nn.init, name)(engine.native(np.zeros(shape, np.float32)), *arguments)


NONLINEARITIES = ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
NONLINEARITIES += ["sigmoid", "tanh", "relu", "leaky_relu", "selu"]


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_calculate_gain(name):
    for param in (None, 0, 0.3, 2) if name == "leaky_relu" else (None,):
        assert scratch.nn.init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)


@pytest.mark.parametrize("arguments", [("gelu",), ("leaky_relu", True), ("leaky_relu", "0.1")])
def test_calculate_gain_refuses(arguments):
    assert_refused_alike(lambda engine: engine.lib.nn.init.calculate_gain(*arguments), "calculate_gain")


def test_clipping_refuses_what_torch_refuses():
    def nan_gradient(engine):
        parameters = start(engine, (2,))
        give_gradients(engine, parameters)
        parameters[0].grad[0] = float("nan")
        return parameters

    assert_refused_alike(
        lambda engine: engine.lib.nn.utils.clip_grad_norm_(nan_gradient(engine), 1.0, error_if_nonfinite=True), "norm"
    )
    assert_refused_alike(lambda engine: engine.lib.nn.utils.clip_grad_norm_([1.0], 1.0), "clip_grad_norm_")


@pytest.mark.parametrize("order", [float("inf"), -1.0])
def test_an_empty_array_has_no_norm_of_this_order(order):
    empty = np.zeros(0, np.float32)
    assert_refused_alike(
        lambda engine: engine.lib.nn.utils.get_total_norm([engine.native(empty)], order), "get_total_norm"
    )


def test_clipping_nothing_gives_zero():
    nothing: list[Parameter] = []
    for engine in ENGINES.values():
        assert float(engine.lib.nn.utils.clip_grad_norm_(nothing, 1.0)) == 0
        with pytest.warns(UserWarning, match="empty"):
            engine.lib.nn.utils.clip_grad_norm_((p for p in nothing), 1.0)

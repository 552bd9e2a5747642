"""state_dicts with accidents: refused in our own words, with nothing changed, or taken and used without an error.

A fixed sample runs always, ten times as many with -m deep. Hyperparameters out of their range are taken, as by torch.
"""

import copy
import random

import numpy as np
import pytest
import torch

import scratch
from parity_tests.tests.mutations import changed, damaged
from parity_tests.tests.properties.refusal_text import fault
from parity_tests.tests.test_refusals_sweep import RULES, SCHEDULES, outcome
from scratch import optim
from torch_impl import bridge
from torch_impl.files import FileRefusedError

FIXED = 25
DEPTHS = [pytest.param(FIXED, id="fixed"), pytest.param(10 * FIXED, id="deep", marks=pytest.mark.deep)]
pytestmark = pytest.mark.filterwarnings("ignore")


def frozen(nest):
    """A nest as something that == compares, arrays by their bytes."""
    if isinstance(nest, dict):
        return {key: frozen(value) for key, value in nest.items()}
    if isinstance(nest, list | tuple):
        return [frozen(value) for value in nest]
    return (nest.shape, nest.tobytes()) if isinstance(nest, np.ndarray | np.generic) else nest


def refused_or_used(target, state, use):
    """Load a state into a target; what is wrong with its refusal, or with the error of its use."""
    before = frozen(target.state_dict())
    error = outcome(lambda: target.load_state_dict(state))
    if error is not None:
        assert frozen(target.state_dict()) == before, f"changed, though refused: {error}"
        return fault(error)
    error = outcome(use)
    return "" if error is None or isinstance(error, ArithmeticError) else f"taken, and then: {fault(error)}"


def small_net():
    scratch.manual_seed(0)
    return scratch.nn.Sequential(scratch.nn.Linear(3, 4), scratch.nn.BatchNorm1d(4), scratch.nn.PReLU())


@pytest.mark.parametrize("count", DEPTHS)
def test_states_of_modules(count):
    rng, state = random.Random(0), {name: x.copy() for name, x in small_net().state_dict().items()}
    x = np.ones((2, 3), np.float32)
    for _ in range(4 * count):
        net = small_net()
        wrong = changed(rng, state)
        found = refused_or_used(net, wrong, lambda net=net: net.backward(np.ones_like(net(x))))
        assert not found, (wrong, found)


@pytest.mark.parametrize("count", DEPTHS)
@pytest.mark.parametrize("name", RULES)
def test_states_of_optimizers(name, count):
    def trained():
        parameters = [scratch.nn.Parameter(np.ones((3, 2), np.float32))]
        optimizer = getattr(optim, name)(parameters)

        def step():
            parameters[0].grad = np.full((3, 2), 0.1, np.float32)
            optimizer.step(*([lambda: 1.0] if name == "LBFGS" else []))

        step()
        step()
        return optimizer, step

    rng, state = random.Random(name), copy.deepcopy(trained()[0].state_dict())
    for _ in range(count):
        wrong = changed(rng, state)
        found = refused_or_used(trained()[0], wrong, lambda: None)
        assert not found, (wrong, found)
        optimizer, step = trained()
        with np.errstate(all="ignore"):
            found = refused_or_used(optimizer, wrong, step)
        assert not found, (wrong, found)


BUILT_ONCE = {"LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler"}  # their arguments are functions


@pytest.mark.parametrize("count", DEPTHS)
@pytest.mark.parametrize("name", [name for name in SCHEDULES if name not in BUILT_ONCE])
def test_states_of_schedules(name, count):
    def made():
        row = SCHEDULES[name]
        optimizer = getattr(optim, row.optimizer)([scratch.nn.Parameter(np.ones(2, np.float32))], lr=0.1)
        return getattr(optim.lr_scheduler, name)(**{**row.kwargs, "optimizer": optimizer})

    rng, state = random.Random(name), copy.deepcopy(made().state_dict())
    for _ in range(2 * count):
        wrong = changed(rng, state)
        found = refused_or_used(made(), wrong, lambda: None)
        assert not found, (wrong, found)


@pytest.mark.parametrize("count", DEPTHS)
@pytest.mark.parametrize("lib", ["scratch", "torch"])
def test_arrays_and_files_for_either_kind_of_module(lib, count, tmp_path):
    """The bridge's two ways in: a dict of arrays, and a safetensors file. torch words its own refusals."""
    rng, path = random.Random(lib), tmp_path / "x.safetensors"
    make = small_net if lib == "scratch" else lambda: torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.PReLU())
    state = bridge.arrays(make())
    bridge.save_safetensors(make(), path)
    content = path.read_bytes()
    for _ in range(2 * count):
        net, wrong = make(), changed(rng, state)
        before = frozen(bridge.arrays(net))
        error = outcome(lambda net=net, wrong=wrong: bridge.load_arrays(net, wrong))
        if error is not None:
            assert isinstance(error, RuntimeError | TypeError | ValueError), (wrong, error)
            assert lib == "torch" or frozen(bridge.arrays(net)) == before
        path.write_bytes(damaged(rng, content))
        error = outcome(lambda net=net: bridge.load_safetensors(net, path))
        assert error is None or isinstance(error, FileRefusedError | RuntimeError), error

"""Module, Parameter and the containers keep torch's bookkeeping: names, order, modes, state."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from parity_tests.rule import distance, float32_limit


def network(lib):
    """Nested, with a list, a shared layer, buffers and a layer without bias."""

    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = lib.nn.Linear(3, 2, bias=False)
            self.blocks = lib.nn.ModuleList([lib.nn.Linear(3, 3), lib.nn.Dropout(0.5)])
            self.body = lib.nn.Sequential(lib.nn.Linear(3, 5), lib.nn.Sequential(lib.nn.Linear(5, 3)))
            self.tied = self.blocks[0]
            buffer = np.zeros(3, np.float32) if lib is scratch else torch.zeros(3)
            self.register_buffer("mean", buffer)
            self.register_buffer("temporary", buffer, persistent=False)
            self.register_buffer("absent", None)

    return Net()


def test_names_are_torchs():
    ours, theirs = network(scratch), network(torch_impl)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert [n for n, _ in ours.named_buffers()] == [n for n, _ in theirs.named_buffers()]
    assert [n for n, _ in ours.named_children()] == [n for n, _ in theirs.named_children()]
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]
    assert len(list(ours.parameters())) == len(list(theirs.parameters()))


def test_train_and_eval_reach_every_module():
    net = network(scratch)
    net.eval()
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    with pytest.raises(ValueError, match="mode"):
        net.train("yes")


def test_apply_visits_children_first():
    order = []
    for lib in (scratch, torch_impl):
        visited = []
        lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.Sequential(lib.nn.ReLU())).apply(
            lambda m, visited=visited: visited.append(type(m).__name__)
        )
        order.append(visited)
    assert order[0] == order[1]


def test_load_state_dict_takes_torchs():
    ours, theirs = network(scratch), network(torch_impl)
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    for name, value in theirs.state_dict().items():
        assert np.array_equal(ours.state_dict()[name], value.numpy())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("head.weight"), "missing key"),
        (lambda s: s.update(other=np.zeros(1)), "unexpected key"),
        (lambda s: s.update({"head.weight": np.zeros((2, 4))}), "size mismatch for head.weight"),
    ],
)
def test_a_wrong_state_dict_changes_nothing(change, message):
    net = network(scratch)
    before = copy.deepcopy(net.state_dict())
    state = {name: value + 1 for name, value in net.state_dict().items()}
    change(state)
    with pytest.raises(RuntimeError, match=message):
        net.load_state_dict(state)
    assert all(np.array_equal(before[name], value) for name, value in net.state_dict().items())


def test_not_strict_reports_what_it_left():
    net = scratch.nn.Linear(3, 2)
    assert net.load_state_dict({"weight": np.ones((2, 3)), "other": 1}, strict=False) == (["bias"], ["other"])
    assert (net.weight.data == 1).all()


def test_gradients_accumulate_and_zero_grad_forgets():
    layer = scratch.nn.Linear(3, 2)
    x, dy = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
    for expected in (4, 8):
        layer(x)
        layer.backward(dy)
        assert (layer.weight.grad == expected).all()
    layer.zero_grad()
    assert layer.weight.grad is None


def test_a_shared_parameter_collects_both_gradients():
    a, b = scratch.nn.Linear(3, 3), scratch.nn.Linear(3, 3)
    b.weight = a.weight
    net = scratch.nn.Sequential(a, b)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    twin = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    twin[1].weight = twin[0].weight
    twin.load_state_dict({name: torch.tensor(value) for name, value in net.state_dict().items()})
    net(x)
    net.backward(np.ones((4, 3), np.float32))
    twin(torch.tensor(x)).sum().backward()
    assert distance(a.weight.grad, twin[0].weight.grad.numpy()) <= float32_limit(0)
    assert len(list(net.parameters())) == len(list(twin.parameters())) == 3


def test_a_frozen_parameter_gets_no_gradient():
    layer = scratch.nn.Linear(3, 2)
    layer.weight.requires_grad = False
    layer(np.ones((4, 3), np.float32))
    layer.backward(np.ones((4, 2), np.float32))
    assert layer.weight.grad is None
    assert layer.bias.grad is not None


def gradients(net, x, dy):
    """What one backward returns, and every parameter's gradient."""
    net.zero_grad()
    net(x)
    return net.backward(dy), [p.grad.copy() for p in net.parameters()]


@pytest.mark.parametrize("nested", [False, True])
def test_an_input_gradient_that_nobody_needs_is_not_computed(nested):
    nn = scratch.nn
    first = nn.Sequential(nn.Flatten(), nn.Linear(6, 5))
    net = nn.Sequential(first, nn.Tanh(), nn.Linear(5, 2)) if nested else nn.Sequential(*first, nn.Linear(5, 2))
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(7, 2, 3)).astype(np.float32), rng.normal(size=(7, 2)).astype(np.float32)
    dx, all_gradients = gradients(net, x, dy)
    assert dx.shape == x.shape
    assert net.requires_input_grad_(False) is net
    nothing, same_gradients = gradients(net, x, dy)
    assert nothing is None
    assert all(np.array_equal(a, b) for a, b in zip(all_gradients, same_gradients, strict=True))
    assert all(module.saved is None for module in net.modules())
    with pytest.raises(RuntimeError, match="nothing saved"):
        net.backward(dy)
    assert np.array_equal(gradients(net.requires_input_grad_(), x, dy)[0], dx)


def test_the_first_gradient_goes_into_the_optimizers_buffer_and_the_second_is_added():
    a, b = np.eye(2, 3, dtype=np.float32), np.arange(12, dtype=np.float32).reshape(3, 4)
    alone, owned = (
        scratch.nn.Parameter(np.zeros((2, 4), np.float32)),
        scratch.nn.Parameter(np.zeros((2, 4), np.float32)),
    )
    scratch.optim.SGD([owned])
    for times in (1, 2):
        for parameter in (alone, owned):
            parameter.accumulate_product(a, b)
            assert np.array_equal(parameter.grad, times * (a @ b))
        assert owned.grad is owned.grad_buffer
    for wrong in (b.T, b.astype(np.float64)):
        with pytest.raises(RuntimeError, match="backward is wrong"):
            owned.accumulate_product(a, wrong[:3])
    alone.grad, alone.requires_grad = None, False
    alone.accumulate_product(a, b)
    assert alone.grad is None


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: scratch.nn.Linear(3, 2)([[1.0, 2.0, 3.0]]), TypeError, "must be a NumPy array"),
        (lambda: scratch.nn.Linear(3, 2)(torch.ones(1, 3)), TypeError, "torch.Tensor"),
        (lambda: scratch.nn.Linear(3, 2)(np.ones((1, 3))), RuntimeError, "float32 like the weight, got float64"),
        (lambda: scratch.nn.Linear(784, 2)(np.ones((32, 28, 28), np.float32)), RuntimeError, "Flatten it first"),
        (lambda: scratch.nn.Linear(3, 2).backward(np.ones((1, 2), np.float32)), RuntimeError, "nothing saved"),
        (lambda: scratch.nn.Sequential(scratch.nn.ReLU), TypeError, "without calling it"),
        (lambda: scratch.nn.Parameter(np.zeros(3, int)), RuntimeError, "only float32 and float64"),
    ],
)
def test_bad_input_is_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("lib", [scratch, torch_impl], ids=["scratch", "torch"])
def test_module_list_is_a_list(lib):
    layers = lib.nn.ModuleList([lib.nn.Linear(1, n) for n in (1, 2)])
    layers.append(lib.nn.Linear(1, 4))
    layers.insert(2, lib.nn.Linear(1, 3))
    layers.extend([lib.nn.Linear(1, 6)])
    layers[4] = lib.nn.Linear(1, 5)
    assert [layer.out_features for layer in layers] == [1, 2, 3, 4, 5]
    del layers[0]
    assert [layer.out_features for layer in layers[1:]] == [3, 4, 5]
    assert list(layers.state_dict()) == [f"{i}.{name}" for i in range(4) for name in ("weight", "bias")]


def test_scratch_needs_no_torch():
    """With torch and everything above blocked, scratch imports and trains a step."""
    program = """
import sys
for name in ("torch", "scipy", "sklearn", "lightning", "torch_impl", "parity_tests", "experiments"):
    sys.modules[name] = None
import numpy as np, scratch
scratch.manual_seed(0)
net = scratch.nn.Sequential(scratch.nn.Linear(4, 8), scratch.nn.ReLU(), scratch.nn.Linear(8, 3))
loss, opt = scratch.nn.CrossEntropyLoss(), scratch.optim.Adam(net.parameters())
x, t = scratch.randn(16, 4), scratch.randint(0, 3, (16,))
before = loss(net(x), t)
for _ in range(50):
    opt.zero_grad(); loss(net(x), t); net.backward(loss.backward()); opt.step()
assert loss(net(x), t) < before
"""
    subprocess.run([sys.executable, "-c", program], check=True)

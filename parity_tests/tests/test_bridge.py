"""The bridge: parameters either way, NumPy modules and optimizers inside torch."""

import copy

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from parity_tests.rule import bits_equal
from torch_impl import bridge


def mlp(lib, **dtype):
    return lib.nn.Sequential(lib.nn.Linear(5, 7, **dtype), lib.nn.Tanh(), lib.nn.Linear(7, 3, **dtype))


@pytest.fixture(autouse=True)
def two_streams():
    """Each engine from a seed of its own: from one seed their weights would be equal without any copying."""
    scratch.manual_seed(1)
    torch.manual_seed(2)


def same_state(a, b):
    a, b = bridge.arrays(a), bridge.arrays(b)
    return list(a) == list(b) and all(bits_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(("source", "target"), [(scratch, torch_impl), (torch_impl, scratch), (scratch, scratch)])
def test_copy_parameters(source, target):
    a, b = mlp(source), mlp(target)
    assert not same_state(a, b)
    bridge.copy_parameters(a, b)
    assert same_state(a, b)


@pytest.mark.parametrize(("source", "target"), [(scratch, torch_impl), (torch_impl, scratch)])
def test_safetensors_either_way(tmp_path, source, target):
    a, b = mlp(source), mlp(target)
    bridge.save_safetensors(a, tmp_path / "weights.safetensors")
    bridge.load_safetensors(b, tmp_path / "weights.safetensors")
    assert same_state(a, b)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


def test_safetensors_keep_a_counter_without_dimensions(tmp_path):
    a, b = scratch.nn.BatchNorm1d(3), scratch.nn.BatchNorm1d(3)
    a(np.arange(6, dtype=np.float32).reshape(2, 3))
    bridge.save_safetensors(a, tmp_path / "weights.safetensors")
    bridge.load_safetensors(b, tmp_path / "weights.safetensors")
    assert same_state(a, b)
    assert b.num_batches_tracked == 1


def test_a_state_dict_of_another_network_loads_nothing():
    a, b = mlp(scratch), scratch.nn.Sequential(scratch.nn.Linear(5, 7), scratch.nn.Linear(7, 4))
    before = copy.deepcopy(bridge.arrays(b))
    with pytest.raises(RuntimeError, match=r"nothing was loaded(.|\n)*2\.weight"):
        bridge.copy_parameters(a, b)
    assert all(bits_equal(before[name], value) for name, value in bridge.arrays(b).items())


def test_memory_is_shared():
    net = mlp(scratch)
    module = bridge.TorchModule(net)
    assert list(module.state_dict()) == list(mlp(torch_impl).state_dict())
    with torch.no_grad():
        module.state_dict()["0.bias"].fill_(3)
    assert (net[0].bias.data == 3).all()
    net[0].bias.data[...] = 4
    assert (module.state_dict()["0.bias"] == 4).all()


def test_gradcheck_checks_numpy_code():
    module = bridge.TorchModule(mlp(scratch, dtype=np.float64))
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: module(x), (x, *module.parameters()))


def test_gradcheck_finds_a_wrong_backward():
    class Wrong(scratch.nn.Tanh):
        def backward(self, dy):
            y = self.take(dy)
            return dy * (1 - y)

    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(bridge.TorchModule(Wrong()), (x,))


def test_a_module_may_be_used_twice_in_one_graph():
    scratch.manual_seed(0)
    torch.manual_seed(0)
    ours, theirs = bridge.TorchModule(scratch.nn.Linear(5, 5, dtype=np.float64)), torch.nn.Linear(5, 5).double()
    bridge.copy_parameters(ours.scratch_module, theirs)
    x = torch.randn(3, 5, dtype=torch.float64)
    for module in (ours, theirs):
        module(module(x).tanh()).square().sum().backward()
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)


def test_no_grad_saves_nothing():
    net = mlp(scratch)
    with torch.no_grad():
        y = bridge.TorchModule(net)(torch.randn(4, 5))
    assert not y.requires_grad
    assert all(layer.saved is None for layer in net)


@pytest.mark.parametrize("move", [lambda m: m.double(), lambda m: m.to(torch.float16)])
def test_moving_is_refused(move):
    with pytest.raises(RuntimeError, match="cannot become"):
        move(bridge.TorchModule(mlp(scratch)))


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_torch_optim_trains_numpy_and_numpy_trains_it_alike(name):
    """Three drivers of one network: torch with torch, NumPy with torch.optim, NumPy with scratch.optim inside torch."""
    x, labels = torch.randn(16, 5, dtype=torch.float64), torch.randint(3, (16,))
    finals = []
    for engine in ("torch", "torch.optim", "scratch.optim"):
        scratch.manual_seed(3)
        torch.manual_seed(3)
        if engine == "torch":
            net = mlp(torch_impl, dtype=torch.float64)
            optimizer = getattr(torch.optim, name)(net.parameters(), lr=0.05)
        else:
            inner = mlp(scratch, dtype=np.float64)
            if engine == "scratch.optim":
                own = getattr(scratch.optim, name)(inner.parameters(), lr=0.05)
            net = bridge.TorchModule(inner)
            optimizer = (
                bridge.TorchOptimizer(own, net)
                if engine == "scratch.optim"
                else getattr(torch.optim, name)(net.parameters(), lr=0.05)
            )
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5, 0.5)
        for _ in range(20):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x), labels).backward()
            optimizer.step()
            scheduler.step()
        finals.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    torch.testing.assert_close(finals[1], finals[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(finals[2], finals[0], rtol=1e-12, atol=1e-12)


class Watched(scratch.nn.Module):
    """The identity; it tells whether anybody asked for its gradient."""

    asked = False

    def forward(self, x):
        self.asked = False
        return self.save(x)

    def backward(self, dy):
        self.take(dy)
        self.asked = True
        return dy


def test_torch_says_whether_the_input_needs_a_gradient():
    watched = Watched()
    inner = scratch.nn.Sequential(watched, scratch.nn.Linear(5, 3))
    net = bridge.TorchModule(inner)
    for needed in (False, True, False):
        x = torch.randn(2, 5, requires_grad=needed)
        net(x).sum().backward()
        assert watched.asked == needed
        assert (x.grad is not None) == needed
        assert inner.needs_input_grad  # as it was

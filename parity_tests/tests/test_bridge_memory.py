"""Whatever torch does to the parameters and buffers of a TorchModule, it computes and learns as torch's own module."""

import copy

import numpy as np
import pytest
import torch

import scratch
from parity_tests.tests.ways import WAYS
from torch_impl import bridge

FLOAT = {scratch.nn: {"dtype": np.float64}, torch.nn: {"dtype": torch.float64}}


def mlp(nn):
    kind = FLOAT[nn]
    return nn.Sequential(nn.Linear(5, 7, **kind), nn.BatchNorm1d(7, **kind), nn.Tanh(), nn.Linear(7, 5, **kind))


def images(nn):
    kind = FLOAT[nn]
    return nn.Sequential(
        nn.ConvTranspose2d(2, 3, 2, **kind), nn.BatchNorm2d(3, **kind), nn.ReLU(), nn.Conv2d(3, 4, 2, **kind)
    )


def alone(nn):
    return nn.Linear(5, 5, **FLOAT[nn])


def normalized(nn):
    return nn.BatchNorm1d(5, **FLOAT[nn])


def recurrent(nn):
    return nn.LSTM(5, 4, **FLOAT[nn])


NETWORKS = {mlp: (11, 5), images: (6, 2, 5, 5), alone: (11, 5), normalized: (11, 5), recurrent: (6, 3, 5)}


def both(build):
    """NumPy inside torch, and torch, with the same weights; and an input."""
    scratch.manual_seed(0)
    inner = build(scratch.nn)
    theirs = build(torch.nn)
    bridge.copy_parameters(inner, theirs)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=NETWORKS[build]))
    return bridge.TorchModule(inner), theirs, x


def trained(net, x, steps=3):
    """Outputs, gradients and state of three steps of training, and an output in eval mode."""
    said = {}
    weights = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=0.1, momentum=0.9) if weights else None
    for step in range(steps):
        inputs = x.clone().requires_grad_()
        outputs = net(inputs)
        y = outputs[0] if isinstance(outputs, tuple) else outputs
        net.zero_grad()
        (y.square() * torch.arange(1.0, y.shape[-1] + 1, dtype=y.dtype)).mean().backward()
        said |= {f"output {step}": y.detach().clone(), f"gradient {step} of the input": inputs.grad}
        said |= {f"gradient {step}, {i}": p.grad.clone() for i, p in enumerate(weights) if p.grad is not None}
        if optimizer is not None:
            optimizer.step()
    with torch.no_grad():
        y = net.eval()(x)
    return said | {"evaluated": y[0] if isinstance(y, tuple) else y}, net.state_dict()


# --- and what comes of it ---------------------------------------------------------------------------------------------

ABOUT_MATRICES = ("prune", "parametrizations", "parametrize", "parametrized,", "orthogonal", "weight_norm", "utils")
LEFT_OUT = {
    ("register_parameter", normalized): "about matrices",
    ("functional_call of a parametrized one", normalized): "about matrices",
    **{(name, normalized): "about matrices" for name in WAYS if name.startswith(ABOUT_MATRICES)},
    ("swap_tensors", recurrent): "torch's recurrent layers hold weak references to their weights; torch swaps no such",
    ("swap_module_params_on_conversion", recurrent): "as swap_tensors",
    ("parametrizations.spectral_norm", recurrent): "torch's recurrent layers read a weight several times in a forward, "
    "and spectral_norm iterates once more each time",
}
CASES = [(name, build) for name in WAYS for build in NETWORKS if (name, build) not in LEFT_OUT]


@pytest.mark.parametrize(("way", "build"), CASES, ids=[f"{name}, {build.__name__}" for name, build in CASES])
@pytest.mark.parametrize("begun", [False, True], ids=["new", "after some forwards"])
def test_it_learns_as_torchs_own_module(way, build, begun):
    said = []
    *networks, x = both(build)
    for net in networks:
        torch.manual_seed(1)
        for _ in range(3 * begun):
            net(x)
        said.append(trained(WAYS[way](net), x))
    for ours, theirs in zip(*said, strict=True):
        assert list(ours) == list(theirs)
        for name, value in ours.items():
            torch.testing.assert_close(
                value, theirs[name], rtol=1e-7, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}"
            )


# --- what changes between two forwards --------------------------------------------------------------------------------


def small():
    nn = scratch.nn
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def replace_in_scratch(net, inner):
    inner[0].weight = scratch.nn.Parameter(np.ones((4, 3), np.float32))


def no_bias_in_scratch(net, inner):
    inner[0].bias = None


def child_in_scratch(net, inner):
    setattr(inner, "2", scratch.nn.Tanh())


def child_in_torch(net, inner):
    setattr(net, "2", torch.nn.Tanh())


def further_child(net, inner):
    net.add_module("4", torch.nn.Tanh())


def transposed_in_place(net, inner):
    p = net.get_parameter("0.weight")
    p.data = p.data[:, :2]


def another_module(net, inner):
    net.get_submodule("3").scratch_module = scratch.nn.Linear(4, 2)


def other_parameters(net, inner):
    net.get_submodule("3").__dict__["_parameters"] = {}


def removed(net, inner):
    del net.get_submodule("3").bias


REFUSED = [replace_in_scratch, no_bias_in_scratch, child_in_scratch, child_in_torch, further_child, another_module]
REFUSED += [other_parameters, removed]


@pytest.mark.parametrize("change", [*REFUSED, transposed_in_place], ids=lambda change: change.__name__)
def test_what_numpy_cannot_follow_is_refused_after_a_forward_as_before_one(change):
    said = []
    for begun in (False, True):
        scratch.manual_seed(0)
        inner = small()
        net, x = bridge.TorchModule(inner), torch.ones(5, 3)
        for _ in range(3 * begun):
            net(x)
        assert not begun or net._seen.holds()
        try:
            change(net, inner)
            said.append(net(x).tolist())
        except Exception as error:
            said.append((type(error), str(error)))
    assert said[0] == said[1]


def test_every_change_between_two_forwards_shows():
    scratch.manual_seed(0)
    inner = small()
    net, x = bridge.TorchModule(inner).eval(), torch.randn(5, 3)
    outputs = [net(x).detach().clone()]

    def shows(where):
        """The last change was seen; two forwards more, and the next one starts from what was seen."""
        outputs.append(net(x).detach().clone())
        assert not torch.equal(outputs[-1], outputs[-2]), where
        net(x), net(x)

    weight, scale = net.get_parameter("0.weight"), net.get_submodule("1")
    with torch.no_grad():
        weight.mul_(2)
    shows("in place")
    weight.data = weight.data * 2
    shows("other memory")
    weight.data = weight.data.roll(1, 1).T.contiguous().T
    shows("other strides")
    net.get_submodule("0").weight = torch.nn.Parameter(weight.detach() * 2)
    shows("another parameter")
    inner[0].weight.data = inner[0].weight.data * 2
    shows("another array")
    inner[0].weight.data[...] *= 2
    shows("the array in place")
    scale.running_mean = scale.running_mean + 1
    shows("another buffer")
    inner[1].running_mean = inner[1].running_mean + np.float32(1)
    shows("another array of a buffer")
    scale.running_mean.add_(1)
    shows("a buffer in place")
    scale.running_mean.data = scale.running_mean.data + 1
    shows("other memory of a buffer")
    scale.eps = 0.5
    shows("a setting")
    net.train()
    shows("the mode")
    torch.nn.utils.parametrizations.weight_norm(net.get_submodule("3")).parametrizations.weight.original0.data.mul_(3)
    shows("a parametrization")


def test_hooks_registered_after_a_forward_are_told():
    net, x = bridge.TorchModule(small()), torch.ones(5, 3)
    net(x), net(x)
    net.get_submodule("0").register_forward_hook(print)
    with pytest.warns(UserWarning, match="hooks on 0 do not run"):
        net(x)


def test_a_copy_after_a_forward_is_its_own():
    net, x = bridge.TorchModule(small()), torch.ones(5, 3)
    net(x), net(x)
    before = net(x).detach().clone()
    twin = copy.deepcopy(net)
    with torch.no_grad():
        for p in twin.parameters():
            p.zero_()
    assert torch.equal(net.eval()(x), net(x))
    assert not twin(x).any()
    assert before.any()


class Counts(scratch.nn.Module):
    """Replaces the array of its buffer in every forward."""

    def __init__(self):
        self.register_buffer("count", np.zeros((), np.float32))

    def forward(self, x):
        self.count = self.count + np.float32(1)
        return x + self.count


def test_a_buffer_that_forward_replaces_is_torchs_afterwards():
    net = bridge.TorchModule(scratch.nn.Sequential(Counts()))
    for count in (1, 2, 3):
        net(torch.ones(2))
        assert net.state_dict()["0.count"] == net.get_buffer("0.count") == count

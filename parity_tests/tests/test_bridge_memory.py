"""Whatever torch does to the parameters and buffers of a TorchModule, it computes and learns as torch's own module."""

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
def test_it_learns_as_torchs_own_module(way, build):
    said = []
    *networks, x = both(build)
    for net in networks:
        torch.manual_seed(1)
        said.append(trained(WAYS[way](net), x))
    for ours, theirs in zip(*said, strict=True):
        assert list(ours) == list(theirs)
        for name, value in ours.items():
            torch.testing.assert_close(
                value, theirs[name], rtol=1e-7, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}"
            )

"""nn.utils: fused layers, parameters as a vector, modules without drawing; beside torch's."""

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from parity_tests.rule import bits_equal
from torch_impl.bridge import arrays, copy_parameters

DOUBLE = {scratch: {"dtype": np.float64}, torch_impl: {"dtype": torch.float64}}
PAIRS = {
    "Conv1d": (lambda lib, **k: (lib.nn.Conv1d(2, 3, 2, **k), lib.nn.BatchNorm1d(3, **DOUBLE[lib])), (4, 2, 7), False),
    "Conv2d": (
        lambda lib, **k: (lib.nn.Conv2d(2, 3, 2, **k), lib.nn.BatchNorm2d(3, **DOUBLE[lib])),
        (4, 2, 5, 6),
        False,
    ),
    "grouped": (
        lambda lib, **k: (lib.nn.Conv2d(2, 4, 2, groups=2, **k), lib.nn.BatchNorm2d(4, 1e-3, **DOUBLE[lib])),
        (4, 2, 5, 6),
        False,
    ),
    "ConvTranspose2d": (
        lambda lib, **k: (lib.nn.ConvTranspose2d(2, 3, 2, **k), lib.nn.BatchNorm2d(3, **DOUBLE[lib])),
        (4, 2, 5, 6),
        True,
    ),
    "not affine": (
        lambda lib, **k: (lib.nn.Conv2d(2, 3, 2, **k), lib.nn.BatchNorm2d(3, affine=False, **DOUBLE[lib])),
        (4, 2, 5, 6),
        False,
    ),
    "Linear": (lambda lib, **k: (lib.nn.Linear(5, 3, **k), lib.nn.BatchNorm1d(3, **DOUBLE[lib])), (9, 5), None),
}


def both(name, bias):
    """The pair of layers of both libraries, with the same numbers and statistics; and an input."""
    build, shape, transpose = PAIRS[name]
    scratch.manual_seed(0)
    ours, theirs = (build(lib, bias=bias, **DOUBLE[lib]) for lib in (scratch, torch_impl))
    x = np.random.default_rng(0).normal(3, 2, shape)
    ours[1](ours[0](x))
    for a, b in zip(ours, theirs, strict=True):
        copy_parameters(a, b)
        a.eval()
        b.eval()
    return ours, theirs, x, transpose


def fused(lib, layers, transpose):
    if transpose is None:
        return lib.nn.utils.fuse_linear_bn_eval(*layers)
    return lib.nn.utils.fuse_conv_bn_eval(*layers, transpose)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("name", PAIRS)
def test_a_fused_layer_is_torchs_and_computes_what_the_two_do(name, bias):
    ours, theirs, x, transpose = both(name, bias)
    before = [value.copy() for layer in ours for value in arrays(layer).values()]
    mine, its = fused(scratch, ours, transpose), fused(torch_impl, theirs, transpose)
    assert list(arrays(mine)) == list(arrays(its)) == ["weight", "bias"]
    for key, value in arrays(its).items():
        np.testing.assert_allclose(arrays(mine)[key], value, rtol=1e-14, atol=1e-14)
    with scratch.no_grad():
        np.testing.assert_allclose(mine(x), ours[1](ours[0](x)), rtol=1e-12, atol=1e-12)
    assert all(map(bits_equal, before, [value for layer in ours for value in arrays(layer).values()]))
    dx = mine.backward(mine(x))
    assert dx.shape == x.shape
    assert mine.bias.grad is not None


def test_a_fused_layer_keeps_float32():
    conv, norm = scratch.nn.Conv2d(2, 3, 2).eval(), scratch.nn.BatchNorm2d(3).eval()
    assert {value.dtype for value in arrays(scratch.nn.utils.fuse_conv_bn_eval(conv, norm)).values()} == {np.dtype("f")}


def test_parameters_as_a_vector_and_back():
    nets = [lib.nn.Sequential(lib.nn.Linear(5, 3), lib.nn.Linear(3, 2, bias=False)) for lib in (scratch, torch_impl)]
    copy_parameters(*nets)
    ours = scratch.nn.utils.parameters_to_vector(nets[0].parameters())
    theirs = torch.nn.utils.parameters_to_vector(nets[1].parameters()).detach().numpy()
    assert bits_equal(ours, theirs)
    new = np.arange(ours.size + 2, dtype=np.float32)
    optimizer = scratch.optim.SGD(nets[0].parameters(), lr=0.1)
    scratch.nn.utils.vector_to_parameters(new, nets[0].parameters())
    torch.nn.utils.vector_to_parameters(torch.from_numpy(new), nets[1].parameters())
    assert all(bits_equal(a, b) for a, b in zip(arrays(nets[0]).values(), arrays(nets[1]).values(), strict=True))
    optimizer.step()  # its buffers are still the parameters' own
    ours[...] = 7
    assert not (nets[0][0].weight.data == 7).all()
    with pytest.raises(ValueError, match="no parameters"):
        scratch.nn.utils.parameters_to_vector([])


def test_skip_init_leaves_the_stream_alone():
    for lib in (scratch, torch):
        lib.manual_seed(3)
        before = np.asarray(lib.get_rng_state()).copy()
        layer = lib.nn.utils.skip_init(lib.nn.Linear, 5, 3, bias=False)
        assert tuple(layer.weight.shape) == (3, 5)
        assert layer.bias is None
        assert np.array_equal(before, np.asarray(lib.get_rng_state()))


def evaluated(lib):
    conv, norm = lib.nn.Conv2d(2, 3, 2), lib.nn.BatchNorm2d(3)
    return conv.eval(), norm.eval()


BAD = {
    "fusing in training mode": lambda lib: lib.nn.utils.fuse_conv_bn_eval(evaluated(lib)[0], lib.nn.BatchNorm2d(3)),
    "fusing without statistics": lambda lib: lib.nn.utils.fuse_conv_bn_eval(
        evaluated(lib)[0], lib.nn.BatchNorm2d(3, track_running_stats=False).eval()
    ),
    "fusing two sizes": lambda lib: lib.nn.utils.fuse_linear_bn_eval(
        lib.nn.Linear(5, 3).eval(), lib.nn.BatchNorm1d(4).eval()
    ),
    "a list as a vector": lambda lib: lib.nn.utils.vector_to_parameters([1.0], lib.nn.Linear(1, 1).parameters()),
    "a short vector": lambda lib: lib.nn.utils.vector_to_parameters(
        np.zeros(4, np.float32) if lib is scratch else torch.zeros(4), lib.nn.Linear(5, 3).parameters()
    ),
    "skip_init of a function": lambda lib: lib.nn.utils.skip_init(dict),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_the_same_error(call):
    with pytest.raises(Exception) as theirs:
        call(torch_impl)
    with pytest.raises(theirs.type) as ours:
        call(scratch)
    assert type(ours.value) is theirs.type
    assert "\n" not in str(ours.value)

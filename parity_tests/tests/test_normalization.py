"""What rows cannot say about normalization: steps in sequence, warnings, figures that the docstrings claim."""

import warnings

import numpy as np
import pytest
import torch

import scratch
from parity_tests.rule import distance, float64_limit
from scratch.nn.normalization import rows

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("name", ["BatchNorm1d", "InstanceNorm1d"])
@pytest.mark.parametrize("momentum", [0.3, None])
def test_running_statistics_over_several_batches(name, momentum):
    """The buffers follow torch's, stay the same arrays, and their state continues in a layer that loads it."""
    options = {"momentum": momentum, "track_running_stats": True}
    ours = getattr(scratch.nn, name)(3, **options, dtype=np.float64)
    theirs = getattr(torch.nn, name)(3, **options).double()
    buffers = dict(ours.named_buffers())
    for n in (5, 2, 7):
        x = RNG.normal(2, 3, (n, 3, 11))
        ours(x), theirs(torch.tensor(x))
        for key, buffer in theirs.named_buffers():
            assert buffers[key].dtype == buffer.numpy().dtype
            assert distance(buffers[key], buffer.numpy()) <= float64_limit(1.0), key
    assert dict(ours.named_buffers()).keys() == buffers.keys()
    assert all(buffer is buffers[key] for key, buffer in ours.named_buffers())
    again = getattr(scratch.nn, name)(3, **options, dtype=np.float64)
    again.load_state_dict(theirs.state_dict())
    x = RNG.normal(2, 3, (4, 3, 11))
    y = again.eval()(x)
    assert distance(y, theirs.eval()(torch.tensor(x)).detach().numpy()) <= float64_limit(1.0)


@pytest.mark.parametrize("shape", [(64, 31), (8, 31, 7)])
@pytest.mark.parametrize("loc", [0.0, 0.9, 1.1, 3.0, 1000.0, -1e5])
def test_the_mean_leaves_no_trace_in_float32(loc, shape):
    """Ten ulp of the output and its gradient at any offset, where the rounded mean alone would cost thousands.

    Around 1 some means exceed their deviation, so that x is centered, and others do not.
    """
    x, dy = RNG.normal(loc, 1, shape).astype(np.float32), RNG.normal(size=shape).astype(np.float32)
    for name, size in (("BatchNorm1d", 31), ("LayerNorm", shape[1:])):
        ours, theirs = getattr(scratch.nn, name)(size), getattr(torch.nn, name)(size).double()
        double = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        truth = theirs(double)
        truth.backward(torch.tensor(dy, dtype=torch.float64))
        assert distance(ours(x), truth.detach().numpy()) <= 10
        assert distance(ours.backward(dy), double.grad.numpy()) <= 10


LAYERS = [
    ("BatchNorm1d", (31,), (64, 31)),
    ("BatchNorm1d", (7,), (8, 7, 600)),
    ("InstanceNorm1d", (7, 1e-5, 0.1, True), (8, 7, 600)),
    ("GroupNorm", (2, 6), (8, 6, 50)),
    ("LayerNorm", (600,), (128, 600)),  # enough for products by BLAS and for a buffer of a row
    ("RMSNorm", (600, 1e-5), (128, 600)),
]


def with_truth(name, args, x, dy):
    """What a layer returns for x and dy, and torch's in float64."""
    ours, theirs = getattr(scratch.nn, name)(*args), getattr(torch.nn, name)(*args).double()
    double = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    truth = theirs(double)
    truth.backward(torch.tensor(dy, dtype=torch.float64))
    return (ours(x), ours.backward(dy)), (truth.detach().numpy(), double.grad.numpy())


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e8, 1e12, 1e16, 1e19, 1e-12, 1e-23])
@pytest.mark.parametrize(("name", "args", "shape"), LAYERS[:-1], ids=str)
def test_what_is_constant_becomes_the_bias(name, args, shape, scale):
    """However large it is: the rounding of its mean is no deviation."""
    layer = getattr(scratch.nn, name)(*args)
    for parameter in layer.parameters():
        parameter.data[...] = RNG.normal(size=parameter.shape)
    bias = layer.bias.data if name == "LayerNorm" else layer.bias.data.reshape(-1, *(1,) * (len(shape) - 2))
    for _ in range(20):
        values = RNG.uniform(1, 2, (1, shape[1], 1)[: len(shape)] if name == "BatchNorm1d" else (len(shape) - 1) * (1,))
        x = np.broadcast_to((scale * values).astype(np.float32), shape)
        np.testing.assert_array_equal(layer(x), np.broadcast_to(bias, shape))


@pytest.mark.parametrize("scale", [1e-18, 1e12, 1e15, 1e17])
@pytest.mark.parametrize("loc", [0.0, 0.5, 5.0])
@pytest.mark.parametrize(("name", "args", "shape"), LAYERS, ids=str)
def test_numbers_of_any_size(name, args, shape, loc, scale):
    """Between their powers 1 / σ² and 1 / σ³, which are 0 in float32 beyond 1e23 and 1e15."""
    x, dy = (scale * RNG.normal(loc, 1, shape)).astype(np.float32), RNG.normal(size=shape).astype(np.float32)
    for value, truth in zip(*with_truth(name, args, x, dy), strict=True):
        assert distance(value, truth) <= 20


@pytest.mark.parametrize(("name", "args", "shape"), LAYERS[:-1], ids=str)
def test_squares_overflow_only_where_those_of_the_deviation_do(name, args, shape):
    x, dy = (RNG.normal(1e19, 1e16, shape)).astype(np.float32), RNG.normal(size=shape).astype(np.float32)
    for value, truth in zip(*with_truth(name, args, x, dy), strict=True):
        assert distance(value, truth) <= 20


@pytest.mark.parametrize("scale", [1e20, 1e30])
@pytest.mark.parametrize(("name", "args", "shape"), LAYERS, ids=str)
def test_an_infinite_variance_gives_no_nan(name, args, shape, scale):
    """As in torch: of r = 0 the output is 0, and so is the gradient."""
    x, dy = (scale * RNG.normal(0.3, 1, shape)).astype(np.float32), RNG.normal(size=shape).astype(np.float32)
    layer = getattr(scratch.nn, name)(*args)
    assert np.isfinite(layer(x)).all()
    assert np.isfinite(layer.backward(dy)).all()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("BatchNorm2d", (0, 3, 4, 5)),
        ("BatchNorm3d", (2, 3, 0, 4, 5)),
        ("InstanceNorm1d", (2, 3, 0)),
        ("InstanceNorm3d", (2, 3, 0, 4, 5)),
    ],
)
def test_an_empty_input_has_gradients_of_zero(name, shape):
    """The mean of nothing, NaN, does not reach the parameters."""
    layer = getattr(scratch.nn, name)(3, affine=True)
    layer.backward(layer(np.empty(shape, np.float32)))
    for parameter in layer.parameters():
        np.testing.assert_array_equal(parameter.grad, 0)


def test_rows_are_centered_block_by_block(monkeypatch):
    """A mean of 1000 in one block of rows does not change the bits of the others."""
    monkeypatch.setattr(rows, "BLOCK", 4 * 31)
    x, dy = RNG.normal(size=(2, 12, 31)).astype(np.float32)
    far = x.copy()
    far[4:8] += 1000
    results = []
    for z in (x, far):
        layer = scratch.nn.LayerNorm(31)
        results.append((layer(z), layer.backward(dy)))
    for near, other in zip(*results, strict=True):
        np.testing.assert_array_equal(near[[*range(4), *range(8, 12)]], other[[*range(4), *range(8, 12)]])
        assert distance(other[4:8], near[4:8]) < 2000  # ulp: x + 1000 is rounded


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize(
    ("name", "args", "shape"),
    [
        ("BatchNorm2d", (4,), (3, 4, 5, 2)),
        ("InstanceNorm2d", (4,), (3, 4, 5, 2)),
        ("GroupNorm", (2, 4), (3, 4, 5, 2)),
        ("LayerNorm", (2,), (3, 4, 5, 2)),
        ("RMSNorm", (2,), (3, 4, 5, 2)),
        ("LocalResponseNorm", (3,), (3, 4, 5, 2)),
        ("CrossMapLRN2d", (3,), (3, 4, 5, 2)),
    ],
)
def test_bad_numbers_travel_without_warnings(name, args, shape, bad):
    layer = getattr(scratch.nn, name)(*args)
    x = RNG.normal(size=shape).astype(np.float32)
    x[0, 1, 2, 1] = bad
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = layer(x)
        layer.backward(np.ones_like(y))


@pytest.mark.parametrize(
    ("name", "args", "shape"),
    [("LayerNorm", (600,), (128, 600)), ("RMSNorm", (600,), (128, 600)), ("BatchNorm1d", (64,), (2, 64, 600))],
)
def test_numpys_buffer_is_as_before(name, args, shape, monkeypatch):
    """Rows of 512 and more are computed with a buffer of one row, which ends with the method."""
    before = np.getbufsize()
    layer = getattr(scratch.nn, name)(*args)
    x = RNG.normal(size=shape).astype(np.float32)
    asked, setbufsize = [], np.setbufsize
    monkeypatch.setattr(np, "setbufsize", lambda size: asked.append(size) or setbufsize(size))
    layer.backward(layer(x))
    assert asked == [592, 592]
    assert np.getbufsize() == before


@pytest.mark.parametrize("name", ["BatchNorm1d", "InstanceNorm1d"])
def test_running_statistics_that_are_asked_for_later_have_no_arrays(name):
    x = RNG.normal(size=(2, 3, 5))
    ours = getattr(scratch.nn, name)(3, track_running_stats=False, dtype=np.float64)
    theirs = getattr(torch.nn, name)(3, track_running_stats=False).double()
    ours.track_running_stats = theirs.track_running_stats = True
    np.testing.assert_allclose(ours(x), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-12)


def test_another_number_of_channels_warns_as_torch_does():
    x = np.ones((2, 4, 5), np.float32)
    with pytest.warns(UserWarning, match="does not match num_features"):
        torch.nn.InstanceNorm1d(3)(torch.tensor(x))
    with pytest.warns(UserWarning, match="should have 3 channels"):
        scratch.nn.InstanceNorm1d(3)(x)


def test_cross_map_refuses_the_gradient_that_torch_refuses():
    x = RNG.normal(size=(2, 5, 3, 3)).astype(np.float32)
    theirs = torch.nn.CrossMapLRN2d(1)(torch.tensor(x, requires_grad=True))
    with pytest.raises(RuntimeError):
        theirs.sum().backward()
    ours = scratch.nn.CrossMapLRN2d(1)
    y = ours(x)
    with pytest.raises(RuntimeError, match="CrossMapLRN2d"):
        ours.backward(y)

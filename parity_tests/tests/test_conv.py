"""What no row can say of convolution: its tiles, and a gradient that nobody needs."""

import math

import numpy as np
import pytest

from scratch import nn
from scratch.nn.conv import correlation
from scratch.nn.conv.correlation import MAX_TILE_BYTES, Correlation
from scratch.nn.windows import Windows

KERNELS = {
    "1d": (Windows((3,), (2,), (1,)), 1, (17,)),
    "2d": (Windows((3, 2), (1, 2), (2, 1)), 2, (13, 11)),
    "depthwise": (Windows((2, 3), (2, 1), (1, 2)), 6, (11, 13)),
    "3d": (Windows((2, 3, 1), (1, 1, 1), (1, 2, 1)), 3, (7, 11, 5)),
}


@pytest.mark.parametrize("tile", [1, 1000, 5000])
@pytest.mark.parametrize("case", KERNELS)
def test_tiles_change_nothing(case, tile, monkeypatch):
    """One tile for the whole batch, tiles of samples, tiles of a few rows, tiles of one row."""
    windows, groups, sizes = KERNELS[case]
    form, rng = Correlation(windows, groups), np.random.default_rng(0)
    x, w = rng.normal(size=(5, 6, *sizes)), rng.normal(size=(6, 6 // groups, *windows.kernel))
    y = rng.normal(size=(5, 6, *windows.positions(sizes)))
    assert sum(map(len, form._tiles(x, y))) == 1
    whole = form.correlate(x, w, 0.5), form.weigh(x, y), form.scatter(y, w, sizes)
    monkeypatch.setattr(correlation, "TILE_BYTES", tile)
    monkeypatch.setattr(correlation, "SAMPLES_BYTES", tile)
    monkeypatch.setattr(correlation, "MAX_TILE_BYTES", tile)
    assert sum(map(len, form._tiles(x, y))) > 1
    tiled = form.correlate(x, w, 0.5), form.weigh(x, y), form.scatter(y, w, sizes)
    for one, other in zip(whole, tiled, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-13 * np.abs(one).max())


@pytest.mark.parametrize(
    ("samples", "channels", "size", "outputs", "kernel"),
    [(64, 3, 224, 64, 7), (8, 64, 224, 64, 3), (512, 512, 14, 512, 3), (4, 2048, 64, 2048, 3), (2, 64, 4096, 64, 5)],
)
def test_no_tile_takes_more_than_it_may(samples, channels, size, outputs, kernel):
    """Views of one number stand for the arrays: nothing of their size is allocated."""
    form = Correlation(Windows((kernel, kernel), (1, 1), (1, 1)), 1)
    x = np.broadcast_to(np.float32(0), (samples, channels, size, size))
    y = np.broadcast_to(np.float32(0), (samples, outputs, *form.windows.positions((size, size))))
    taken = [
        (channels * kernel**2 + outputs) * math.prod(tile.shape[2:]) * len(tile) * tile.itemsize
        for part in form._tiles(x, y)
        for _, tile in part
    ]
    assert max(taken) <= MAX_TILE_BYTES


@pytest.mark.parametrize("layer", [nn.Conv2d, nn.ConvTranspose2d])
def test_an_input_gradient_that_nobody_needs_is_not_computed(layer, monkeypatch):
    rng = np.random.default_rng(0)
    conv, x = layer(3, 5, 3), rng.normal(size=(2, 3, 7, 11)).astype(np.float32)
    y = conv(x)
    dy = rng.normal(size=y.shape).astype(np.float32)
    assert conv.backward(dy) is not None
    expected = [parameter.grad for parameter in conv.parameters()]
    conv.zero_grad()
    conv.requires_input_grad_(False)
    conv(x)
    monkeypatch.delattr(Correlation, "scatter" if layer is nn.Conv2d else "correlate")
    assert conv.backward(dy) is None
    for parameter, gradient in zip(conv.parameters(), expected, strict=True):
        np.testing.assert_array_equal(parameter.grad, gradient)

"""What no row can say of convolution: its tiles, and a gradient that nobody needs."""

import math
import tracemalloc

import numpy as np
import pytest

import scratch
from scratch import nn
from scratch.nn.conv import correlation, lines, plan
from scratch.nn.conv.correlation import Correlation
from scratch.nn.conv.lines import Lines
from scratch.nn.conv.plan import MAX_TILE_BYTES
from scratch.nn.windows import Windows

KERNELS = {
    "1d": (Windows((3,), (2,), (1,)), 1, (17,)),
    "2d by 2": (Windows((3, 2), (2, 1), (1, 2)), 2, (14, 11)),
    "2d": (Windows((3, 2), (1, 2), (2, 1)), 2, (13, 11)),
    "depthwise": (Windows((2, 3), (2, 1), (1, 2)), 6, (11, 13)),
    "2d, as long as x": (Windows((13, 2), (1, 1), (1, 1)), 2, (13, 11)),
    "2d, nearly as long": (Windows((9, 2), (2, 1), (1, 1)), 1, (13, 11)),
    "2d by more than the kernel": (Windows((2, 3), (4, 1), (1, 1)), 1, (14, 11)),
    "3d": (Windows((2, 3, 1), (1, 1, 1), (1, 2, 1)), 3, (7, 11, 5)),
}


@pytest.mark.parametrize("few", [0, 2**14])
@pytest.mark.parametrize("case", KERNELS)
def test_products_are_the_sums_of_the_definition(case, few, monkeypatch):
    """With the lines of the first axis, and with all axes copied."""
    windows, groups, sizes = KERNELS[case]
    form, rng = Correlation(windows, groups), np.random.default_rng(0)
    x, w = rng.normal(size=(3, 6, *sizes)), rng.normal(size=(12, 6 // groups, *windows.kernel))
    y = rng.normal(size=(3, 12, *windows.positions(sizes)))
    monkeypatch.setattr(lines, "FEW", few)
    monkeypatch.setattr(correlation, "plan", plan.plan.__wrapped__)
    expected = np.zeros_like(y), np.zeros_like(w), np.zeros_like(x)
    for o, c in np.ndindex(12, 6 // groups):
        source = o // (12 // groups) * (6 // groups) + c
        for k in np.ndindex(windows.kernel):
            starts = [d * i for d, i in zip(windows.dilation, k, strict=True)]
            reads = (
                slice(start, start + stride * (size - 1) + 1, stride)
                for start, stride, size in zip(starts, windows.stride, y.shape[2:], strict=True)
            )
            at = slice(None), source, *reads
            expected[0][:, o] += w[o, c, *k] * x[at]
            expected[1][o, c, *k] = (y[:, o] * x[at]).sum()
            expected[2][at] += w[o, c, *k] * y[:, o]
    for one, other in zip((form.correlate(x, w), form.weigh(x, y), form.scatter(y, w, sizes)), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-13 * np.abs(other).max())


@pytest.mark.parametrize("few", [0, 2**14])
@pytest.mark.parametrize("case", [case for case in KERNELS if case != "depthwise"])
def test_products_multiply_no_more_than_the_definition(case, few, monkeypatch):
    """Of zeros in place of what lies beyond the ends, an infinity would make NaN."""
    windows, groups, sizes = KERNELS[case]
    form, rng, counts = Correlation(windows, groups), np.random.default_rng(0), []
    x, w = rng.normal(size=(3, 6, *sizes)), rng.normal(size=(12, 6 // groups, *windows.kernel))
    y = rng.normal(size=(3, 12, *windows.positions(sizes)))

    def counted(a, b, out=None):
        product = np.matmul(a, b, out=out)
        counts.append(product.size * a.shape[-1])
        return product

    monkeypatch.setattr(lines, "FEW", few)
    monkeypatch.setattr(lines, "matmul", counted)
    monkeypatch.setattr(correlation, "plan", plan.plan.__wrapped__)
    for function, arguments in ((form.correlate, (x, w)), (form.weigh, (x, y)), (form.scatter, (y, w, sizes))):
        function(*arguments)
        assert sum(counts) == 3 * w.size * math.prod(y.shape[2:]), function.__name__
        counts.clear()


@pytest.mark.parametrize("case", KERNELS)
def test_lines_are_no_more_than_all_columns(case):
    windows, groups, sizes = KERNELS[case]
    positions = windows.positions(sizes)
    columns = Lines(windows, groups, weights=1, positions=1)._columns(np.ones((3, 6, *sizes)), positions)
    low, high = np.lib.array_utils.byte_bounds(columns)
    assert high - low <= 3 * 6 * math.prod(windows.kernel) * math.prod(positions) * columns.itemsize


@pytest.mark.parametrize("place", [0, 1, 4])
@pytest.mark.parametrize("layer", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("stride", [1, 2])
def test_an_infinite_weight_reaches_what_it_is_multiplied_with(layer, stride, place):
    """What the layer scatters is infinite there, and finite elsewhere: nowhere NaN."""
    conv = layer(3, 4, (5, 2), stride=(stride, 1), bias=False)
    conv.weight.data[...] = 1
    conv.weight.data[:, :, place] = np.inf
    if layer is nn.ConvTranspose2d:
        scattered = conv(np.ones((2, 3, 6, 7), np.float32))
    else:
        scattered = conv.backward(np.ones_like(conv(np.ones((2, 3, 4 + 6 * stride, 7), np.float32))))
    reached = np.zeros(scattered.shape[2], bool)
    reached[place : place + 6 * stride : stride] = True
    assert np.isposinf(scattered[:, :, reached]).all()
    assert np.isfinite(scattered[:, :, ~reached]).all()


@pytest.mark.parametrize("tile", [1, 1000, 5000])
@pytest.mark.parametrize("case", KERNELS)
def test_tiles_change_nothing(case, tile, monkeypatch):
    """One tile for the whole batch, tiles of samples, tiles of a few rows, tiles of one row."""
    windows, groups, sizes = KERNELS[case]
    form, rng = Correlation(windows, groups), np.random.default_rng(0)
    x, w = rng.normal(size=(5, 6, *sizes)), rng.normal(size=(6, 6 // groups, *windows.kernel))
    y = rng.normal(size=(5, 6, *windows.positions(sizes)))
    assert sum(map(len, form._tiles(form._plan(x, y), x, y))) == 1
    whole = form.correlate(x, w, 0.5), form.weigh(x, y), form.scatter(y, w, sizes)
    for name in ("TILE_BYTES", "SAMPLES_BYTES", "MAX_TILE_BYTES"):
        monkeypatch.setattr(plan, name, tile)
    monkeypatch.setattr(correlation, "plan", plan.plan.__wrapped__)
    assert sum(map(len, form._tiles(form._plan(x, y), x, y))) > 1
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
        for part in form._tiles(form._plan(x, y), x, y)
        for _, tile in part
    ]
    assert max(taken) <= MAX_TILE_BYTES


@pytest.mark.parametrize(
    ("kernel", "stride", "samples", "together"),
    [((3, 3), (1, 2), 1, 1), ((3, 3), (2, 1), 6, 6), ((1, 1), (1, 1), 6, 1)],
)
def test_samples_are_taken_one_by_one_where_their_columns_are_copied_faster_so(kernel, stride, samples, together):
    """But small ones make one part: their gradients of w are summed before they are added to those of others."""
    windows = Windows(kernel, stride, (1, 1))
    assert plan.plan(windows, 1, 64, (6, 64, 16, 16), itemsize=8)[1:3] == (samples, together)


@pytest.mark.parametrize("number", [1, 2])
def test_few_gradients_of_a_large_weight_wait_for_their_sum(number, monkeypatch):
    """16 parts of the batch, each in three pieces: on one thread there are dw, the part's and the piece's."""
    windows, rng = Windows((3, 3), (1, 1), (1, 1)), np.random.default_rng(0)
    monkeypatch.setattr(correlation, "WAITING_BYTES", 1)
    monkeypatch.setattr(correlation, "plan", lambda *_: plan.Plan(Lines(windows, 1, 256 * 256 * 9, 9), 1, 1, 1))
    x, y = (rng.random((16, 256, size, size), np.float32) for size in (5, 3))
    before = scratch.get_num_threads()
    scratch.set_num_threads(number)
    tracemalloc.start()
    try:
        dw = Correlation(windows, 1).weigh(x, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        scratch.set_num_threads(before)
    assert peak < (1.5 + 2 * number) * dw.nbytes


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


@pytest.mark.parametrize("layer", [nn.Conv2d, nn.ConvTranspose2d])
def test_of_a_frozen_weight_no_gradient_is_computed(layer, monkeypatch):
    rng = np.random.default_rng(0)
    conv, x = layer(3, 5, 3, padding=1), rng.normal(size=(2, 3, 7, 11)).astype(np.float32)
    dy = rng.normal(size=conv(x).shape).astype(np.float32)
    dx = conv.backward(dy)
    gradient = conv.bias.grad
    conv.zero_grad()
    conv.weight.requires_grad = False
    monkeypatch.delattr(Correlation, "weigh")
    conv(x)
    np.testing.assert_array_equal(conv.backward(dy), dx)
    np.testing.assert_array_equal(conv.bias.grad, gradient)
    assert conv.weight.grad is None
    conv.zero_grad()
    conv.bias.requires_grad = False
    conv(x)
    np.testing.assert_array_equal(conv.backward(dy), dx)
    assert conv.bias.grad is None


LATER = [
    (nn.Conv2d, "stride", 2), (nn.Conv2d, "stride", [2, 1]), (nn.Conv2d, "padding", 1), (nn.Conv2d, "padding", "same"),
    (nn.Conv2d, "dilation", (2,)), (nn.Conv2d, "dilation", np.int64(2)), (nn.ConvTranspose2d, "stride", 2),
    (nn.ConvTranspose2d, "padding", 1),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "option", "value"), LATER)
def test_an_option_assigned_later_is_as_if_built_with_it(layer, option, value):
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 9)).astype(np.float32)
    conv = layer(3, 4, 3, generator=scratch.Generator().manual_seed(1))
    setattr(conv, option, value)
    built = layer(3, 4, 3, **{option: value}, generator=scratch.Generator().manual_seed(1))
    np.testing.assert_array_equal(conv(x), built(x))
    assert getattr(conv, option) == getattr(built, option)


@pytest.mark.parametrize(
    ("option", "value", "error", "words"),
    [
        ("stride", 1.5, TypeError, "stride must be an int"),
        ("padding", "samt", TypeError, "padding must be an int"),
        ("padding_mode", "mirror", ValueError, "padding_mode must be"),
        ("groups", 3, RuntimeError, "the weight does not fit"),
        ("groups", 0, RuntimeError, "the weight does not fit"),
        ("kernel_size", (9, 1), RuntimeError, "the weight does not fit"),
        ("padding", "same", RuntimeError, "needs stride 1"),
    ],
)
def test_an_option_assigned_later_that_does_not_fit_is_refused(option, value, error, words):
    def assign_and_call(conv):
        setattr(conv, option, value)
        conv(np.ones((2, 6, 9, 9), np.float32))

    with pytest.raises(error, match=words):
        assign_and_call(nn.Conv2d(6, 6, 3, stride=2))

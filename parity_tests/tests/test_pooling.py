"""What no row can say of pooling and upsampling: integers, the random stream, every pair of sizes."""

from typing import Any

import numpy as np
import pytest
import torch

import scratch


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_max_pool_takes_integers(dtype):
    x = np.random.default_rng(0).integers(0, 5, (2, 3, 7, 11)).astype(dtype)
    y, index = scratch.nn.MaxPool2d(3, 2, 1, return_indices=True)(x)
    expected, expected_index = torch.nn.MaxPool2d(3, 2, 1, return_indices=True)(torch.tensor(x))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, expected.numpy())
    np.testing.assert_array_equal(index, expected_index.numpy())


@pytest.mark.parametrize("outputs", [1, 2, 4, 9, 33])
@pytest.mark.parametrize("with_nan", [False, True])
def test_long_windows_have_the_first_of_equal_maxima(outputs, with_nan):
    """They are searched one by one: sliding with padding and dilation, adaptive, and all pixels of an image."""
    x = np.random.default_rng(outputs).integers(0, 40, (3, 2, 36, 38)).astype(np.float32)
    if with_nan:
        x[0, 1, ::5, 7] = np.nan
    kinds = [
        ("MaxPool1d", (64, 1300 // outputs), {"padding": 32, "dilation": 3}),
        ("MaxPool1d", (40, 1300 // outputs), {"ceil_mode": True}),
        ("AdaptiveMaxPool1d", (outputs,), {}),
        ("AdaptiveMaxPool2d", (1 if outputs == 1 else (outputs, 1),), {}),
    ]
    for name, args, options in kinds:
        images = x if name.endswith("2d") else x.reshape(3, 2, -1)
        y, index = getattr(scratch.nn, name)(*args, return_indices=True, **options)(images)
        expected = getattr(torch.nn, name)(*args, return_indices=True, **options)(torch.tensor(images))
        np.testing.assert_array_equal(y, expected[0].numpy(), err_msg=f"{name} {args}")
        np.testing.assert_array_equal(index, expected[1].numpy(), err_msg=f"{name} {args}")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(20))
def test_fractional_max_pool_draws_torchs_windows_and_leaves_torchs_stream(seed, dtype):
    x = np.random.default_rng(seed).permutation(2 * 3 * 13 * 29).reshape(2, 3, 13, 29).astype(dtype)
    kernel, outputs = (2, 3), (5 + seed % 8, 27 - seed)
    ours = scratch.nn.FractionalMaxPool2d(kernel, outputs, return_indices=True)
    theirs = torch.nn.FractionalMaxPool2d(kernel, outputs, return_indices=True)
    scratch.manual_seed(seed)
    torch.manual_seed(seed)
    for train in (True, False):
        ours.train(train)
        theirs.train(train)
        np.testing.assert_array_equal(ours(x)[1], theirs(torch.tensor(x))[1].numpy())
    np.testing.assert_array_equal(scratch.rand(7), torch.rand(7).numpy())


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nearest_picks_torchs_pixel_for_every_pair_of_sizes(mode, dtype):
    for size in range(1, 33):
        x = np.arange(size, dtype=dtype).reshape(1, 1, size)
        pairs: list[dict[str, Any]] = [{"size": outputs} for outputs in (*range(1, 49), 97, 301)]
        pairs += [{"scale_factor": factor} for factor in (0.3, 0.7, 1.3, 1.5, 2.0, 3.3) if size * factor >= 1]
        for options in pairs:
            expected = torch.nn.Upsample(mode=mode, **options)(torch.tensor(x))
            y = scratch.nn.Upsample(mode=mode, **options)(x)
            np.testing.assert_array_equal(y, expected.numpy(), err_msg=f"{size} {options}")


@pytest.mark.parametrize(
    ("name", "args"), [("AvgPool3d", ()), ("LPPool3d", (2.0,)), ("AvgPool2d", ()), ("LPPool2d", (2.0,))]
)
def test_with_ceil_mode_an_input_smaller_than_the_kernel_has_a_window_in_2d_alone(name, args):
    x = np.ones((2, 3, *(5, 7, 2)[-int(name[-2]) :]), np.float32)
    refused = []
    for nn, array in ((scratch.nn, x), (torch.nn, torch.tensor(x))):
        try:
            getattr(nn, name)(*args, 3, ceil_mode=True)(array)
        except RuntimeError:
            refused.append(nn)
    assert refused == ([scratch.nn, torch.nn] if name.endswith("3d") else [])

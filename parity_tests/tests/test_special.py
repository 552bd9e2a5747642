"""erf and erfc against the C library's, which is within 1 ulp, as far as their docstrings promise."""

import math

import numpy as np
import pytest

from scratch.special import erf, erfc

LIBRARY = 1.0  # ulp by which the C library may be off itself
ROUNDING = 0.51  # ulp: computed in a wider type, and rounded once


def numbers(dtype: type) -> np.ndarray:
    """Both signs of numbers of every size, dense where the functions bend, and the seams of the formulas."""
    rng = np.random.default_rng(0)
    bends = np.concatenate([rng.uniform(0, end, 3000) for end in (1, 6, 27)])
    seams = [0.0, 0.8, np.nextafter(0.8, 1), 1.5, 4.0, 5.0, 26.0, 27.0, 28.0]
    positive: np.ndarray = np.concatenate([bends, 10 ** rng.uniform(-37, 37, 1000), seams]).astype(dtype)
    return np.concatenate([positive, -positive])


def ulps(value: np.ndarray, exact: np.ndarray) -> float:
    """Largest distance in units of the exact value's own last place, subnormal results left out."""
    exact = exact.astype(np.float64)
    normal = np.abs(exact) >= np.finfo(value.dtype).tiny
    assert np.all(np.abs(value[~normal].astype(np.float64) - exact[~normal]) <= np.finfo(value.dtype).tiny)
    unit = np.spacing(np.abs(exact[normal]).astype(value.dtype)).astype(np.float64)
    return float((np.abs(value[normal].astype(np.float64) - exact[normal]) / unit).max())


@pytest.mark.parametrize(
    ("ours", "library", "dtype", "limit"),
    [
        (erf, math.erf, np.float64, 1.5 + LIBRARY),
        (erf, math.erf, np.float32, 4),
        (erfc, math.erfc, np.float64, 3 + LIBRARY),
        (erfc, math.erfc, np.float32, ROUNDING),
        (erf, math.erf, np.float16, ROUNDING),
        (erfc, math.erfc, np.float16, ROUNDING),
    ],
)
def test_accuracy(ours, library, dtype, limit):
    with np.errstate(over="ignore"):
        x = numbers(dtype)
    y = ours(x)
    assert y.dtype == dtype
    assert ulps(y, np.array([library(v) for v in x.tolist()])) <= limit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values(dtype):
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0], dtype)
    np.testing.assert_array_equal(erf(x), np.array([1, -1, np.nan, 0, 0], dtype))
    np.testing.assert_array_equal(np.signbit(erf(x))[3:], [False, True])
    np.testing.assert_array_equal(erfc(x), np.array([0, 2, np.nan, 1, 1], dtype))


@pytest.mark.parametrize("function", [erf, erfc])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_layout(function, dtype):
    x = np.random.default_rng(0).normal(0, 2, (6, 5, 4)).astype(dtype)
    x.flags.writeable = False
    y = function(x)
    for view in (np.s_[::2, :, ::-1], np.s_[0], np.s_[1, 2, 3], np.s_[:0]):
        np.testing.assert_array_equal(function(x[view]), y[view], strict=True)
    np.testing.assert_array_equal(function(x.T), y.T, strict=True)


@pytest.mark.parametrize("function", [erf, erfc])
def test_refuses_what_is_not_floating_point(function):
    with pytest.raises(TypeError, match=function.__name__ + ".*int64"):
        function(np.arange(3))

"""Special functions against the C library's, which is within 1 ulp, as far as their docstrings promise."""

import math

import mpmath
import numpy as np
import pytest

import scratch
from scratch.normal_tail import EDGE, left_tail, tail
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


def chance_above(u: float) -> mpmath.mpf:
    with mpmath.workdps(40):
        return mpmath.erfc(mpmath.mpf(u) / mpmath.sqrt(2)) / 2


@pytest.mark.parametrize(("dtype", "limit", "end"), [(np.float32, 6, EDGE), (np.float64, 5, 37)])
def test_the_tail_of_the_normal_distribution(dtype, limit, end):
    u = np.linspace(0, end, 2001).astype(dtype)
    r, e = np.empty_like(u), np.empty_like(u)
    tail(u, r, e)
    for ours, number in zip(r * e, u.tolist(), strict=True):
        exact = chance_above(number)
        assert abs(mpmath.mpf(float(ours)) - exact) <= limit * float(np.spacing(dtype(exact)))


def test_the_tail_of_the_normal_distribution_in_float32_far_out():
    x = -np.linspace(EDGE, 14.5, 2001).astype(np.float32)
    z, chance, e = left_tail(x)
    np.testing.assert_array_equal(z, x)
    np.testing.assert_allclose(chance, [float(chance_above(-v)) for v in x.tolist()], rtol=1.1e-7)
    np.testing.assert_allclose(e, [math.exp(-v * v / 2) for v in x.tolist()], rtol=1e-14)


def test_on_the_right_the_tail_in_float32_is_near_enough_for_one_minus_it():
    u = np.linspace(EDGE, 40, 2001).astype(np.float32)
    r, e = np.empty_like(u), np.empty_like(u)
    tail(u, r, e)
    np.testing.assert_allclose(r * e, [float(chance_above(v)) for v in u.tolist()], rtol=0, atol=2e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_gelu_gives_at_its_ends(dtype):
    """Its own sign at 0, infinity on the right, NaN where infinity meets 0."""
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-40], dtype)
    layer = scratch.nn.GELU()
    y = layer(x)
    np.testing.assert_array_equal(y[:-1], np.array([0, 0, np.inf, np.nan, np.nan, 3e38, 0], dtype))
    assert abs(y[-1] - x[-1] / 2) <= 2e-45
    np.testing.assert_array_equal(np.signbit(y[[0, 1, 6]]), [False, True, True])
    slope = layer.backward(np.ones_like(x))
    np.testing.assert_array_equal(slope, np.array([0.5, 0.5, np.nan, np.nan, np.nan, 1, 0, 0.5], dtype))


def test_gelu_keeps_its_digits_on_the_far_left():
    x = -np.linspace(0, 13.1, 200_001).astype(np.float32)
    exact = np.array([v * math.erfc(-v / math.sqrt(2)) / 2 for v in x.tolist()])
    assert ulps(scratch.nn.GELU()(x), exact) <= 8
    with scratch.no_grad():
        assert ulps(scratch.nn.GELU()(x), exact) <= 8


@pytest.mark.parametrize("name", ["SiLU", "Mish"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gate_keeps_its_digits_where_it_is_subnormal(name, dtype):
    """On the far left both are x exp(x), normal numbers down to -91.9 and -714.9; the slope is (1 + x) exp(x)."""
    x = np.linspace(*((-87, -91.9) if dtype == np.float32 else (-708, -714.9)), 5001).astype(dtype)
    layer = getattr(scratch.nn, name)()
    true = [
        np.exp(x.astype(np.longdouble)) * factor for factor in (x.astype(np.longdouble), 1 + x.astype(np.longdouble))
    ]
    with np.errstate(under="ignore"):
        y = layer(x)
        slope = layer.backward(np.ones_like(x))
    for ours, exact in ((y, true[0]), (slope, true[1])):
        unit = np.spacing(np.abs(exact).astype(dtype)).astype(np.longdouble)
        assert (np.abs(ours.astype(np.longdouble) - exact) / unit).max() <= 8


def test_sigmoid_is_subnormal_and_not_0():
    x = np.array([-90, -100, -103], np.float32)
    np.testing.assert_allclose(scratch.nn.Sigmoid()(x), np.exp(x.astype(np.float64)), rtol=0, atol=2.0**-149)


def test_softsign_has_a_gradient_far_out():
    x = np.array([1e8, -1e8, 1e15, np.inf, np.nan, 0], np.float32)
    layer = scratch.nn.Softsign()
    layer(x)
    slope = layer.backward(np.ones_like(x))
    np.testing.assert_allclose(slope, np.array([1e-16, 1e-16, 1e-30, np.nan, np.nan, 1]), rtol=1e-6)

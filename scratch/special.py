"""erf and erfc: the two functions of the normal distribution that NumPy lacks."""

import numpy as np

# Powers of x², highest first: erf(x)/x - 1 for |x| <= 0.8.
NEAR = (
    1.1080815077815397e-08,
    -1.5828242473370467e-07,
    1.6417134798375275e-06,
    -1.4923288948543734e-05,
    0.00012055252925946311,
    -0.0008548325275320459,
    0.0052239776016013385,
    -0.02686617064323223,
    0.11283791670947362,
    -0.37612638903183626,
    0.12837916709551256,
)

# Powers of s = (x - 1.5)/(x + 1.5), highest first: 2x exp(x²) erfc(x) - 1 for x >= 0.8.
TAIL = (
    8.905920966936477e-06,
    -5.5490307883291404e-05,
    0.0001363462539543981,
    -0.00016534817726321634,
    0.00010346179701068898,
    -2.249421960735975e-05,
    -3.5823573490910955e-05,
    1.6525401396442833e-05,
    2.7939570983390883e-05,
    6.091595163380421e-05,
    4.03050490581787e-05,
    -0.00012537083557207014,
    -0.0003832862125051267,
    -0.0003031010397350023,
    0.0008379025736975586,
    0.0026560516997732645,
    0.0009615594039073171,
    -0.010271691660114293,
    -0.01758117265705447,
    0.03964857172754027,
    0.1233901758876743,
    -0.4322282039553244,
    0.45690623913286443,
    -0.035243750637047495,
)

# R(t) = 1.128379 + t * 5.575589 / (t + 64.12407 - 137.2015 / (t + 4.703111 + 37.5312 / (t + 4.08192))), t = x²,
# is atanh(erf(x)) / x for |x| <= 4, to 3.4e-9. Here from the inside out, (numerator, addend) by (numerator, addend).
TANH_INNERMOST = 4.081920391225636
TANH_FRACTIONS = ((37.53119723946917, 4.703111250159433), (-137.2015339518367, 64.12407303365157))
TANH_OUTER, TANH_AT_0 = 5.575589407006304, 1.1283791584742429

BLOCK = 65536  # numbers: 256 KB, so that what is made on the way to a result stays in the cache


def erf(x: np.ndarray) -> np.ndarray:
    """The error function: the chance that a normal variable of variance 1/2 lies within (-x, x).

        erf(x) = 2/sqrt(π) ∫_0^x exp(-t²) dt        odd, erf(±inf) = ±1, erf(NaN) = NaN

    Shapes    any; the result has the dtype of x.
    Method    float64: x + x A(x²) for |x| < 0.8, A a polynomial; the leading x keeps the error below the last bit,
              however small x is. From 0.8 on, sign(x) (1 - erfc(|x|)).
              float32: tanh(x R(x²)), R a rational function. tanh already has the shape: 7 coefficients bend it to
              within 3.4e-9, and it saturates to 1 where erf does. float16 is computed in float32.
    Numerics  at most 1.5 ulp from the exact value in float64, 4 ulp in float32, near 0 too.
    Source    A: the Chebyshev interpolation of erf(sqrt t)/sqrt t - 1 over t in [0, 0.64], in 60 digits, cut after
              degree 10 (the rest is 3e-18) and written in powers of t. R: the minimax fit (Lawson's iteration) of
              atanh(erf x)/x over [0, 4], weighted for the relative error of erf, written as a continued fraction: 10
              passes over memory, where two polynomials and their quotient take 13. It goes in blocks of 256 KB, so
              that only the result leaves the cache.
    """
    _require_float(x, "erf")
    flat = x.reshape(-1)
    y = _erf_float64(flat) if x.dtype == np.float64 else _erf_float32(flat.astype(np.float32, copy=False))
    return y.reshape(x.shape).astype(x.dtype, copy=False)


def erfc(x: np.ndarray) -> np.ndarray:
    """The complementary error function, accurate where erf(x) is 1 to the last digit.

        erfc(x) = 1 - erf(x) = 2/sqrt(π) ∫_x^∞ exp(-t²) dt        erfc(-x) = 2 - erfc(x)

    Shapes    any; the result has the dtype of x. float32 is computed in float64 and rounded.
    Method    1 - (x + x A(x²)) for |x| < 0.8, with erf's polynomial. From 0.8 on
                  erfc(x) = exp(-x²) (1 + q(s)) / 2x        s = (x - 1.5)/(x + 1.5)
              exp(-x²)/2x carries the decay, and s folds the half line into [-0.31, 0.9), where one polynomial of degree
              23 is enough for what remains, a curve between -0.22 and 0.13.
    Numerics  at most 3 ulp from the exact value, until it underflows near x = 26.5. exp would multiply the rounding
              error of x² by x²; so x² = h² - (h - x)(h + x) is split at h, x rounded to 24 bits, whose square is exact.
              1 - erf is summed as ½ + ((½ - x) - x A), whose first difference is exact where cancellation would hurt.
    Source    the fold s is that of Shepherd, Laframboise 1981, Chebyshev approximation of (1 + 2x) exp(x²) erfc x in
              0 ≤ x < ∞, Math. Comp. 36; q = 2x exp(x²) erfc(x) - 1 was interpolated as A was, over x in [0.8, 26.7],
              to within 2e-17.
    """
    _require_float(x, "erfc")
    return _erfc_float64(x.reshape(-1).astype(np.float64, copy=False)).reshape(x.shape).astype(x.dtype, copy=False)


def _erf_float64(x: np.ndarray) -> np.ndarray:
    y = _erf_near(x)
    y += np.clip(x, -0.8, 0.8)
    far = np.flatnonzero(np.abs(x) > 0.8)
    y[far] = np.copysign(1 - _erfc_far(np.abs(x[far])), x[far])
    return y


def _erfc_float64(x: np.ndarray) -> np.ndarray:
    y = 0.5 - np.clip(x, -0.8, 0.8)
    y -= _erf_near(x)
    y += 0.5
    far = np.flatnonzero(np.abs(x) > 0.8)
    tail = _erfc_far(np.abs(x[far]))
    y[far] = np.where(x[far] < 0, 2 - tail, tail)
    return y


def _erf_near(x: np.ndarray) -> np.ndarray:
    """erf(x) - x of float64 numbers within ±0.8; outside, a finite number to be overwritten."""
    x = np.clip(x, -0.8, 0.8)
    y = polynomial(NEAR, x * x)
    y *= x
    return y


def _erfc_far(x: np.ndarray) -> np.ndarray:
    """erfc(x) of float64 numbers above 0.8."""
    x = np.minimum(x, 28.0)  # erfc underflows to 0 before; this keeps infinity out of the differences
    h = x.astype(np.float32).astype(np.float64)
    decay = np.exp(-h * h)
    q = polynomial(TAIL, (x - 1.5) / (x + 1.5))
    q += (1 + q) * np.expm1((h - x) * (h + x))
    return (decay + decay * q) / (2 * x)


def _erf_float32(x: np.ndarray) -> np.ndarray:
    result = x.clip(-5, 5)
    for start in range(0, x.size, BLOCK):
        y = result[start : start + BLOCK]
        t = y * y
        r = t + TANH_INNERMOST
        for numerator, addend in TANH_FRACTIONS:
            np.divide(numerator, r, out=r)
            r += t
            r += addend
        np.divide(TANH_OUTER, r, out=r)
        r *= t
        r += TANH_AT_0
        y *= r
        np.tanh(y, out=y)
    return result


def polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    """Horner's rule, highest power first."""
    y = x * coefficients[0]
    y += coefficients[1]
    for c in coefficients[2:]:
        y *= x
        y += c
    return y


def _require_float(x: np.ndarray, name: str) -> None:
    if x.dtype not in (np.float16, np.float32, np.float64):
        raise TypeError(f"{name}: the input must be float16, float32 or float64, got {x.dtype}. Convert with astype.")

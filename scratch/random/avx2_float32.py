"""float32 log, sin and cos of torch's AVX2 kernels, to the bit: polynomials whose every a * b + c rounds once.

A product of two float32 is exact in float64, so multiply and add there and round once to float32. Strictly, that rounds
twice; for all 2^24 arguments that a normal can need, the result equals a single rounding (the deep tests try them all).
So the arrays here are float64 that hold float32 numbers, and every step ends in `rounded`.

Source    The Cephes library's logf, sinf and cosf (Moshier), in the vector form of avx_mathfun.h (Pommier,
          Garberoglio), with the multiply-adds that the compiler of torch's wheels fuses.
"""

import numpy as np


def float32s(*numbers: float) -> list[float]:
    """The numbers rounded to float32, as Python floats, which leave the dtype of an array alone."""
    return [float(np.float32(number)) for number in numbers]


SQRT_HALF = np.float32(0.707106781186547524)
LOG_COEFFICIENTS = float32s(
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
LOG_2_LOW, LOG_2_HIGH = float32s(-2.12194440e-4, 0.693359375)

FOUR_OVER_PI = np.float32(1.27323954473516)
MINUS_QUARTER_PI_PARTS = float32s(-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)
COS_COEFFICIENTS = float32s(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
SIN_COEFFICIENTS = float32s(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)


def rounded(x: np.ndarray) -> np.ndarray:
    """Round to float32 precision, in float64."""
    return x.astype(np.float32).astype(np.float64)


def polynomial(coefficients: list[float], x: np.ndarray) -> np.ndarray:
    """Horner's rule, highest coefficient first, rounded once per step."""
    y = x * coefficients[0]
    y += coefficients[1]
    for coefficient in coefficients[2:]:
        y = rounded(y)
        y *= x
        y += coefficient
    return rounded(y)


def log(x: np.ndarray) -> np.ndarray:
    """Logarithm of float32 x > 0. With x = m 2^e, m in [sqrt 1/2, sqrt 2) and t = m - 1,

    log x = t - t²/2 + t³ P(t) + e log 2        log 2 in two parts, the small one added first
    """
    m, exponent = np.frexp(x)
    small = m < SQRT_HALF
    m += m * small
    m -= np.float32(1)
    exponent -= small

    t, e = m.astype(np.float64), exponent.astype(np.float64)
    t2 = rounded(t * t)
    y = rounded(polynomial(LOG_COEFFICIENTS, t) * t)
    y *= t2
    y += rounded(e * LOG_2_LOW)
    y = rounded(y)
    y -= t2 * 0.5
    y = rounded(t + rounded(y))
    e *= LOG_2_HIGH
    e += y
    return e.astype(np.float32)


def sin_cos(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of float32 x >= 0. With j the even number next to 4x/pi and t = x - j pi/4 in [-pi/4, pi/4],

    sin t = t + t³ S(t²)        cos t = 1 - t²/2 + t⁴ C(t²)        swapped in every other quadrant, signs from j
    """
    j = (x * FOUR_OVER_PI).astype(np.int32)
    j += 1
    j &= ~1

    t = x.astype(np.float64)
    for part in MINUS_QUARTER_PI_PARTS:
        t += j * part
        t = rounded(t)
    t2 = rounded(t * t)

    sin = rounded(polynomial(SIN_COEFFICIENTS, t2) * t2)
    sin *= t
    sin += t

    cos = rounded(polynomial(COS_COEFFICIENTS, t2) * t2)
    cos *= t2
    cos -= t2 * 0.5
    cos = rounded(cos)
    cos += 1

    swap = (j & 2) != 0
    sin_t, cos_t = sin.astype(np.float32), cos.astype(np.float32)
    sin_x, cos_x = np.where(swap, cos_t, sin_t), np.where(swap, sin_t, cos_t)
    sin_x.view(np.int32)[...] ^= (j & 4) << 29  # bit 2 of the octant becomes the sign bit
    cos_x.view(np.int32)[...] ^= (~(j - 2) & 4) << 29
    return sin_x, cos_x

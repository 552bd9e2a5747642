"""The tail of the normal distribution, in two factors that keep all digits."""

import math

import numpy as np

from scratch.special import NEAR, TAIL, polynomial

EDGE = 2.25  # in float32 exp would multiply the rounding error of its argument by more than u²/2 = 2.5 from here on

# R(u) = C + a/(u + b + a'/(u + b' + a''/(u + b''))), pairs (a, b) from the outside in, up to EDGE and from there on.
Fractions = tuple[float, tuple[tuple[float, float], ...]]
UP_TO_EDGE: Fractions = (
    -0.0016810707719931268,
    (
        (0.43404311017376596, 0.8441911328915924),
        (-4.224434378771293, 5.298306443726689),
        (14.257289586269879, -0.06901110270787342),
    ),
)
BELOW: Fractions = (  # R(-x) of x
    -3.850914924499294e-06,
    (
        (-0.39914926264493844, -0.011809200045272705),
        (0.849158159102395, 1.4241186328983118),
        (11.780296195438892, -4.670161571409347),
    ),
)


def tail(u: np.ndarray, r: np.ndarray, e: np.ndarray) -> None:
    """Write to r and e two factors of the chance that a normal variable exceeds u.

        ½ erfc(u/√2) = R(u) e(u)        e(u) = exp(-u²/2)

    Shapes    u, not negative, r and e, one dimension, float32 or float64.
    Method    e carries the decay, R falls slowly from ½, like 1/(u √2π).
              float32: R is a continued fraction, in 9 passes; for u > EDGE use `far_tail`.
              float64: R is erfc's polynomial, below u = 1.13 that of erf; e = exp(-h²/2) exp((h - u)(h + u)/2) is split
              at h, u rounded to 24 bits, whose square is exact.
    Numerics  R e is within 6 ulp in float32 up to EDGE, beyond it off by 2e-8 at most, and within 5 ulp in float64.
    Source    R: the minimax fits (Lawson's iteration) of quotients of polynomials of degree 3, to 4.7e-8 on [0, EDGE]
              and to 1.1e-7 on [EDGE, 14.5], divided out.
    """
    if u.dtype == np.float64:
        _float64(u, r, e)
        return
    _fractions(u, UP_TO_EDGE, r)
    np.multiply(u, u, out=e)
    e *= -0.5
    np.exp(e, out=e)


def left_tail(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, a few numbers below -EDGE, the chance that a normal variable lies below it, and e(x), in float64 to 1.1e-7."""
    x = x.astype(np.float64)
    chance = _fractions(x, BELOW, np.empty_like(x))
    e = x * x
    e *= -0.5
    np.exp(e, out=e)
    chance *= e
    np.abs(chance, out=chance)  # where e is 0, R may be negative
    return x, chance, e


def _fractions(u: np.ndarray, fractions: Fractions, r: np.ndarray) -> np.ndarray:
    constant, ((a, b), (a1, b1), (a2, b2)) = fractions
    np.add(u, b2, out=r)
    np.divide(a2, r, out=r)
    r += u
    r += b1
    np.divide(a1, r, out=r)
    r += u
    r += b
    np.divide(a, r, out=r)
    r += constant
    return r


def _float64(u: np.ndarray, r: np.ndarray, e: np.ndarray) -> None:
    finite = np.minimum(u, 40.0)  # e underflows to 0 before; this keeps infinity out of the differences
    h = finite.astype(np.float32).astype(np.float64)
    np.multiply(h - finite, h + finite, out=e)
    e *= 0.5
    np.exp(e, out=e)
    h *= h
    h *= -0.5
    e *= np.exp(h, out=h)
    z = u * math.sqrt(0.5)
    near = np.minimum(z, 0.8, out=finite)
    r[...] = polynomial(NEAR, near * near)
    r *= near
    r += near
    np.subtract(1, r, out=r)
    r *= 0.5
    r /= np.maximum(e, 0.5)
    far = np.flatnonzero(z > 0.8)
    z = z[far]
    r[far] = (1 + polynomial(TAIL, 1 - 3 / (z + 1.5))) / (4 * z)

"""The tail of the normal distribution, in two factors that keep all digits."""

import math

import numpy as np

from scratch.special import NEAR, TAIL, polynomial

# R(u) = C + a/(u + b + a'/(u + b' + ...)), (a, b) from the outside in, to 1.6e-7 for 0 <= u <= 13.25.
CONSTANT = 5.293044428699728e-06
FRACTIONS = (
    (0.3986426191414983, -0.01880016059963638),
    (1.2801874795222328, 2.2186774453041935),
    (-9.876739025362324, 3.7737337010677012),
    (16.249937826172555, 1.4227836512681455),
)


def tail(u: np.ndarray, r: np.ndarray, e: np.ndarray, wide: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the chance that a normal variable exceeds u, as a product, in r and e.

        ½ erfc(u/√2) = R(u) e(u)        e(u) = exp(-u²/2)

    Shapes    u, not negative, r and e, one dimension, float32 or float64; wide, for work, the same in float64.
    Method    e carries the decay, R falls slowly from ½, like 1/(u √2π).
              float32: R is a continued fraction, in 11 passes; e is computed in float64, since exp multiplies the
              rounding error of its argument by the argument, which is 88 where e underflows.
              float64: R is erfc's polynomial, below u = 1.13 that of erf; e = exp(-h²/2) exp((h - u)(h + u)/2) is split
              at h, u rounded to 24 bits, whose square is exact.
    Numerics  R e is within 6 ulp in float32 and within 5 in float64.
    Source    R: the minimax fit (Lawson's iteration) of a quotient of polynomials of degree 4, divided out in 40
              digits.
    """
    (_float64 if u.dtype == np.float64 else _float32)(u, r, e, wide)
    return r, e


def _float32(u: np.ndarray, r: np.ndarray, e: np.ndarray, wide: np.ndarray) -> None:
    np.copyto(wide, u)
    wide *= wide
    wide *= -0.5
    e[...] = np.exp(wide, out=wide)
    np.add(u, FRACTIONS[-1][1], out=r)
    for (_, addend), (numerator, _) in zip(FRACTIONS[-2::-1], FRACTIONS[:0:-1], strict=True):
        np.divide(numerator, r, out=r)
        r += u
        r += addend
    np.divide(FRACTIONS[0][0], r, out=r)
    r += CONSTANT


def _float64(u: np.ndarray, r: np.ndarray, e: np.ndarray, wide: np.ndarray) -> None:
    finite = np.minimum(u, 40.0, out=wide)  # e underflows to 0 before; this keeps infinity out of the differences
    h = finite.astype(np.float32).astype(np.float64)
    np.multiply(h - finite, h + finite, out=e)
    e *= 0.5
    np.exp(e, out=e)
    h *= h
    h *= -0.5
    e *= np.exp(h, out=h)
    z = u * math.sqrt(0.5)
    near = np.minimum(z, 0.8, out=wide)
    r[...] = polynomial(NEAR, near * near)
    r *= near
    r += near
    np.subtract(1, r, out=r)
    r *= 0.5
    r /= np.maximum(e, 0.5)
    far = np.flatnonzero(z > 0.8)
    z = z[far]
    r[far] = (1 + polynomial(TAIL, 1 - 3 / (z + 1.5))) / (4 * z)

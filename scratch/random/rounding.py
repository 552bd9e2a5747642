"""A fused multiply-add, x * y + z with one rounding: processors have it, NumPy does not."""

import numpy as np

SPLITTER = 2.0**27 + 1


def multiply_add(x: np.ndarray, y: float, z: float, fused: bool = True) -> None:
    """Put x * y + z into x, in x's dtype, rounded once if fused, else twice."""
    with np.errstate(all="ignore"):
        y, z = float(x.dtype.type(y)), float(x.dtype.type(z))
        if not fused or z == 0:  # adding zero rounds nothing, but turns -0 into 0
            x *= y
            x += z
        elif x.dtype == np.float32:
            x[...] = fused_float32(x, y, z)
        else:
            x[...] = fused_float64(x, y, z)


def fused_float32(x: np.ndarray, y: float, z: float) -> np.ndarray:
    """The float64 value whose cast to float32 is x * y + z rounded once.

    The product of two float32 is exact in float64, so only the sum rounds there, and the cast rounds again. The two
    roundings disagree with one only where the float64 sum fell exactly half way between two float32 without being there
    exactly; the error of the sum (Knuth's TwoSum) says to which side it belongs.
    """
    product = x.astype(np.float64)
    product *= y
    total = product + z
    half_way = np.flatnonzero((total.view(np.int64) & 0x1FFFFFFF) == 0x10000000)
    if half_way.size:
        _, error = two_sum(product[half_way], z)
        side = np.nextafter(total[half_way], np.copysign(np.inf, error))
        total[half_way] = np.where(error == 0, total[half_way], side)
    return total


def fused_float64(x: np.ndarray, y: float, z: float) -> np.ndarray:
    """Compute x * y + z, rounded once, from error-free products and sums.

    With uh + ul = x y and th + tl = z + ul exactly, and vh + vl = uh + th, the result is vh plus (vl + tl) rounded to
    odd: the odd last bit keeps the final rounding from taking a near tie for a tie. Below 2^-1022 scaling back is the
    final rounding, so that sum is rounded to odd as well.

    Source    Dekker 1971 (the product); Boldo and Melquiond 2008, "Emulation of a FMA and correctly rounded sums",
              IEEE Transactions on Computers 57(4), figure 5.
    """
    if y == 0 or not (np.isfinite(y) and np.isfinite(z)):
        return x * y + z
    exponent = int(np.frexp(max(abs(y), abs(z)))[1])
    scale = 2.0 ** -min(max(exponent, -1000), 1000)  # a power of two is exact, and no part over- or underflows
    kept = z
    y, z = y * scale, z * scale
    if z / scale != kept:  # it underflows: it only decides to which side of a tie the product moves
        z = np.copysign(2.0**-1000, kept)
    uh, ul = two_product(x, y)
    th, tl = two_sum(ul, z)
    vh, vl = two_sum(uh, th)
    vl = round_to_odd_sum(tl, vl)
    total = vh + vl
    tiny = np.flatnonzero(np.abs(total) < np.finfo(np.float64).tiny * scale)
    total[tiny] = round_to_odd_sum(vh[tiny], vl[tiny])
    total /= scale
    total[x == 0] = kept
    return total


def two_sum(a: np.ndarray, b: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Split a + b into s, the rounded sum, and e, what rounding lost: s + e = a + b exactly (Knuth)."""
    s = a + b
    b_part = s - a
    e = s - b_part
    np.subtract(a, e, out=e)
    np.subtract(b, b_part, out=b_part)
    e += b_part
    return s, e


def two_product(x: np.ndarray, y: float) -> tuple[np.ndarray, np.ndarray]:
    """Split x * y into p, the rounded product, and e, what rounding lost (Dekker, by Veltkamp's halves)."""
    x_high = x * SPLITTER
    x_high -= x_high - x
    x_low = x - x_high
    y_high = y * SPLITTER - (y * SPLITTER - y)
    y_low = y - y_high
    p = x * y
    e = x_high * y_high
    e -= p
    e += x_high * y_low
    e += x_low * y_high
    e += x_low * y_low
    return p, e


def round_to_odd_sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Add; where the sum is inexact, take the neighbor of the exact sum whose last bit is 1."""
    s, e = two_sum(a, b)
    even = np.flatnonzero((e != 0) & ((s.view(np.int64) & 1) == 0))
    s[even] = np.nextafter(s[even], np.copysign(np.inf, e[even]))
    return s

"""float32 log, sin and cos of the GNU C library, to the bit: which torch calls where it has no vector kernel.

All arithmetic is float64 and only the result is rounded to float32.

Source    glibc since 2.28, logf and sincosf (Nagy and Dijkstra, Arm Optimized Routines).
"""

import numpy as np


def floats(text: str) -> list[float]:
    return [float.fromhex(number) for number in text.split()]


FIRST_BITS = 0x3F330000  # the 16 parts of the logarithm's table divide [0.69921875, 1.3984375)
INVERSE_CENTERS = np.array(
    floats("""
    0x1.661ec79f8f3bep+0 0x1.571ed4aaf883dp+0 0x1.49539f0f010bp+0  0x1.3c995b0b80385p+0
    0x1.30d190c8864a5p+0 0x1.25e227b0b8eap+0  0x1.1bb4a4a1a343fp+0 0x1.12358f08ae5bap+0
    0x1.0953f419900a7p+0 0x1p+0               0x1.e608cfd9a47acp-1 0x1.ca4b31f026aap-1
    0x1.b2036576afce6p-1 0x1.9c2d163a1aa2dp-1 0x1.886e6037841edp-1 0x1.767dcf5534862p-1
    """)
)
LOG_CENTERS = np.array(
    floats("""
    -0x1.57bf7808caadep-2 -0x1.2bef0a7c06ddbp-2 -0x1.01eae7f513a67p-2 -0x1.b31d8a68224e9p-3
    -0x1.6574f0ac07758p-3 -0x1.1aa2bc79c81p-3   -0x1.a4e76ce8c0e5ep-4 -0x1.1973c5a611cccp-4
    -0x1.252f438e10c1ep-5  0x0p+0                0x1.aa5aa5df25984p-5  0x1.c5e53aa362eb4p-4
     0x1.526e57720db08p-3  0x1.bc2860d22477p-3   0x1.1058bc8a07ee1p-2  0x1.4043057b6ee09p-2
    """)
)
LOG_2 = float.fromhex("0x1.62e42fefa39efp-1")
A0, A1, A2 = floats("-0x1.00ea348b88334p-2 0x1.5575b0be00b6ap-2 -0x1.ffffef20a4123p-2")

HALF_PI = float.fromhex("0x1.921fb54442d18p0")
TWO_OVER_PI = float.fromhex("0x1.45f306dc9c883p-1")
S1, S2, S3 = floats("-0x1.555545995a603p-3 0x1.1107605230bc4p-7 -0x1.994eb3774cf24p-13")
C1, C2, C3, C4 = floats("-0x1.ffffffd0c621cp-2 0x1.55553e1068f19p-5 -0x1.6c087e89a359dp-10 0x1.99343027bf8c3p-16")


def log(x: np.ndarray) -> np.ndarray:
    """Logarithm of float32 x > 0. With x = z 2^k, c the center of z's part of the table, and r = z/c - 1,

    log x = k log 2 + log c + r + r² (A2 + A1 r + A0 r²)
    """
    bits = x.view(np.int32)
    part = (bits - FIRST_BITS) >> 19 & 15
    k = (bits - FIRST_BITS) >> 23
    z = (bits - (k << 23)).view(np.float32)

    r = z * INVERSE_CENTERS[part] - 1
    r2 = r * r
    return ((A0 * r2 + (A1 * r + A2)) * r2 + (k * LOG_2 + LOG_CENTERS[part] + r)).astype(np.float32)


def sin_cos(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of float32 x in [0, 120). With n quarter turns subtracted, t = x - n pi/2 in [-pi/4, pi/4],

    sin t = t + S1 t³ + S2 t⁵ + S3 t⁷       cos t = 1 + C1 t² + C2 t⁴ + C3 t⁶ + C4 t⁸       swapped and signed by n
    """
    wide = x.astype(np.float64)
    n = np.floor(wide * TWO_OVER_PI + 0.5)
    t = wide - n * HALF_PI
    n = n.astype(np.int32)

    t2 = t * t
    t3, t4 = t2 * t, t2 * t2
    sin = ((t + t3 * S1) + (t3 * t2) * (S2 + t2 * S3)).astype(np.float32)
    cos = (((1 + t2 * C1) + t4 * C2) + (t4 * t2) * (C3 + t2 * C4)).astype(np.float32)

    odd = (n & 1) != 0
    sin_x, cos_x = np.where(odd, cos, sin), np.where(odd, sin, cos)
    sin_x.view(np.int32)[...] ^= (n & 2) << 30  # bit 1 of the quarter becomes the sign bit
    cos_x.view(np.int32)[...] ^= (n + 1 & 2) << 30
    return sin_x, cos_x

"""poisson and binomial: counts drawn by rejection, each from as many float64 units (two words) as it takes.

Source    at::native::sample_poisson, after NumPy's legacy distributions; ATen/native/Distributions.h, after TensorFlow.
          Hörmann 1993, "The transformed rejection method for generating Poisson random variables", Insurance:
          Mathematics and Economics 12(1); "The generation of binomial random variates", Journal of Statistical
          Computation and Simulation 46. lgamma as in fdlibm's e_lgamma_r.c, which the GNU C library has.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import TracebackType

import numpy as np

from scratch.random.generator import Generator, mersenne
from scratch.random.memory_order import store
from scratch.random.mersenne import MersenneTwister
from scratch.random.shape import check_array, check_floating

LARGEST_RATE = 2.0**62
BLOCK = 1024  # units fetched at a time


class Units:
    """float64 units of a stream, one by one. On exit, the stream continues after the last one that was taken."""

    def __init__(self, engine: MersenneTwister) -> None:
        self.engine = engine
        self.taken = 0

    def __enter__(self) -> Iterator[float]:
        self.state = self.engine.get_state().tobytes()
        return self._each()

    def _each(self) -> Iterator[float]:
        while True:
            for u in self.engine.units(BLOCK, np.float64).tolist():
                self.taken += 1
                yield u

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.engine.set_state(self.state)
        for start in range(0, self.taken, BLOCK):
            self.engine.units(min(BLOCK, self.taken - start), np.float64)


def poisson(input: np.ndarray, generator: Generator | None = None) -> np.ndarray:
    """Make an array of counts: element i is Poisson with rate input[i], in the dtype of input.

        rate < 10     the number of units whose product stays above exp(-rate)
        otherwise     transformed rejection: with u in (-1/2, 1/2), v in (0, 1), us = 1/2 - |u|, b = 0.931 + 2.53 √rate,
                      a = 0.02483 b - 0.059, the proposal k = ⌊(2 a / us + b) u + rate + 0.43⌋ is taken if v is at most
                      its density over that of the proposals

    Torch     torch.poisson. log, exp and √ are the C library's, as torch calls them. lgamma is written out here:
              Python's differs in its last digits, which matter from rates of 10^12 on.
    Raises    RuntimeError for a rate that is negative or NaN, or above 2^62; NotImplementedError for integers.
    """
    check_floating("poisson", input)
    rates = input.astype(np.float64)
    if not np.all(rates >= 0):
        raise RuntimeError("poisson: a rate is negative or NaN. Rates are at least 0.")
    if np.any(rates > LARGEST_RATE):
        raise RuntimeError(f"poisson: a rate is above 2^62, so counts may exceed 64 bits: {rates.max()}.")
    with Units(mersenne("poisson", generator)) as units:
        counts = [_poisson(rate, units) for rate in rates.ravel().tolist()]
    drawn = np.empty(input.shape, input.dtype)
    store(drawn, np.array(counts, np.float64).reshape(input.shape))
    return drawn


def _poisson(rate: float, units: Iterator[float]) -> int:
    if rate == 0:
        return 0
    if rate < 10:
        count, product, floor = 0, 1.0, math.exp(-rate)
        while (product := product * next(units)) > floor:
            count += 1
        return count
    root, log_rate = math.sqrt(rate), math.log(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = next(units) - 0.5, next(units)
        us = 0.5 - abs(u)
        if us == 0:
            continue
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= v_r:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        density = -rate + k * log_rate - _lgamma(k + 1.0)
        if _log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b) <= density:
            return k


LGAMMA = (
    8.33333333333329678849e-02,
    -2.77777777728775536470e-03,
    7.93650558643019558500e-04,
    -5.95187557450339963135e-04,
    8.36339918996282139126e-04,
    -1.63092934096575273989e-03,
)


def _lgamma(x: float) -> float:
    """Log (x - 1)! of a whole number, in fdlibm's steps."""
    if x < 8:
        return math.log(math.factorial(int(x) - 1))
    log, z = math.log(x), 1 / x
    if x >= 2.0**58:
        return x * (log - 1)
    y, series = z * z, 0.0
    for coefficient in reversed(LGAMMA):
        series = coefficient + y * series
    return (x - 0.5) * (log - 1) + (4.18938533204672725052e-01 + z * series)


def binomial(count: np.ndarray, prob: np.ndarray, generator: Generator | None = None) -> np.ndarray:
    """Make an array of counts: element i is the number of successes among count[i] trials of probability prob[i].

    With p the smaller of prob and 1 - prob, with failures and successes swapped if it is 1 - prob:

        count p < 10    the number of geometric gaps ⌈log u / log(1 - p)⌉ that fit into count trials
        otherwise       transformed rejection (BTRS), as in `poisson`, around the mode ⌊(count + 1) p⌋

    Shapes    count and prob broadcast; both float32 or both float64, which is the result's dtype.
    Torch     torch.binomial. A prob below 0 counts as 0, above 1 as 1, NaN gives NaN; a count below 0 counts as 0.
    Raises    ValueError for counts that are integers; RuntimeError for two dtypes or shapes that do not broadcast;
              NotImplementedError for float16; TypeError for anything but arrays.
    """
    check_array("binomial", count)
    check_array("binomial", prob)
    if count.dtype.kind != "f":
        raise ValueError(f"binomial: counts must be floats, got {count.dtype}. Use count.astype(np.float32).")
    if count.dtype != prob.dtype:
        raise RuntimeError(f"binomial: count and prob must have the same dtype, got {count.dtype} and {prob.dtype}.")
    if count.dtype == np.float16:
        raise NotImplementedError("binomial: draws float32 or float64, not float16. Use astype.")
    try:
        counts, probs = np.broadcast_arrays(count, prob)
    except ValueError:
        raise RuntimeError(f"binomial: shapes {count.shape} and {prob.shape} do not broadcast.") from None
    kind = count.dtype.type
    with Units(mersenne("binomial", generator)) as units:
        pairs = zip(counts.ravel().tolist(), probs.ravel().tolist(), strict=True)
        drawn = [_binomial(n, p, kind, units) for n, p in pairs]
    return np.array(drawn, count.dtype).reshape(counts.shape)


def _binomial(n: float, p: float, kind: type, units: Iterator[float]) -> float:
    if n <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return n
    if math.isnan(p) or math.isnan(n):
        return math.nan
    q = p if p <= 0.5 else float(kind(1.0 - p))
    successes = _rejected(n, q, kind, units) if kind(n) * kind(q) >= 10 else _gaps(n, q, kind, units)
    return successes if p <= 0.5 else float(kind(n) - kind(successes))


def _gaps(n: float, p: float, kind: type, units: Iterator[float]) -> float:
    log_failure = float(kind(math.log1p(-p)))
    end, successes = 0.0, 0.0
    while (u := next(units)) > 0:
        end += math.ceil(math.log(u) / log_failure)
        if end > n:
            break
        successes += 1
    return successes


def _rejected(n: float, p: float, kind: type, units: Iterator[float]) -> float:
    a, b, c, v_r, r, alpha, m = _btrs(n, p, kind)
    narrow: Callable[[float], float] = float if kind is np.float64 or n < 2**23 else lambda x: float(np.float32(x))
    while True:
        u, v = next(units) - 0.5, next(units)
        us = 0.5 - abs(u)
        if us == 0:
            continue
        k = narrow(math.floor((2 * a / us + b) * u + c))
        if k < 0 or k > n:
            continue
        if us >= 0.07 and v <= v_r:
            return k
        rest = narrow(narrow(n - k) + 1)
        bound = (
            (m + 0.5) * math.log((m + 1) / (r * (n - m + 1)))
            + narrow(n + 1) * math.log((n - m + 1) / rest)
            + (k + 0.5) * math.log(r * rest / narrow(k + 1))
            + _stirling_tail(m)
            + _stirling_tail(n - m)
            - _stirling_tail(k)
            - _stirling_tail(narrow(n - k))
        )
        if _log(v * alpha / (a / (us * us) + b)) <= bound:
            return k


@lru_cache
def _btrs(n: float, p: float, kind: type) -> tuple[float, ...]:
    """The constants of BTRS; products of count and prob are rounded to their dtype."""
    count, prob = kind(n), kind(p)
    spread = float(np.sqrt(count * prob * (1 - prob)))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c = float(count * prob) + 0.5
    alpha = (2.83 + 5.1 / b) * spread
    m = float(np.floor((count + 1) * prob))
    return a, b, c, 0.92 - 4.2 / b, float(prob / (1 - prob)), alpha, m


TAILS = (
    0.0810614667953272,
    0.0413406959554092,
    0.0276779256849983,
    0.02079067210376509,
    0.0166446911898211,
    0.0138761288230707,
    0.0118967099458917,
    0.0104112652619720,
    0.00925546218271273,
    0.00833056343336287,
)


def _stirling_tail(k: float) -> float:
    """The difference of log k! and Stirling's formula."""
    if k < len(TAILS):
        return TAILS[int(k)]
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf

"""multinomial: indices drawn by weight."""

import numpy as np

from scratch.random.exponential import exponential_
from scratch.random.generator import Generator, mersenne
from scratch.random.shape import check_array
from scratch.random.topk import topk_indices


def multinomial(
    input: np.ndarray, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> np.ndarray:
    """num_samples indices for every row of weights, int64, each index with probability weight / sum of the row.

        with replacement       for every row, then every sample: the first index whose cumulative weight reaches u;
                               the weights are summed from left to right in their own dtype, then divided by the sum;
                               u is a float64 unit
        without, or a single   a race: weight / exponential draw, one per weight, and the num_samples largest win,
        sample                 largest first

    The race is fair because, among exponential times whose rates are the weights, each is the smallest with probability
    proportional to its rate; and a time of rate 1, divided by the weight, is one of that rate.

    Shapes    input (W,) or (N, W), need not sum to 1; the result (num_samples,) or (N, num_samples).
    Torch     torch.multinomial. Quotients tie now and then in float32, and always for weights of 0, which come last;
              ties are ordered as torch's CPU builds with the GNU C++ library order them (see topk.py), on any number of
              threads. A row with ties takes about five times as long.
    Raises    RuntimeError for weights that are negative, infinite, NaN or all zero in a row, for integers, for more
              samples than weights without replacement, for num_samples < 1; NotImplementedError for float16;
              TypeError if num_samples is not an integer.
    Source    at::native::multinomial; the race: Efraimidis and Spirakis 2006, Information Processing Letters 97(5).
    """
    check_weights(input, num_samples, replacement)
    if replacement and num_samples > 1:
        return by_cumulative_weight(input, num_samples, generator)
    race = exponential_(np.empty_like(input), generator=generator)
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(input, race, out=race)
    if num_samples == 1:
        return race.argmax(axis=-1, keepdims=True)
    return topk_indices(race, num_samples)


def by_cumulative_weight(weights: np.ndarray, num_samples: int, generator: Generator | None) -> np.ndarray:
    engine = mersenne("multinomial", generator)
    cumulative = np.atleast_2d(np.cumsum(weights, axis=-1, dtype=weights.dtype))
    cumulative /= cumulative[:, -1:]
    cumulative[:, -1] = 1
    u = engine.units(len(cumulative) * num_samples, np.float64).reshape(-1, num_samples)
    drawn = np.empty(u.shape, np.int64)
    for row, row_u, row_drawn in zip(cumulative, u, drawn, strict=True):
        row_drawn[...] = np.searchsorted(row, row_u)
    return drawn.reshape(*weights.shape[:-1], num_samples)


def check_weights(weights: np.ndarray, num_samples: int, replacement: bool) -> None:
    check_array("multinomial", weights)
    if not isinstance(num_samples, (int, np.integer)) or isinstance(num_samples, bool):
        raise TypeError(f"multinomial: num_samples must be an integer, got {num_samples!r}.")
    if weights.dtype == np.float16:
        raise NotImplementedError("multinomial: weights must be float32 or float64, not float16. Use astype.")
    if weights.ndim not in (1, 2) or weights.dtype.kind != "f":
        problem = f"weights must be floating, one row or a matrix, got {weights.dtype} of shape {weights.shape}"
    elif num_samples < 1:
        problem = f"num_samples must be at least 1, got num_samples={num_samples}"
    elif not replacement and num_samples > weights.shape[-1]:
        problem = f"cannot draw {num_samples} samples without replacement from {weights.shape[-1]} weights"
    elif not np.all((weights >= 0) & (weights < np.inf)):
        problem = "weights must be finite and not negative"
    elif not np.all(weights.sum(axis=-1) > 0):
        problem = "each row needs a weight above 0"
    else:
        return
    raise RuntimeError(f"multinomial: {problem}.")

"""Check an initialiser: equal bits from the same seed, and the generator left in the same state.

The row's inputs give the shapes. Each is filled in C order and, from the same seed, as a transposed array, since torch
draws in the order of memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import torch

from parity_tests.checks.sides import draw, generator
from parity_tests.engine import SCRATCH, TORCH, Engine
from parity_tests.rule import (
    DRAWS,
    Result,
    bits_equal,
    distance,
    exactly,
    float32_limit,
    float64_limit,
)
from parity_tests.table.row import Pair


def check_init(pair: Pair, dtype: str) -> list[Result]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return list(_orthogonal(pair, dtype) if pair.name == "nn.init.orthogonal_" else _bits(pair, dtype))


def _bits(pair: Pair, dtype: str) -> Iterator[Result]:
    for array in draw(pair.inputs, generator(pair, 0), np.dtype(dtype)):
        for layout, start in (("", array), (" transposed", array.T)):
            if start.ndim > 2 and layout and "dirac" in pair.name:
                continue
            equal = state = True
            for seed in range(DRAWS):
                ours, theirs = fill(pair, start, seed)
                equal = equal and bits_equal(ours, theirs)
                state = state and _same_state()
            what = f"{list(start.shape)}{layout}"
            if "bits" in pair.notes:
                yield exactly(
                    pair.label, f"kind {what}", dtype, (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
                )
                continue
            yield exactly(pair.label, f"bits {what}", dtype, equal, "bits differ")
            yield exactly(pair.label, f"generator after {what}", dtype, state, "the generators' states differ")


def _orthogonal(pair: Pair, dtype: str) -> Iterator[Result]:
    """Not bits, but the rule: QR depends on the LAPACK. The truth is torch's QR, in float64, of the same normals."""
    arrays = list(draw(pair.inputs, generator(pair, 0), np.dtype(dtype)))
    for array in [*arrays, *(array.T for array in arrays if array.ndim == 2)]:
        u = error = 0.0
        state = True
        for seed in range(DRAWS):
            ours, theirs = fill(pair, array, seed)
            state = state and _same_state()
            u = max(u, _orthogonal_error(pair, seed, array.shape))
            truth = theirs if dtype == "float64" else _orthogonal_truth(pair, seed, array.shape)
            error = max(error, distance(ours, truth))
        limit = float32_limit(u) if dtype == "float32" else float64_limit(u)
        yield Result(pair.label, f"Q {list(array.shape)}", dtype, error, limit)
        yield exactly(pair.label, f"generator after {list(array.shape)}", dtype, state)


def _orthogonal_error(pair: Pair, seed: int, shape: tuple[int, ...]) -> float:
    _, theirs = fill(pair, np.empty(shape, np.float32), seed)
    return distance(theirs, _orthogonal_truth(pair, seed, shape))


def _orthogonal_truth(pair: Pair, seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """The float64 evaluation for the normals that torch draws in float32."""
    TORCH.seed(seed)
    normals = torch.empty(shape).flatten(1).normal_().double()
    tall = normals if normals.shape[0] >= normals.shape[1] else normals.T
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal().sign()
    return ((q if tall is normals else q.T).reshape(shape) * pair.kwargs.get("gain", 1)).numpy()


def fill(pair: Pair, start: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Both sides' array of start's shape and strides, filled from one seed; and each returns what it was given."""
    return _filled(pair, SCRATCH, start, seed), _filled(pair, TORCH, start, seed)


def _filled(pair: Pair, engine: Engine, start: np.ndarray, seed: int) -> np.ndarray:
    target = engine.native(np.copy(start, order="K"))
    engine.seed(seed)
    returned = engine.find(pair.name)(target, *pair.args, **pair.kwargs)
    if returned is not target:
        raise AssertionError(f"{engine}: {pair.name} must return the array that it was given")
    return engine.array_view(target)


def _same_state() -> bool:
    return np.array_equal(SCRATCH.state(), TORCH.state())

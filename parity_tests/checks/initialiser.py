"""Check an initialiser: equal bits from the same seed, and the generator left in the same state.

Each of the row's arrays is filled in C order and, from the same seed, as a transposed array, since torch
draws in the order of memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from parity_tests.checks.sides import draw, generator
from parity_tests.engine import REFERENCE, SCRATCH, TORCH, Engine, Torch
from parity_tests.rule import DRAWS, Ledger, Result, bits_equal, distance, exactly
from parity_tests.table.row import Initialiser


def check_initialiser(row: Initialiser, dtypes: tuple[str, ...], ours: Engine, theirs: Torch) -> list[Result]:
    """Torch draws on the CPU even if the check runs on another device, which would have another stream."""
    results = _orthogonal if row.name == "nn.init.orthogonal_" else _bits
    return [result for dtype in dtypes for result in results(row, dtype, ours, theirs.on("cpu"))]


def _bits(row: Initialiser, dtype: str, engine: Engine, reference: Engine) -> Iterator[Result]:
    for array in draw(row.arrays, generator(row, 0), np.dtype(dtype)):
        for layout, start in (("", array), (" transposed", array.T)):
            if start.ndim > 2 and layout and "dirac" in row.name:
                continue
            equal = state = True
            for seed in range(DRAWS):
                ours, theirs = fill(row, start, seed, engine, reference)
                equal = equal and bits_equal(ours, theirs)
                state = state and _same_state()
            what = f"{list(start.shape)}{layout}"
            yield exactly(row.label, f"bits {what}", dtype, equal, "bits differ")
            yield exactly(row.label, f"generator after {what}", dtype, state, "the generators' states differ")


def _orthogonal(row: Initialiser, dtype: str, engine: Engine, reference: Engine) -> Iterator[Result]:
    """Not bits, but the rule: QR depends on the LAPACK. The truth is torch's QR, in float64, of the same normals."""
    arrays = list(draw(row.arrays, generator(row, 0), np.dtype(dtype)))
    for array in [*arrays, *(array.T for array in arrays if array.ndim == 2)]:
        ledger, what = Ledger(row.label, dtype), f"Q {list(array.shape)}"
        state = True
        for seed in range(DRAWS):
            ours, theirs = fill(row, array, seed, engine, reference)
            state = state and _same_state()
            truth = theirs if dtype == "float64" else _orthogonal_truth(row, seed, array.shape)
            ledger.measured(what, distance(ours, truth), _orthogonal_error(row, seed, array.shape))
        yield from ledger.results()
        yield exactly(row.label, f"generator after {list(array.shape)}", dtype, state)


def _orthogonal_error(row: Initialiser, seed: int, shape: tuple[int, ...]) -> float:
    _, theirs = fill(row, np.empty(shape, np.float32), seed)
    return distance(theirs, _orthogonal_truth(row, seed, shape))


def _orthogonal_truth(row: Initialiser, seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """The float64 evaluation for the normals that torch draws in float32."""
    TORCH.seed(seed)
    normals = torch.empty(shape).flatten(1).normal_().double()
    tall = normals if normals.shape[0] >= normals.shape[1] else normals.T
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal().sign()
    return ((q if tall is normals else q.T).reshape(shape) * row.kwargs.get("gain", 1)).numpy()


def fill(
    row: Initialiser, start: np.ndarray, seed: int, engine: Engine = SCRATCH, reference: Engine = REFERENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Both sides' arrays with start's shape and strides, filled from one seed; each must return its argument."""
    return filled(row, engine, start, seed), filled(row, reference, start, seed)


def filled(row: Initialiser, engine: Engine, start: np.ndarray, seed: int) -> np.ndarray:
    target = engine.native(np.copy(start, order="K"))
    engine.seed(seed)
    returned = engine.find(row.name)(target, *row.args, **row.kwargs)
    if returned is not target:
        raise AssertionError(f"{engine}: {row.name} must return the array that it was given")
    return engine.array_view(target)


def _same_state() -> bool:
    return np.array_equal(SCRATCH.state(), TORCH.state())

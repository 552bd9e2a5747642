"""Check an older torch: it behaves exactly as the table of versions says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from parity_tests.checks.initialiser import filled
from parity_tests.checks.optimizer import OptimizerCheck
from parity_tests.checks.refusal import attempt, refusal_by, verdict
from parity_tests.checks.scheduler import run
from parity_tests.checks.sides import TorchSide, draw, generator
from parity_tests.engine import TORCH, Torch
from parity_tests.rule import DRAWS, FLOOR, Ledger, Result, bits_equal, distance, exactly
from parity_tests.table.row import Initialiser, Layer, Optimizer, Refusal, Row, Scheduler
from parity_tests.table.versions import Change


def check_release(row: Row, change: Change, dtypes: tuple[str, ...], torch: Torch = TORCH) -> list[Result]:
    """The installed torch against its entry in the table, on the numbers of a row, in the precision that it names."""
    dtypes = (change.dtype,) if change.dtype else dtypes
    told = torch.replacing(change.component, change.older)
    return list(CHECKS[type(row)](row, dtypes, torch, told))


def _layer(row: Layer, dtypes: tuple[str, ...], torch: Torch, told: Torch) -> Iterator[Result]:
    errors = [attempt(lambda e=engine: _numbers(row, e, "float32", 0))[1] for engine in (torch, told)]  # type: ignore[misc]
    if any(errors):
        yield _refused(row, *errors)
        return
    ledgers = {dtype: Ledger(row.label, dtype) for dtype in dtypes}
    for number in range(DRAWS):
        rough, truth = (_numbers(row, told, dtype, number) for dtype in ("float32", "float64"))
        for dtype, ledger in ledgers.items():
            installed = _numbers(row, torch, dtype, number)
            for what in truth:
                ledger.record(f"this torch, as listed: {what}", installed.get(what), rough[what], truth[what])
    for ledger in ledgers.values():
        yield from ledger.results()


def _numbers(row: Layer, engine: Torch, dtype: str, number: int) -> dict[str, np.ndarray]:
    inputs, call = draw((row.inputs, row.call), generator(row, 0, number), np.dtype(dtype))
    return TorchSide(row, dtype, 7, engine).run(inputs, call, seed=number)


def _refusal(row: Refusal, dtypes: tuple[str, ...], torch: Torch, told: Torch) -> Iterator[Result]:
    yield _refused(row, refusal_by(torch, row), refusal_by(told, row))


def _refused(row: Row, installed: Exception | None, listed: Exception | None) -> Result:
    note = f"torch: {verdict(installed)}; listed: {verdict(listed)}"
    return exactly(row.label, "this torch, as listed: refusal", None, type(installed) is type(listed), note)


def _scheduler(row: Scheduler, dtypes: tuple[str, ...], torch: Torch, told: Torch) -> Iterator[Result]:
    installed, listed = (run(row, [engine]) for engine in (torch, told))
    for what, rates in listed.items():
        error = distance(installed[what], rates)
        yield Result(row.label, f"this torch, as listed: {what}", "float64", error, FLOOR)


def _initialiser(row: Initialiser, dtypes: tuple[str, ...], torch: Torch, told: Torch) -> Iterator[Result]:
    for dtype in dtypes:
        for array in draw(row.arrays, generator(row, 0), np.dtype(dtype)):
            same = all(
                bits_equal(filled(row, torch, array, seed), filled(row, told, array, seed)) for seed in range(DRAWS)
            )
            what = f"this torch, as listed: bits {list(array.shape)}"
            yield exactly(row.label, what, dtype, same, "bits differ")


def _optimizer(row: Optimizer, dtypes: tuple[str, ...], torch: Torch, told: Torch) -> Iterator[Result]:
    for dtype in dtypes:
        (installed, error), (listed, wanted) = (
            attempt(partial(OptimizerCheck(row, engine, engine).run, engine, dtype, 0)) for engine in (torch, told)
        )
        if error or wanted:
            yield _refused(row, error, wanted)
            continue
        same = all(bits_equal(a[what], b[what]) for a, b in zip(installed, listed, strict=True) for what in b)
        yield exactly(row.label, "this torch, as listed: all steps", dtype, same, "bits differ")


CHECKS: dict[type[Any], Callable[[Any, tuple[str, ...], Torch, Torch], Iterator[Result]]] = {
    Layer: _layer,
    Refusal: _refusal,
    Initialiser: _initialiser,
    Scheduler: _scheduler,
    Optimizer: _optimizer,
}

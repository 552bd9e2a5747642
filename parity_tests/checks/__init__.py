"""Check one row of the table: build both sides, feed them the same numbers, return Results.

`check(row)` is all that the tests, the command line and the report call. It knows nothing of pytest.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import torch

from parity_tests.checks.layer import DTYPES, LayerCheck, check_refusal
from parity_tests.checks.sides import Row
from parity_tests.engine import SCRATCH, TORCH
from parity_tests.rule import Result, exactly
from parity_tests.table.row import Refusal

__all__ = ["DTYPES", "check"]


def check(row: Row, dtypes: Iterable[str] = DTYPES, device: str = "cpu", component: Any = None) -> list[Result]:
    """All results of one row. `component` stands in for scratch's class: that is how planted bugs are tried.

    Both engines may warn a user (UserWarning, FutureWarning); a warning from NumPy's arithmetic is a failure.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("error", RuntimeWarning)
        return _check(row, tuple(dtypes), device, component)


def _check(row: Row, dtypes: tuple[str, ...], device: str, component: Any) -> list[Result]:
    ours = SCRATCH.replacing(row.name, component) if component else SCRATCH
    try:
        if isinstance(row, Refusal):
            return [check_refusal(row, ours)]
        if row.name.startswith(("optim.", "nn.init.", "nn.utils.")):
            from parity_tests.checks import optimizer

            elsewhere = device != "cpu" and row.name.startswith("optim.")
            place = torch.device(device) if elsewhere else nullcontext()  # init draws on the CPU
            with place:
                return optimizer.check(row, dtypes, ours)
        return list(LayerCheck(row, dtypes, ours, TORCH.on(device)).results())
    except Exception as error:
        return [exactly(row.label, "runs", None, False, f"{type(error).__name__}: {error}")]

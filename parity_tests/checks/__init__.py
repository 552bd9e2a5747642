"""Check one row of the table: build both sides, feed them the same numbers, return Results.

`check(row)` is all that the tests, the command line and the report call. It does not depend on pytest.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from parity_tests.checks.averaging import check_averaging
from parity_tests.checks.clipping import check_clipping
from parity_tests.checks.inference import check_inference
from parity_tests.checks.initialiser import check_initialiser
from parity_tests.checks.layer import DTYPES, check_layer
from parity_tests.checks.optimizer import check_optimizer
from parity_tests.checks.program import check_program
from parity_tests.checks.refusal import check_refusal
from parity_tests.checks.release import check_release
from parity_tests.checks.scheduler import check_scheduler
from parity_tests.engine import REFERENCE, SCRATCH, Engine, Torch
from parity_tests.rule import Result, exactly
from parity_tests.table.row import (
    Averaging,
    Clipping,
    Inference,
    Initialiser,
    Layer,
    Optimizer,
    Program,
    Refusal,
    Row,
    Scheduler,
)
from parity_tests.table.versions import in_force

__all__ = ["CHECKS", "DTYPES", "check"]

# kind of row -> its check, of the row in these precisions, our engine and the reference engine
CHECKS: dict[type[Any], Callable[[Any, tuple[str, ...], Engine, Torch], list[Result]]] = {
    Layer: check_layer,
    Inference: check_inference,
    Optimizer: check_optimizer,
    Scheduler: check_scheduler,
    Initialiser: check_initialiser,
    Clipping: check_clipping,
    Averaging: check_averaging,
    Program: check_program,
    Refusal: check_refusal,
}


def check(row: Row, dtypes: Iterable[str] = DTYPES, device: str = "cpu", component: Any = None) -> list[Result]:
    """All results of one row. `component` replaces scratch's class, which is how planted bugs are tested.

    Both engines may warn a user (UserWarning, FutureWarning); a warning from NumPy's arithmetic is a failure.
    """
    ours = SCRATCH.replacing(row.name, component) if component else SCRATCH
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("error", RuntimeWarning)
        try:
            results = CHECKS[type(row)](row, tuple(dtypes), ours, REFERENCE.on(device))
            changes = [change for change in in_force() if change.concerns(row)]
            return [*results, *(result for change in changes for result in check_release(row, change, tuple(dtypes)))]
        except Exception as error:
            return [exactly(row.label, "runs", None, False, f"{type(error).__name__}: {error}")]

"""The demo: check every component against torch, then train one network with both engines."""

from __future__ import annotations

import time
from pathlib import Path

from experiments.training.config import Config
from experiments.training.outcome import RunResult
from experiments.training.run import train
from experiments.training.summary import Row, comparison_rows, console, mark, table
from parity_tests.checks.parallel import check_rows
from parity_tests.rule import Result
from parity_tests.table import TABLE

EPOCHS = 20
LIMIT = 1e-12  # the largest relative difference of the losses in float64, through the whole training


def demo(output: str | Path = "runs/demo") -> bool:
    """Print the verdict, write the curves; True if everything agrees.

    The training is judged in float64. In float32, a ReLU whose input lies within a rounding of zero can be on for one
    engine and off for the other; from that step on the two runs differ, and both are right.
    """
    out = console()
    start = time.perf_counter()
    Path(output).mkdir(parents=True, exist_ok=True)  # what cannot be written to is refused before a minute of checks
    out.print(f"Checking {len(TABLE)} rows of the parity table, then training one network with both engines.")
    results = [result for _, of_row in check_rows() for result in of_row]
    config = {"data": "digits", "engine": "both", "epochs": EPOCHS}
    single = train(Config(**config, output=str(output)), overwrite=True)  # type: ignore[arg-type]
    double = train(Config(**config, dtype="float64", output=str(Path(output) / "float64")), overwrite=True)  # type: ignore[arg-type]
    rows = [*table_rows(results), *training_rows(single, double)]
    verdict = table("scratch (NumPy) against PyTorch", "what", "result", "verdict")
    for what, value, ok in rows:
        verdict.add_row(what, value.replace("[", r"\["), mark(ok))
    out.print(verdict)
    for result in [result for result in results if not result.ok][:20]:
        error = f"{result.error:.3g} ulp, limit {result.limit:.3g}. {result.note}"
        out.print(f"{result.row}: {result.what} {result.dtype}: {error}", style="red", markup=False)
    seconds = time.perf_counter() - start
    out.print(f"{seconds:.0f} s. Both loss curves and their difference: {single.output / 'curves.png'}")
    return all(ok is not False for _, _, ok in rows)


def table_rows(results: list[Result]) -> list[Row]:
    """The parity table in two lines."""
    components = {row.name for row in TABLE}
    failed = sum(not result.ok for result in results)
    worst = max(results, key=lambda result: (not result.ok, result.error / result.limit if result.limit else 0.0))
    count = f"{len(components)} in {len(TABLE)} rows, {len(results)} results, {failed} failed"
    error = f"{worst.error:.3g} of {worst.limit:.3g} ulp: {worst.row}, {worst.what}, {worst.dtype}"
    return [("components checked", count, not failed), ("worst error against its limit", error, worst.ok)]


def training_rows(single: RunResult, double: RunResult) -> list[Row]:
    """The twin runs: bits, accuracies, and the difference of the loss curves."""
    steps = len(single.runs["torch"].losses)
    accuracies: list[Row] = [
        (f"accuracy on digits after {steps} steps, {name}", f"{run.test_accuracy:.2%}", None)
        for name, run in single.runs.items()
    ]
    weights, batches, largest, *_ = comparison_rows(single)
    assert double.comparison is not None
    apart = double.comparison.largest_difference
    exact: Row = ("largest relative difference of the loss, float64", f"{apart:.1e}, limit {LIMIT:.0e}", apart <= LIMIT)
    return [weights, batches, *accuracies, largest, exact]

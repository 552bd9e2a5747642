"""The main job, in one go: check every component against torch, then train one network with both engines."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.progress import track

from experiments.config import Config
from experiments.summary import comparison_rows, console, mark, table
from experiments.train import RunResult, train
from parity_tests.check import check
from parity_tests.pairs import TABLE
from parity_tests.tolerance import Result

FIRST_LOSSES = 1e-6  # how far the first 100 losses may be apart, relative, in float32


def demo(output: str | Path = "runs/demo") -> bool:
    """Print the verdict, write the curves; True if all is as it should be."""
    out = console()
    start = time.perf_counter()
    out.print(f"Checking {len(TABLE)} rows of the parity table, then training one network with both engines.")
    results: list[Result] = []
    for row in track(TABLE, "checking", console=console(), transient=True, disable=not sys.stdout.isatty()):
        results += check(row)
    run = train(Config(data="digits", engine="both", epochs=20, output=str(output)))
    verdict = table("scratch (NumPy) against PyTorch", "what", "result", "verdict")
    rows = [*table_rows(results), *training_rows(run)]
    for what, value, ok in rows:
        verdict.add_row(what, value.replace("[", r"\["), mark(ok) if ok is not None else "")
    out.print(verdict)
    for result in [result for result in results if not result.ok][:20]:
        error = f"{result.error:.3g} ulp, limit {result.limit:.3g}. {result.note}"
        out.print(f"{result.row}: {result.what} {result.dtype}: {error}", style="red", markup=False)
    out.print(
        f"{time.perf_counter() - start:.0f} s. Both loss curves and their difference: {run.output / 'curves.png'}"
    )
    return all(ok is not False for _, _, ok in rows)


def table_rows(results: list[Result]) -> list[tuple[str, str, bool | None]]:
    """The parity table in two lines."""
    components = {row.name for row in TABLE}
    failed = sum(not result.ok for result in results)
    worst = max(results, key=lambda result: (not result.ok, result.error / result.limit if result.limit else 0.0))
    return [
        (
            "components checked",
            f"{len(components)} in {len(TABLE)} rows, {len(results)} results, {failed} failed",
            not failed,
        ),
        (
            "worst error against its limit",
            f"{worst.error:.3g} of {worst.limit:.3g} ulp: {worst.row}, {worst.what}, {worst.dtype}",
            worst.ok,
        ),
    ]


def training_rows(run: RunResult) -> list[tuple[str, str, bool | None]]:
    """The twin run: bits, accuracies, and how far the loss curves are apart."""
    assert run.comparison is not None
    steps = len(run.runs["torch"].losses)
    accuracies = [
        (f"accuracy on digits after {steps} steps, {name}", f"{engine.test_accuracy:.2%}", None)
        for name, engine in run.runs.items()
    ]
    weights, batches, first, every, visible = comparison_rows(run.comparison)
    close = run.comparison.largest_difference_first_100 <= FIRST_LOSSES
    return [weights, batches, *accuracies, (first[0], f"{first[1]}, limit {FIRST_LOSSES:.0e}", close), every, visible]

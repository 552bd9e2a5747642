"""The table on all cores, under a progress bar: what the command line and the demo show."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from parity_tests.checks import DTYPES, check
from parity_tests.checks.sides import Row
from parity_tests.rule import Result
from parity_tests.table import TABLE
from parity_tests.workers import WORKERS, workers

CHUNK = 4  # rows that a worker takes at a time
WORTH_A_POOL = 200  # fewer rows are done before a worker has started

Report = tuple[Row, list[Result]]


def check_rows(rows: Sequence[Row] = TABLE, dtypes: Sequence[str] = DTYPES, device: str = "cpu") -> list[Report]:
    """Every row with its results, in order. Rows are independent, so each worker process takes some."""
    from rich.console import Console
    from rich.progress import track

    bar = Console(stderr=True)
    reports = _reports(rows, tuple(dtypes), device)
    hidden = not sys.stderr.isatty()
    return list(track(reports, "checking", total=len(rows), console=bar, transient=True, disable=hidden))


def _reports(rows: Sequence[Row], dtypes: tuple[str, ...], device: str) -> Iterator[Report]:
    if device != "cpu" or WORKERS == 1 or len(rows) < WORTH_A_POOL:
        yield from ((row, check(row, dtypes, device)) for row in rows)
        return
    place = {row.label: number for number, row in enumerate(TABLE)}
    tasks = [(place[row.label], dtypes) for row in rows]
    with workers() as pool:
        yield from zip(rows, pool.map(_check_place, tasks, chunksize=CHUNK), strict=True)


def _check_place(task: tuple[int, tuple[str, ...]]) -> list[Result]:
    """A row is sent between processes as its index in the table, since its recipes cannot be pickled."""
    place, dtypes = task
    return check(TABLE[place], dtypes)

"""The table on all cores, under a progress bar: what the command line and the demo show."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

from parity_tests.checks import DTYPES, check
from parity_tests.checks.sides import Row
from parity_tests.exits import CannotError
from parity_tests.rule import Result
from parity_tests.table import TABLE

WORKERS = min(os.cpu_count() or 1, 8)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
CHUNK = 8  # rows that a worker takes at a time
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


@contextmanager
def workers() -> Iterator[ProcessPoolExecutor]:
    """Processes that compute with one thread each and end with this process, however it ends."""
    try:
        made = ProcessPoolExecutor(WORKERS, get_context("spawn"), initializer=end_with_parent)
    except OSError as error:  # of the semaphores that they share
        raise CannotError(f"worker processes cannot be started: {error}. Is /dev/shm there, and writable?") from error
    with one_thread_each(), made as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)  # only what is being computed is waited for
            raise


def end_with_parent() -> None:
    """In a worker process, which would otherwise wait for work forever without its parent, and report every Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes started inside compute with one thread each; several threads in each would compete for the cores."""
    before = {name: os.environ[name] for name in THREADS if name in os.environ}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name in THREADS:
            del os.environ[name]
        os.environ.update(before)

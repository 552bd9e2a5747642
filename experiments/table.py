"""The parity table on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from parity_tests.check import check
from parity_tests.pairs import TABLE
from parity_tests.tolerance import Result

WORKERS = min(os.cpu_count() or 1, 8)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def check_rows(numbers: Sequence[int] = range(len(TABLE)), workers: int = WORKERS) -> Iterator[list[Result]]:
    """The results of these rows of the table, in order. Rows do not touch each other, so each worker takes some.

    A row is named by its number: the recipes in it do not travel between processes.
    """
    if workers == 1:
        yield from map(check_row, numbers)
        return
    with one_thread_each(), ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(check_row, numbers, chunksize=8)


def check_row(number: int) -> list[Result]:
    return check(TABLE[number])


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes started inside compute with one thread each; several in each would fight over the cores."""
    before = {name: os.environ[name] for name in THREADS if name in os.environ}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name in THREADS:
            del os.environ[name]
        os.environ.update(before)

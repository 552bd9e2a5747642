"""Processes that check rows or write pages at the same time, one for each core."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

from parity_tests.exits import CannotError

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORKERS = min(CORES, 8)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "SCRATCH_NUM_THREADS")
METHOD = "forkserver" if sys.platform == "linux" else "spawn"  # Windows has the latter alone; the libraries of macOS
# that NumPy and torch load must not be forked
# What every worker needs is imported once for all of them. Optimizers of torch import its compiler in their first step.
PRELOADED = ["parity_tests.checks.parallel", "torch._dynamo"]


def prepare() -> None:
    """Begin to import what workers need, in the background: before a command imports the same itself."""
    if METHOD == "forkserver" and WORKERS > 1:
        from multiprocessing import forkserver, resource_tracker  # other systems may not have them

        resource_tracker.ensure_running()  # here, since it would end the block on signals
        with _one_thread_each(), _never_interrupted():
            forkserver.set_forkserver_preload(PRELOADED)
            forkserver.ensure_running()


@contextmanager
def workers() -> Iterator[ProcessPoolExecutor]:
    """Processes that compute with one thread each and end with this process, however it ends."""
    try:
        made = ProcessPoolExecutor(WORKERS, get_context(METHOD), initializer=end_with_parent)
        prepare()
    except OSError as error:  # of the semaphores that they share, or of the socket through which they are started
        raise CannotError(f"worker processes cannot be started: {error}. Is /dev/shm there, and writable?") from error
    with _one_thread_each(), made as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)  # only what is being computed is waited for
            raise


def end_with_parent() -> None:
    """In a worker process, which would otherwise wait for work forever without its parent, and report every Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # what was imported is no garbage: not looking at it saves 3 % of the checks' time
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


@contextmanager
def _never_interrupted() -> Iterator[None]:
    """Processes started inside, and theirs, do not see Ctrl-C, which a terminal sends to all: this one ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started inside compute with one thread each; several threads in each would compete for the cores."""
    before = {name: os.environ[name] for name in THREADS if name in os.environ}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name in THREADS:
            del os.environ[name]
        os.environ.update(before)

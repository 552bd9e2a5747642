"""Several cores: blocks of one computation shared out among threads, with the same bits for any number of them.

NumPy's loops and BLAS run without Python's lock, so that threads compute at the same time as long as every statement
handles a long array. How a computation is cut into blocks, and in which order their results are added, depends on the
shapes alone; threads only take blocks off a list. So the bits do not depend on how many threads there are.

BLAS has threads of its own. They change the last bits of a product with their number, and spin for milliseconds after
their work on the cores that these threads need. So while scratch computes, OpenBLAS has one thread, and large products
are cut into blocks here, as everything else. Another BLAS keeps its own threads; products then depend on their number.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

WORTH = 2**17  # numbers: for fewer, waking a thread and waiting for it costs more than it saves

# --- how many -----------------------------------------------------------------------------------------------------


def get_num_threads() -> int:
    """The number of threads that share a computation: this one, and the others of a pool."""
    return _pool.size


def set_num_threads(num: int) -> None:
    """Use `num` threads; 1 for none but the caller's own. Results are the same to the bit.

    At first it is SCRATCH_NUM_THREADS, or OMP_NUM_THREADS as in torch, or the number of cores that the process may use.
    More threads than cores only cost time.

    Raises    TypeError if `num` is not an int, RuntimeError if it is not positive: torch's.
    """
    global _pool
    if isinstance(num, bool) or not isinstance(num, int | np.integer):
        raise TypeError(f"set_num_threads: num must be an int, got {type(num).__name__}.")
    if num < 1:
        raise RuntimeError(f"set_num_threads: num must be positive, got {num}. For no threads but your own, use 1.")
    with _holding:
        before, _pool = _pool, _Pool(int(num))
    before.stop()


def _default() -> int:
    for name in ("SCRATCH_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").strip()
        first = text.partition(",")[0] if name == "OMP_NUM_THREADS" else text  # OpenMP: a number for each level
        if first.isdecimal() and len(first) < 10 and int(first) > 0:
            return int(first)
        if text and name == "SCRATCH_NUM_THREADS":
            raise RuntimeError(f"scratch: SCRATCH_NUM_THREADS must be a positive int, got {text[:40]!r}.")
    cores = getattr(os, "sched_getaffinity", None)
    return len(cores(0)) if cores else os.cpu_count() or 1


# --- sharing out ----------------------------------------------------------------------------------------------------


def share(
    work: Callable[[Any], T], pieces: Sequence[Any], numbers: int, release: Callable[[], None] | None = None
) -> list[T]:
    """[work(piece) for piece in pieces], by all threads if all of it handles `numbers` numbers, enough to be worth it.

    The pieces must not depend on each other: each writes its own part of an array, or returns its part of a sum, which
    the caller adds in the order of the list. An error in one of them is raised here, once no other is running: of
    several the first in the list, as by one thread. They compute in the caller's context, np.errstate for example.
    If pieces wait for another one, `release` lets them go, should that one fail or be interrupted.
    """
    if _pool.size == 1 or len(pieces) < 2 or numbers < WORTH or _here.sharing:
        return [work(piece) for piece in pieces]
    return _pool.share(work, pieces, release)


def share_rows(work: Callable[..., T], arrays: Sequence[np.ndarray | None], block: int) -> list[T]:
    """What work(*arrays) returns for each `block` rows of them, in order; `share` decides who computes it.

    None, and an array of one row where the first has more, belong to every block.
    """
    rows = arrays[0]
    assert rows is not None
    length = len(rows)
    if length <= block:
        return [work(*arrays)]

    def some(part: slice) -> T:
        return work(*(array if array is None or len(array) < length else array[part] for array in arrays))

    return share(some, [slice(start, start + block) for start in range(0, length, block)], rows.size)


class _Here(threading.local):
    """What this thread is doing."""

    sharing = False  # a piece, within which nothing is shared out again


_here = _Here()


class _Job:
    """One computation that is shared out: whoever is free takes a piece, until none is left."""

    def __init__(self, work: Callable[[Any], Any], pieces: Sequence[Any]) -> None:
        self.work, self.left = work, deque(enumerate(pieces))
        self.results: list[Any] = [None] * len(pieces)
        self.errors: list[tuple[int, BaseException]] = []
        self.begun: list[None] = []  # one for each thread of the pool that came to help
        self.ended: list[None] = []  # and one for each that has gone; lists, for `+= 1` is no single step
        self.closed, self.news = False, SimpleQueue[None]()

    def help(self) -> None:
        """What a thread of the pool does."""
        self.begun.append(None)
        try:
            if not self.closed:
                self.take()
        finally:
            self.ended.append(None)
            self.news.put(None)

    def take(self) -> None:
        """Work on one piece after another. After an error no more are begun; those before it have been."""
        _here.sharing = True
        try:
            while self.left:
                try:
                    i, piece = self.left.popleft()
                except IndexError:  # another thread took the last one
                    break
                try:
                    self.results[i] = self.work(piece)
                except BaseException as error:
                    self.errors.append((i, error))
                    self.left.clear()
        finally:
            _here.sharing = False

    def wait(self) -> None:
        """Until no other thread is at it."""
        self.left.clear()
        self.closed = True  # who comes now does nothing
        while len(self.ended) < len(self.begun):
            self.news.get()

    def outcome(self) -> list[Any]:
        """The results, or the error that one thread alone would have met; what interrupts the program goes first."""
        if not self.errors:
            results, self.results = self.results, []  # a thread of the pool may hold the job a little longer
            return results
        _, error = min(self.errors, key=lambda found: (isinstance(found[1], Exception), found[0]))
        self.errors.clear()
        try:
            raise error
        finally:
            del error  # else it would hold this frame, which holds it


class _Pool:
    """Threads that wait for jobs. They are started when first needed, and end with the pool or the process."""

    def __init__(self, size: int) -> None:
        self.size, self.ended = size, False
        self.jobs: SimpleQueue[Any] = SimpleQueue()
        self.threads: list[threading.Thread] = []
        self.starting = threading.RLock()  # a signal's handler may compute too

    def share(
        self, work: Callable[[Any], T], pieces: Sequence[Any], release: Callable[[], None] | None = None
    ) -> list[T]:
        helpers = self._start(min(self.size, len(pieces)) - 1)
        job, interrupt, waiting = _Job(work, pieces), None, True
        with one_blas_thread:
            try:
                for _ in range(helpers):
                    self.jobs.put((copy_context(), job))
                job.take()
            except BaseException as error:  # between two pieces: that of a piece is in the outcome
                interrupt = error
            while waiting:
                try:
                    if release is not None and (interrupt is not None or job.errors):
                        release()
                    job.wait()
                    waiting = False
                except BaseException as error:  # is raised once nobody writes any more
                    interrupt = error
        try:
            if interrupt is not None:
                raise interrupt
            return job.outcome()
        finally:
            del interrupt  # else it would hold this frame, which holds it

    def _start(self, wanted: int) -> int:
        """The number of threads that can help, `wanted` at most: a process may not have more, or may be ending."""
        with self.starting:
            while len(self.threads) < wanted and not self.ended:
                thread = threading.Thread(target=_serve, args=(self.jobs,), name="scratch", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    break
                self.threads.append(thread)
            return min(wanted, len(self.threads))

    def stop(self) -> None:
        """End the threads, after the pieces at which they are; whoever still shares out computes alone."""
        with self.starting:
            self.ended = True
            threads, self.threads = self.threads, []
            self.jobs.put(None)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()


def _serve(jobs: SimpleQueue[Any]) -> None:
    while (job := jobs.get()) is not None:
        context, job = job
        context.run(job.help)  # the caller's: NumPy's warnings are its own
        del context, job  # the arrays of the last one would live until the next
    jobs.put(None)  # for the next one, also if an interrupt came before it was counted


# --- BLAS -----------------------------------------------------------------------------------------------------------


def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The functions of NumPy's OpenBLAS that tell and set its number of threads, under the name they have there."""
    try:
        library = ctypes.PyDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]
    except (AttributeError, OSError, TypeError):
        return None
    for name in ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "openblas_{}_num_threads"):
        get, put = (getattr(library, name.format(verb), None) for verb in ("get", "set"))
        if get is not None and put is not None:
            put.restype, put.argtypes = None, [ctypes.c_int]
            return get, put
    return None


_blas = _openblas()
_holding = threading.RLock()  # and not a Lock: a signal's handler may compute too
_holders, _before = 0, 1


def holds_blas() -> bool:
    """Whether scratch's products have the same bits whatever the number of BLAS's threads."""
    return _blas is not None


class _OneBlasThread:
    """Inside, OpenBLAS has one thread, for the whole process; when the last one has left, as many as before."""

    def __enter__(self) -> None:
        global _holders, _before
        if _blas is None:
            return
        counted = False
        try:
            with _holding:
                _holders, counted = _holders + 1, True
                if _holders == 1:
                    _before = _blas[0]()
                    if _before > 1:
                        _blas[1](1)
        except BaseException:  # an interrupt: nobody will leave what is not entered
            if counted:
                self.__exit__()
            raise

    def __exit__(self, *exception: object) -> None:
        global _holders
        if _blas is not None:
            with _holding:
                _holders -= _holders > 0  # a fork inside has set it to 0; no call, after which an interrupt could come
                if _holders == 0 and _before > 1:
                    _blas[1](_before)


one_blas_thread = _OneBlasThread()


# --- the process ----------------------------------------------------------------------------------------------------


def _after_fork() -> None:
    """A child has none of the threads, and perhaps locks that nobody will open."""
    global _pool, _holding, _holders
    _pool, _holding = _Pool(_pool.size), threading.RLock()
    _here.sharing = False
    if _holders and _blas is not None and _before > 1:
        _blas[1](_before)
    _holders = 0


_pool = _Pool(_default())
atexit.register(lambda: _pool.stop())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

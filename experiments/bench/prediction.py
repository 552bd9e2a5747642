"""What more cores would give: a step is recorded on one thread, piece by piece, and played again on any number.

    time(n) = max(serial + Σ schedule(n) over what is shared out, bytes / bandwidth)

serial        the step without its shared pieces: all small statements, Python, what is not worth sharing
schedule(n)   the pieces in their order, each given to the first of n threads that is free; those of the pool start
              after `wake`, the time that waking a thread took here
bytes         that pass between memory and caches at least: Adam's 28 for each weight; all else may stay in the caches
bandwidth     of copies on all cores of this machine

The lock of Python is not in it: it costs every short statement some microseconds when two threads want it. So this is a
limit from below, and the ratio of measured to predicted says how much the lock takes here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any
from unittest import mock

import numpy as np

from scratch import threads


@dataclass
class Recording:
    """One step on one thread: its seconds, and those of every piece of what was shared out."""

    seconds: float = 0.0
    shared: list[list[float]] = field(default_factory=list)

    @property
    def serial(self) -> float:
        return self.seconds - sum(map(sum, self.shared))


class _Recorder(threads._Pool):
    """A pool that lets the caller do everything, and notes how long each piece took."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(2)
        self.recording = recording

    def share(self, work: Callable[[Any], Any], pieces: Sequence[Any], release: Any = None) -> list[Any]:
        threads._here.sharing = True
        times, results = [], []
        try:
            for piece in pieces:
                start = perf_counter()
                results.append(work(piece))
                times.append(perf_counter() - start)
        finally:
            threads._here.sharing = False
        self.recording.shared.append(times)
        return results


@contextmanager
def recorded() -> Iterator[Recording]:
    """What is computed inside runs on one thread, and is recorded."""
    recording = Recording()
    with mock.patch.object(threads, "_pool", _Recorder(recording)):
        start = perf_counter()
        yield recording
        recording.seconds = perf_counter() - start


def record(step: Callable[[], Any], repeats: int = 15) -> Recording:
    """The repetition of a step whose time is the median of all."""
    recordings = []
    for _ in range(repeats):
        with recorded() as recording:
            step()
        recordings.append(recording)
    return sorted(recordings, key=lambda one: one.seconds)[repeats // 2]


def predicted(recording: Recording, cores: int, wake: float, floor: float = 0.0) -> float:
    """Seconds of the step on so many cores, each with a thread; `floor` is that of memory."""
    return max(recording.serial + sum(schedule(pieces, cores, wake) for pieces in recording.shared), floor)


def schedule(pieces: Sequence[float], cores: int, wake: float) -> float:
    """When the last of the pieces ends, if each goes to the first thread that is free."""
    free = [0.0, *[wake] * (min(cores, len(pieces)) - 1)]
    for seconds in pieces:
        first = free.index(min(free))
        free[first] += seconds
    return max(end for i, end in enumerate(free) if i == 0 or end > wake)


def wake_time(rounds: int = 200) -> float:
    """The median seconds from a thread's call until another that waits for it has begun."""
    calls, begun = threading.Semaphore(0), threading.Semaphore(0)
    times: list[float] = []

    def other() -> None:
        for _ in range(rounds):
            calls.acquire()
            times.append(perf_counter())
            begun.release()

    thread = threading.Thread(target=other)
    thread.start()
    starts = []
    for _ in range(rounds):
        np.square(np.ones(100_000))  # the other one is asleep by then
        starts.append(perf_counter())
        calls.release()
        begun.acquire()
    thread.join()
    return median(end - start for start, end in zip(starts, times, strict=True))


def bandwidth(megabytes: int = 256, rounds: int = 3) -> float:
    """Bytes a second, read and written, of a copy that all threads of scratch share."""
    source = np.ones(megabytes * 2**17)
    target = np.empty_like(source)
    times = []
    for _ in range(rounds + 1):  # the first finds target's pages
        start = perf_counter()
        threads.share_rows(lambda out, x: np.copyto(out, x), (target, source), 2**20)
        times.append(perf_counter() - start)
    return 2 * source.nbytes / min(times[1:])

"""Chunks: a sequence cut into a few, so that one thread is at the steps while others compute what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

import numpy as np

from scratch.threads import share

T = TypeVar("T")
Steps = list[slice]

CHUNKS = 4
LONG, MANY, ROWS = 2**26, 32, 1024  # multiplications in all steps, steps, and rows: below that there is one chunk


class Chunk(NamedTuple):
    """Some steps, one after another."""

    rows: slice  # of these steps, among the rows of all
    steps: Steps  # the rows of each step, among these


def in_chunks(steps: Steps, weights: int) -> list[Chunk]:
    """The chunks of a sequence in which every row is multiplied by so many weights."""
    rows = max(step.stop for step in steps)
    if rows * weights < LONG or len(steps) < MANY or rows < ROWS:
        return [Chunk(slice(0, rows), steps)]
    size = -(-len(steps) // CHUNKS)
    return [_chunk(steps[first : first + size]) for first in range(0, len(steps), size)]


def _chunk(steps: Steps) -> Chunk:
    start, stop = min(step.start for step in steps), max(step.stop for step in steps)
    return Chunk(slice(start, stop), [slice(step.start - start, step.stop - start) for step in steps])


def in_order(parts: Sequence[np.ndarray], chunks: list[Chunk]) -> np.ndarray:
    """The rows of all chunks, in the order of memory; the reverse direction begins with the last ones."""
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts if chunks[0].rows.start == 0 else parts[::-1])


def one_after_another(
    items: Sequence[int], first: Callable[[int], T], then: Sequence[Callable[[int, T], Any]], numbers: int
) -> list[list[Any]]:
    """Call x = first(item) for one item after another, and each of then(item, x), which other threads do meanwhile.

    What `then` returned, a list for each item.
    """
    known = [SimpleQueue[T | None]() for _ in items]  # no Event: an interrupt may leave its lock closed

    def all_first() -> None:
        try:
            for item, found in zip(items, known, strict=True):
                x = first(item)
                for _ in then:
                    found.put(x)
        finally:
            release()

    def release() -> None:
        """After an error too nobody waits, and nothing follows."""
        for found in known:
            for _ in then:
                found.put(None)

    def follow(i: int, function: Callable[[int, T], Any]) -> Any:
        x = known[i].get()
        return None if x is None else function(items[i], x)

    pieces = [all_first, *(partial(follow, i, function) for i in range(len(items)) for function in then)]
    results = share(lambda piece: piece(), pieces, numbers, release)[1:]
    return [results[i : i + len(then)] for i in range(0, len(results), len(then))]

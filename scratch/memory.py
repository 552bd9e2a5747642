"""How the C library treats memory that arrays free: it is kept for the next step while a network is trained."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # names of glibc's malloc.h
DEFAULT = 128 * 2**10  # both, unless glibc is told otherwise
LARGEST = 32 * 2**20  # glibc takes no more

_lock = threading.RLock()  # one training may end while another begins, in the same thread
_training: weakref.ref[Training] | None = None


def _unlock() -> None:
    """A fork copies the lock in its current state, but not the thread that holds it."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


class Training:
    """Every parameter with a gradient holds this object; as long as one does, freed memory is kept.

    A training step frees its activations and the next one asks for the same sizes again. glibc hands blocks of 128 KB
    and more back to the system, which then hands out and clears every page again; up to 32 MB are kept here instead, so
    that a step of a small CNN takes 0.65 to 0.75 of the time. When the last of the parameters is gone, glibc's first
    bounds are restored and memory freed later is returned at once. Other C libraries are left alone.

    A program's own bounds grow with the blocks that it frees, and a program that sets them once stops that for good. So
    after a training, statements on arrays of several megabytes take up to three times as long as before it, until the
    next parameter is trained.
    """

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return _nothing, ()  # the copy of a parameter is not being trained yet


def _nothing() -> None:
    return None


def training() -> Training:
    """The one Training that all trained parameters share, created if necessary."""
    global _training
    with _lock:
        current = None if _training is None else _training()
        if current is None:
            current = Training()
            _training = weakref.ref(current)
            _set_bounds(LARGEST)
            weakref.finalize(current, _ended).atexit = False
        return current


def _ended() -> None:
    with _lock:
        if _training is None or _training() is None:
            _set_bounds(DEFAULT)


def release_freed_memory() -> None:
    """Hand all memory that arrays have freed back to the system at once, where the C library is glibc."""
    if trim := getattr(_c_library(), "malloc_trim", None):
        trim(0)


def _set_bounds(size: int) -> None:
    if mallopt := getattr(_c_library(), "mallopt", None):
        mallopt(MMAP_THRESHOLD, size)
        mallopt(TRIM_THRESHOLD, 2 * size if size > DEFAULT else size)


def _c_library() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows needs the library's name
        return None

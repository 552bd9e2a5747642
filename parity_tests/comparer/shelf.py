"""Large arrays in a temporary file: the gradients of a large model take as much memory as the model."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

LEAST = 2**12  # numbers; smaller arrays stay in memory


class Place(NamedTuple):
    """Where in the file an array begins, and what it is."""

    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


class Shelf(MutableMapping[str, np.ndarray]):
    """Arrays by name, read from the file each time they are asked for: what is read is a copy.

    The file has no name and goes with the shelf. If it cannot be made or grow, arrays stay in memory.
    """

    def __init__(self) -> None:
        self.held: dict[str, np.ndarray | Place] = {}
        self.file: Any = None

    def __setitem__(self, name: str, value: np.ndarray) -> None:
        self.held[name] = value
        if value.dtype.kind == "f" and value.size >= LEAST:
            with suppress(OSError):
                self.held[name] = self._put(value)

    def _put(self, value: np.ndarray) -> Place:
        if self.file is None:
            self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            weakref.finalize(self, self.file.close)
        offset: int = self.file.seek(0, 2)
        value.tofile(self.file)
        return Place(offset, value.dtype, value.shape)

    def __getitem__(self, name: str) -> np.ndarray:
        value = self.held[name]
        if not isinstance(value, Place):
            return value
        self.file.seek(value.offset)
        return np.fromfile(self.file, value.dtype, int(np.prod(value.shape))).reshape(value.shape)

    def __delitem__(self, name: str) -> None:
        del self.held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)

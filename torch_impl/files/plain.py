"""Plain files of reasonable length, and the JSON in them."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

LONGEST_NUMBER = 40  # characters; a size, a seed or a limit has fewer


class FileRefusedError(ValueError):
    """A file that is refused. The text says why; the caller adds the file's name."""


@contextmanager
def opened(path: str | os.PathLike[str], most: int | None = None, follow: bool = True) -> Iterator[BinaryIO]:
    """Open a plain file of at most this many bytes; a link to one is followed if `follow`.

    A pipe would never answer and a device never end, so they are refused before a byte is read.

    Raises    FileRefusedError if it cannot be opened, is not a plain file, or is too long.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags if follow else flags | getattr(os, "O_NOFOLLOW", 0))
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        if not follow and os.path.islink(path):
            raise FileRefusedError("it is a link, which could lead anywhere. Put the file itself there") from error
        raise FileRefusedError(f"it cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, a socket or a device"
            raise FileRefusedError(f"it is {kind}, not a plain file")
        if most is not None and status.st_size > most:
            raise FileRefusedError(f"it has {status.st_size} bytes, more than the limit of {most}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_bytes(path: str | os.PathLike[str], most: int, follow: bool = True) -> bytes:
    """The content of a plain file of at most this many bytes."""
    with opened(path, most, follow) as file:
        return file.read(most)


def read_json(path: str | os.PathLike[str], most: int, follow: bool = True) -> dict[str, Any]:
    """A JSON file whose outermost value is an object: no duplicate keys, no NaN, no endless number."""
    content = read_bytes(path, most, follow)
    try:
        value = json.loads(
            content, object_pairs_hook=_object, parse_constant=_number, parse_float=_number, parse_int=_whole
        )
    except FileRefusedError:
        raise
    except (ValueError, RecursionError) as error:
        raise FileRefusedError(f"it is not JSON: {printable(error)}") from error
    if not isinstance(value, dict):
        raise FileRefusedError("the outermost value of the JSON must be an object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise FileRefusedError(f"the key {printable(repr(twice))} appears twice in one object of the JSON")
    return made


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise FileRefusedError(f"the JSON has the number {printable(text)}, which is not finite")
    return number


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise FileRefusedError(f"the JSON has a whole number of {len(text)} digits")
    return int(text)


def printable(text: object, most: int = 200) -> str:
    """One line that is safe to show in a terminal: untrusted text could control it, or fill it."""
    line = " ".join(str(text).split())
    line = "".join(c if c.isprintable() else "?" for c in line[: most + 1])
    return line if len(line) <= most else f"{line[:most]}..."

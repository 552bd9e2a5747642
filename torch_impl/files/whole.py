"""Files that appear under their name complete, or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO


def write_whole(path: str | os.PathLike[str], write: Callable[[BinaryIO], Any]) -> None:
    """Call `write(file)` on a new file beside `path`, flush it to the disk, then rename it to `path`.

    Until then an older file keeps the name: a crash, a full disk or a kill loses nothing. The remains of a killed write
    are hidden and begin with .<name>.part; `remove_parts` removes it. What is no file, such as /dev/null or
    /dev/stdout, is written to and stays what it is.
    """
    path = Path(path)
    if _is_device(path):
        with open(path, "wb") as file:
            write(file)
        return
    part = path.with_name(f".{path.name}.part{os.getpid()}")
    try:
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        with suppress(OSError):  # the same error again
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None  # the requested name, not that of the part
        raise


def _is_device(path: Path) -> bool:
    """Whether a rename would destroy what has this name, where the process may do that."""
    if not path.exists():
        return False
    return path.parent == Path("/dev") or stat.S_ISCHR(path.lstat().st_mode)  # a link to one is replaced


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """A text file in UTF-8, whole or not at all."""
    write_whole(path, lambda file: file.write(text.encode()))


def remove_parts(path: str | os.PathLike[str]) -> None:
    """Remove the remains of killed writes of `path`. No other process may be writing it."""
    path = Path(path)
    for part in path.parent.glob(f".{path.name}.part*"):
        part.unlink(missing_ok=True)

"""How every command ends, in one place: the table of exit codes, and one line instead of a traceback.

`CODES` is the table; the commands' --help prints it. A command raises `CannotError`, or lets an OSError pass, and
`one_line` turns it into a line on stderr and the exit code.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from parity_tests.installed import HiddenError, lacking

CANNOT, INTERRUPTED = 2, 130
CODES = """Exit codes of all commands:
0: right.
1: a comparison failed, or a goal or limit was missed.
2: it cannot be done: a usage error, input that cannot be used, a file that cannot be written.
130, 143: stopped by SIGINT (Ctrl-C), by SIGTERM."""
UNWRITABLE = {
    number: f"{what}. Older files are unchanged."
    for what, names in {
        "The disk is full": ("ENOSPC", "EDQUOT"),
        "It cannot be written there": ("EROFS", "EACCES", "EPERM"),
    }.items()
    for number in [getattr(errno, name) for name in names]
}


class CannotError(Exception):
    """What was asked cannot be done. The text, one line, says why, and what the user can change."""


class StoppedError(SystemExit):
    """A signal ended the command; `text` tells the user what is left of its work."""

    def __init__(self, number: int, text: str = "files are complete or absent") -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number)
        self.text = text and f"stopped by {self.signal.name}; {text}."


@contextmanager
def one_line() -> Iterator[None]:
    """An error that the user can fix, a signal, a full disk, a lost process or a package that is not there: one line on
    stderr and the exit code.
    """
    try:
        yield
    except StoppedError as stop:
        if stop.text:
            _say(stop.text)
        raise SystemExit(stop.code) from None
    except KeyboardInterrupt:
        _say("stopped by SIGINT; files are complete or absent.")
        raise SystemExit(INTERRUPTED) from None
    except CannotError as error:
        refuse(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        refuse(f"{where}{error.strerror or error}. {UNWRITABLE.get(error.errno or 0, '')}".strip())
    except HiddenError as error:
        refuse(str(error))
    except ModuleNotFoundError as error:
        line = lacking(error.name)
        if not line:
            raise
        refuse(line)
    except MemoryError as error:
        refuse(f"out of memory{f': {error}' if str(error) else ''}.")
    except Exception as error:
        from concurrent.futures.process import BrokenProcessPool

        if not isinstance(error, BrokenProcessPool):
            raise
        refuse("a worker process was killed from outside, perhaps because memory ran out.")


def run(command: Callable[[], Any]) -> None:
    """Run a command line: both signals end it in one way, and output that cannot be written is no success.

    Ctrl-C is not left a KeyboardInterrupt, for which Lightning has an exit code of its own, 1.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as for a job in the background
            signal.signal(number, _stop)
    with one_line():
        try:
            try:
                command()
            finally:
                sys.stdout.flush()
                gc.freeze()  # the interpreter then ends without a search for garbage in all that was imported: 0.3 s
        except OSError as error:  # the interpreter would fail at it once more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise OSError(error.errno, error.strerror, error.filename or "output") from None


def refuse(text: str) -> NoReturn:
    """End the command: it cannot be done. The text may name what a stranger chose, so it is made safe to print."""
    line = " ".join(part.strip() for part in text.splitlines())
    _say("".join(c if c.isprintable() else "?" for c in line))
    raise SystemExit(CANNOT)


def refuse_unwritable(call: str, option: str, path: Path | None) -> None:
    """Before the work: a file that could not be written after it."""
    if path is not None and not path.parent.is_dir():
        refuse(f"{call}: {option} {path}: the folder {path.parent} does not exist.")
    if path is not None and path.is_dir():
        refuse(f"{call}: {option} {path}: this is a folder; give the name of a file.")


def _say(text: str) -> None:
    print(f"nn-parity: {text}", file=sys.stderr)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise StoppedError(number)

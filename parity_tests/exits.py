"""How every command ends: one table of exit codes, and one line if a command cannot continue.

0          success: all comparisons agree
1          it ran, but a comparison failed, or a goal or a limit was missed
2          it failed: a usage error, input that cannot be read, a full disk, a folder that cannot be written
130, 143   stopped by SIGINT, by SIGTERM
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

DIFFERS, CANNOT, TERMINATED = 1, 2, 143


def run(command: Callable[..., Any], program: str) -> None:
    """Run a command line. A signal, a full disk or a lost worker process is one line on stderr, never a traceback."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        command(prog_name=program)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _end(f"{program}: {where}{error.strerror or error}. Older files are unchanged. Is the disk full or read-only?")
    except MemoryError:
        _end(f"{program}: out of memory.")
    except Exception as error:
        from concurrent.futures.process import BrokenProcessPool

        if not isinstance(error, BrokenProcessPool):
            raise
        _end(f"{program}: a worker process was killed from outside, perhaps because memory ran out.")


def _terminated(number: int, frame: Any) -> NoReturn:
    sys.stderr.write("stopped by SIGTERM; files are complete or absent.\n")
    raise SystemExit(TERMINATED)


def _end(line: str) -> NoReturn:
    sys.stderr.write(line + "\n")
    raise SystemExit(CANNOT)

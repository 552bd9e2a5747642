"""Limits that end a hang and judge nothing: they grow with the time that the machine needs for one known thing."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

LOOK = 60.0  # seconds after which the machine is asked how fast it is now, and again
STARTS = 2000  # how many starts of Python with NumPy a program may take: 5 minutes on an idle machine


class Patience:
    """How long something has been waited for, and whether that is too long on the machine as it is."""

    def __init__(self) -> None:
        self.begun = self.looked = time.monotonic()
        self.slowest = 0.0

    def is_over(self) -> bool:
        """Whether the wait is longer than STARTS starts of Python, of the slowest that was measured meanwhile."""
        now = time.monotonic()
        if now - self.looked < LOOK:
            return False
        self.slowest = max(self.slowest, seconds_of_a_start())
        self.looked = time.monotonic()
        return now - self.begun > STARTS * self.slowest


def run(command: list[Any], **options: Any) -> subprocess.CompletedProcess[str]:
    """Like subprocess.run with what it prints as text; a program that hangs is ended with all that it started.

    Raises    AssertionError if patience with it is over, with the lines where its Python processes were.
    """
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    options["env"] = {**(options.get("env") or os.environ), "PYTHONFAULTHANDLER": "1"}
    patience = Patience()
    with subprocess.Popen([str(word) for word in command], start_new_session=True, **pipes, **options) as process:
        while True:
            try:
                output, errors = process.communicate(timeout=LOOK)
                return subprocess.CompletedProcess(command, process.returncode, output, errors)
            except subprocess.TimeoutExpired:
                if patience.is_over():
                    os.killpg(process.pid, signal.SIGABRT)
                    raise AssertionError(
                        f"{command[:3]} hangs: over {STARTS} starts of Python. {last_words(process)}"
                    ) from None


def last_words(process: subprocess.Popen[str]) -> str:
    """What a process that was told to abort still prints, however many of its group refuse to end."""
    try:
        return process.communicate(timeout=LOOK)[1]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[1]


def seconds_of_a_start() -> float:
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "import numpy"], check=True)
    return time.monotonic() - begun

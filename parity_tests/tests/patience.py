"""A program run to its end, however slow the machine: its limit ends a hang and judges nothing."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

LOOK = 60.0  # seconds after which the machine is asked how fast it is now, and again
STARTS = 2000  # how many times as long as a start of Python with NumPy a program may take: 5 minutes on an idle machine


def run(command: list[Any], **options: Any) -> subprocess.CompletedProcess[str]:
    """Like subprocess.run with what it prints as text; a program that hangs is ended with all that it started.

    Raises    AssertionError if it took more than STARTS times as long as a start of Python takes on the machine now.
    """
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    begun, slowest = time.monotonic(), 0.0
    with subprocess.Popen([str(word) for word in command], start_new_session=True, **pipes, **options) as process:
        while True:
            try:
                output, errors = process.communicate(timeout=LOOK)
                return subprocess.CompletedProcess(command, process.returncode, output, errors)
            except subprocess.TimeoutExpired:
                slowest = max(slowest, seconds_of_a_start())
                if time.monotonic() - begun > STARTS * slowest:
                    os.killpg(process.pid, signal.SIGKILL)
                    raise AssertionError(
                        f"{command[:3]} hangs: it takes more than {STARTS} starts of Python."
                    ) from None


def seconds_of_a_start() -> float:
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "import numpy"], check=True)
    return time.monotonic() - begun

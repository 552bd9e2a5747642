"""The benchmark's worker as a fork of this process, which has imported everything, in place of a new Python."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from experiments.bench import worker


class Forked:
    """What EngineProcess uses of subprocess.Popen."""

    def __init__(self, command: list[str], stderr: Any, **ignored: Any) -> None:
        requests, self_requests = os.pipe()
        self_answers, answers = os.pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(requests, 0)
            os.dup2(answers, 1)
            os.dup2(stderr.fileno(), 2)
            os.closerange(3, 1024)  # or it would hold its own pipe open, and that of the engine before it
            sys.stdin, sys.argv = os.fdopen(0), command[command.index("-m") + 1 :]
            worker.serve()
            os._exit(0)
        os.close(requests)
        os.close(answers)
        self.stdin = os.fdopen(self_requests, "w")
        self.stdout = os.fdopen(self_answers)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

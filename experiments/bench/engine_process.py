"""The parent's end of a worker: starts it with its threads pinned, sends requests, and reports in one line if it has
ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any

from experiments.bench.case import Case, Unavailable
from parity_tests.installed import ROOT

POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
PATIENCE = 600.0  # seconds that one answer may take


class WorkerError(RuntimeError):
    """A worker that died, or an engine that failed: one line."""


def environment(threads: int) -> dict[str, str]:
    """The environment of a worker: every pool of every library has this many threads. XLA follows the processors.

    With `python -P` it imports this very package, whatever lies in the current folder.
    """
    alone = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if threads == 1 else {}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, **dict.fromkeys(POOLS, str(threads)), **alone, "JAX_PLATFORMS": "cpu", "PYTHONPATH": path}


class EngineProcess:
    """One engine in its own process, prepared for one case after another."""

    def __init__(self, engine: str, threads: int, patience: float = PATIENCE) -> None:
        self.engine, self.threads, self.patience = engine, threads, patience
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "experiments.bench.worker", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment(threads),
        )

    def prepare(self, case: Case) -> dict[str, Any]:
        setting = {"group": case.group, "engine": self.engine, "setting": case.setting, "threads": self.threads}
        return self.ask("prepare", **setting)

    def ask(self, request: str, **arguments: Any) -> Any:
        """The answer to one request.

        Raises    WorkerError if the worker is dead, failed, or takes longer than its patience; Unavailable if the
                  engine cannot do it here.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        alarm = threading.Timer(self.patience, self.process.kill)
        alarm.start()
        try:
            self.process.stdin.write(json.dumps([request, arguments]) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            late = not alarm.is_alive()
            alarm.cancel()
        if not line:
            raise WorkerError(self._last_words(request, late))
        answer = json.loads(line)
        if "unavailable" in answer:
            raise Unavailable(answer["unavailable"])
        if "error" in answer:
            raise WorkerError(f"{self.engine} failed in {request}: {answer['error']}")
        return answer["ok"]

    def _last_words(self, request: str, late: bool) -> str:
        code = self.process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if late:
            how = f"no answer in {self.patience:g} s"
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        return f"the worker of {self.engine} ended in {request}: {how}" + (f"; it said: {said[-1]}" if said else "")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(BrokenPipeError):  # a request that the dead worker never read
                if stream is not None:
                    stream.close()

"""Start-up time: imports and the command line, each time in a new process."""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter

from experiments.bench.case import Case, Limit, Work

IMPORT = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
HELP = [sys.executable, "-c", "from experiments.cli import main; main()", "--help"]


def cases(quick: bool) -> list[Case]:
    rounds = 3 if quick else 15
    others = ("scratch", "numpy") if quick else ("scratch", "numpy", "torch")
    return [
        Case("import scratch", "start", others, {"what": "import"}, (Limit(0.2),), rounds=rounds, seconds=0),
        Case("nn-parity --help", "start", ("scratch",), {"what": "help"}, (Limit(0.5),), rounds=rounds, seconds=0),
    ]


def prepare(engine: str, what: str) -> Work:
    return Import(engine) if what == "import" else Help()


class Import(Work):
    """The import alone, by the clock of the new process. Files are in the cache, as from the second time on."""

    def __init__(self, package: str) -> None:
        self.package = package

    def warm_up(self) -> None:
        self.measure(0)

    def measure(self, seconds: float) -> dict[str, float]:
        code = [sys.executable, "-c", IMPORT.format(self.package)]
        done = subprocess.run(code, capture_output=True, text=True, check=True)
        return {"import": float(done.stdout)}


class Help(Work):
    """The whole process, from its start to its end, Python's own start included."""

    def warm_up(self) -> None:
        self.measure(0)

    def measure(self, seconds: float) -> dict[str, float]:
        start = perf_counter()
        subprocess.run(HELP, capture_output=True, check=True)
        return {"process": perf_counter() - start}

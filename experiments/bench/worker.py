"""The worker process of one engine: `python -m experiments.bench.worker` prepares a case and measures it.

Requests and answers are lines of JSON. What a library prints goes to stderr, not between the answers.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from importlib import import_module, metadata
from typing import Any

from experiments.bench.case import Unavailable, Work

LIBRARIES = ("numpy", "torch", "jax", "sklearn")  # their versions are reported if they are loaded
PACKAGES = {"sklearn": "scikit-learn"}


class Server:
    """Answers the parent's requests. One Work at a time."""

    work: Work
    memory: Any  # also for layers without parameters: they are measured as in a network that is being trained

    def prepare(self, group: str, engine: str, setting: dict[str, Any], threads: int) -> dict[str, Any]:
        """Build and warm up; say how many threads the libraries now use."""
        if engine.startswith("torch"):
            import torch

            torch.set_num_threads(threads)
        elif engine.startswith("scratch"):
            from scratch.memory import training

            self.memory = training()
        self.work = import_module(f"experiments.bench.cases.{group}").prepare(engine, **setting)
        self.work.warm_up()
        gc.collect()
        gc.freeze()  # garbage collection skips everything loaded so far while something is timed
        return {"threads": threads_in_effect(), "versions": versions()}

    def measure(self, seconds: float) -> dict[str, float]:
        return self.work.measure(seconds)

    def accuracy(self) -> float | None:
        return self.work.accuracy()

    def facts(self) -> dict[str, Any]:
        return self.work.facts()


def pin(threads: int) -> None:
    """Give this process as many processors as it may have threads: some libraries count processors, not variables."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[-threads:])


def threads_in_effect() -> dict[str, int]:
    """The threads of every loaded pool, and the processors that this process may use."""
    found = {"processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1}
    try:
        from threadpoolctl import threadpool_info

        found |= {f"{pool['internal_api']}": int(pool["num_threads"]) for pool in threadpool_info()}
    except ImportError:
        pass
    if "torch" in sys.modules:
        found["torch"] = sys.modules["torch"].get_num_threads()
    return found


def versions() -> dict[str, str]:
    """The versions of the loaded libraries; for NumPy's OpenBLAS also the processor of its kernels."""
    found = {name: metadata.version(PACKAGES.get(name, name)) for name in LIBRARIES if name in sys.modules}
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return found
    blas = [pool for pool in threadpool_info() if pool["internal_api"] == "openblas"]
    return found | ({"OpenBLAS": f"{blas[0]['version']} ({blas[0]['architecture']} kernels)"} if blas else {})


def serve() -> None:
    """Answer requests until the parent closes the pipe."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    pin(int(sys.argv[1]))
    server = Server()
    for line in sys.stdin:
        request, arguments = json.loads(line)
        try:
            answer = {"ok": getattr(server, request)(**arguments)}
        except Unavailable as reason:
            answer = {"unavailable": str(reason)}
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = str(error).splitlines()[0] if str(error) else ""
            answer = {"error": f"{type(error).__name__} in {os.path.basename(place.filename)}:{place.lineno}: {text}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    serve()

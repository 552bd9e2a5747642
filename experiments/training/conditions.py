"""What the last bits of a training depend on besides its config: versions, threads, the processor."""

from __future__ import annotations

import platform
from typing import Any

import lightning
import numpy as np
import torch
from threadpoolctl import threadpool_info

import scratch


def conditions() -> dict[str, Any]:
    """As it is recorded with a run, to be compared when the run goes on elsewhere."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
        "lightning": str(lightning.__version__),
        "torch threads": torch.get_num_threads(),
        "NumPy threads": blas_threads(),
        "torch instructions": torch.backends.cpu.get_cpu_capability(),
        "scratch streams": scratch.random.get_arch(),
    }


def blas_threads() -> int | None:
    """The threads of NumPy's matrix products; None if it uses a library that does not say."""
    return max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=None)


def changes(before: Any, now: dict[str, Any]) -> str:
    """What a run began with and what it goes on with, as a text; empty if nothing differs, or nothing is known."""
    if not isinstance(before, dict):
        return ""
    changed = [name for name in now if name in before and before[name] != now[name]]
    return ", ".join(f"{name} {before[name]} before and {now[name]} now" for name in changed)

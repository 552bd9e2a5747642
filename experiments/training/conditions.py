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
    """The conditions as recorded with a run, for comparison when the run continues elsewhere."""
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
    """The threads of NumPy's matrix products; None if its library does not report them."""
    return max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=None)


def changes(before: Any, now: dict[str, Any]) -> str:
    """The differences between the conditions of a run before and now; empty if nothing differs or is known."""
    if not isinstance(before, dict):
        return ""
    changed = [name for name in now if name in before and before[name] != now[name]]
    return ", ".join(f"{name} {before[name]} before and {now[name]} now" for name in changed)

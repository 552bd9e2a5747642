"""What the last bits of a training depend on besides its config: versions, threads, the processor."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from threadpoolctl import threadpool_info

import scratch


def conditions() -> dict[str, Any]:
    """The conditions as recorded with a run, for comparison when the run continues elsewhere.

    scratch's own threads are none of them: their number changes no bit.
    """
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
        "lightning": str(lightning.__version__),
        "torch threads": torch.get_num_threads(),
        **({} if scratch.threads.holds_blas() else {"NumPy threads": blas_threads()}),
        "torch instructions": torch.backends.cpu.get_cpu_capability(),
        "NumPy instructions": " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", ())),
        "NumPy BLAS": next((pool["architecture"] for pool in blas() if "architecture" in pool), None),
        "processor": processor(),
        "scratch streams": scratch.random.get_arch(),
    }


def blas() -> list[dict[str, Any]]:
    """The libraries of NumPy's matrix products, which choose their code by the processor, as far as they report it."""
    return [pool for pool in threadpool_info() if pool["user_api"] == "blas"]


def blas_threads() -> int | None:
    """The threads of NumPy's matrix products; None if its library does not report them."""
    return max((pool["num_threads"] for pool in blas()), default=None)


def processor() -> str:
    """The processor's name, and on Linux its family and model, by which the libraries of both engines choose code."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    known = [f"{name} {found[name]}" for name in ("cpu family", "model", "stepping") if name in found]
    return ", ".join([found.get("model name") or platform.machine(), *known])


def changes(before: Any, now: dict[str, Any]) -> str:
    """The differences between the conditions of a run before and now; empty if nothing differs or is known."""
    if not isinstance(before, dict):
        return ""
    changed = [name for name in now if name in before and before[name] != now[name]]
    return ", ".join(f"{name} {before[name]} before and {now[name]} now" for name in changed)

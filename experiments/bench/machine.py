"""The environment of a run: processor, instruction set, versions, commit, date."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

INSTRUCTIONS = ("avx512f", "avx2", "avx", "sse4_2", "asimd")  # the widest first
ROOT = Path(__file__).parents[2]


def run_facts() -> dict[str, Any]:
    """The beginning of every file of results. Versions of the libraries come from the workers that load them."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": {
            "processor": processor(),
            "cores": cores(),
            "instructions": instructions(),
            "memory_gb": memory(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {"python": platform.python_version()},
    }


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    return _cpuinfo("model name") or platform.processor() or "unknown"


def instructions() -> str:
    """The widest vector instructions of the processor."""
    flags = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    return next((name for name in INSTRUCTIONS if name in flags), "unknown")


def _cpuinfo(key: str) -> str:
    """The first line of this name in Linux's description of the processor, empty where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")


def memory() -> float | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def commit() -> str:
    """The commit that is checked out, with a plus if files differ from it; "unknown" without git."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()

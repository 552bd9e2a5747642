"""The machine: versions, processor, device. All code that prints or stores figures uses these functions.

Nothing here imports torch unless a device is asked for, so that a process that measures only NumPy may call it.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version


def versions(*packages: str) -> dict[str, str]:
    """Python's version and that of each installed package of these names."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """The processor's architecture: x86_64, aarch64, arm64."""
    return platform.machine()


def device_name(device: str = "cpu") -> str:
    """The GPU's name, or the vector instructions that torch uses on this CPU."""
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else torch.backends.cpu.get_cpu_capability()


def environment(device: str = "cpu") -> dict[str, str]:
    """What a reader needs to know about the machine that made the figures."""
    found = versions("numpy", "torch")
    return {
        "numpy": found["numpy"],
        "torch": found["torch"],
        "python": found["python"],
        "machine": machine(),
        "device": device_name(device),
    }

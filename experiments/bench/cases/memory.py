"""Memory of training: the peak of the resident set, each engine and batch size in its own process.

The peak is counted from the memory before the network was built, so interpreter, libraries and data do not count. For
scratch, NumPy's own allocations show more: the memory held between forward and backward, after it, and at most. A
convolution of large images shows how large the buffer of columns becomes.
"""

from __future__ import annotations

import resource
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from experiments.bench.case import Case, Limit, Work, library
from experiments.bench.cases import cnn, mlp
from experiments.bench.cases.mnist import CLASSES, SIDE

STEPS = 10
NETWORKS = {"MLP 784-128-10": (32, 128, 512, 2048), "CNN 16-32 channels": (32, 128, 512)}
COLUMNS = "columns of Conv2d 32→64, 3x3, 224², batch 8"
LARGE, KERNEL = (8, 32, 224, 224), 3
MB = 2**20


def cases(quick: bool) -> list[Case]:
    bound = Case(
        COLUMNS,
        "memory",
        ("scratch",),
        {"name": COLUMNS, "batch": 8},
        (Limit(256.0),),
        rounds=1,
        seconds=0,
        unit="MB",
        fresh=True,
    )
    trainings = [
        Case(
            f"{name}, batch {batch}",
            "memory",
            setting={"name": name, "batch": batch},
            rounds=1,
            seconds=0,
            unit="MB",
            fresh=True,
        )
        for name, batches in NETWORKS.items()
        for batch in (batches[1:2] if quick else batches)
    ]
    return [*trainings, bound]


def prepare(engine: str, name: str, batch: int) -> Work:
    return Columns() if name == COLUMNS else Memory(engine, name, batch)


class Memory(Work):
    """Ten steps, and the peak memory in them."""

    def __init__(self, engine: str, name: str, batch: int) -> None:
        self.engine, self.name = engine, name
        shape = (batch, SIDE * SIDE) if name.startswith("MLP") else (batch, 1, SIDE, SIDE)
        rng = np.random.default_rng(0)
        self.x = cnn.native(engine, rng.random(shape, np.float32))
        self.y = cnn.native(engine, rng.integers(0, CLASSES, batch))

    def trainer(self) -> cnn.Trainer:
        lib = library(self.engine)
        net = mlp.network(lib, (SIDE * SIDE, 128, CLASSES)) if self.name.startswith("MLP") else cnn.network(lib)
        return cnn.Trainer(self.engine, net)

    def warm_up(self) -> None:
        """A step of a tiny network: libraries load code and make pools when they first compute."""
        trainer = cnn.Trainer(self.engine, mlp.network(library(self.engine), (SIDE * SIDE, CLASSES)))
        trainer.step(self.x[:2].reshape(2, -1), self.y[:2])

    def measure(self, seconds: float) -> dict[str, float]:
        before = forget_peak()
        trainer = self.trainer()
        for _ in range(STEPS):
            trainer.step(self.x, self.y)
        self.whole = peak()
        return {"peak": (self.whole - before) / MB}

    def facts(self) -> dict[str, Any]:
        whole = {f"MB of the {self.engine} process": round(self.whole / MB)}
        return whole | (arrays_of_a_step(self.trainer(), self.x, self.y) if self.engine == "scratch" else {})


class Columns(Work):
    """Forward and backward of one convolution: the most memory beyond its input, output and gradients."""

    def measure(self, seconds: float) -> dict[str, float]:
        lib = library("scratch")
        layer = lib.nn.Conv2d(LARGE[1], 64, KERNEL)
        x = np.ones(LARGE, np.float32)
        tracemalloc.start()
        try:
            y = layer(x)
            forward = tracemalloc.get_traced_memory()[1] - y.nbytes
            tracemalloc.reset_peak()
            layer.backward(y)
            backward = tracemalloc.get_traced_memory()[1] - y.nbytes - x.nbytes
        finally:
            tracemalloc.stop()
        return {"temporaries": max(forward, backward) / MB}

    def facts(self) -> dict[str, Any]:
        positions = LARGE[0] * (LARGE[2] - KERNEL + 1) * (LARGE[3] - KERNEL + 1)
        return {"MB of all columns at once": round(LARGE[1] * KERNEL**2 * positions * 4 / MB)}


def arrays_of_a_step(trainer: cnn.Trainer, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """The memory that NumPy holds around a backward, beyond parameters and state, in MB."""
    trainer.step(x, y)
    trainer.optimizer.zero_grad()
    tracemalloc.start()
    try:
        trainer.criterion(trainer.net(x), y)
        saved = tracemalloc.get_traced_memory()[0]
        trainer.net.backward(trainer.criterion.backward())
        after, highest = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return {
        "MB saved for backward": round(saved / MB, 2),
        "MB left after it": round(after / MB, 2),
        "MB at the peak of a step": round(highest / MB, 2),
    }


def forget_peak() -> int:
    """Reset the peak if the system can, and return the bytes that are resident now."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    return peak()


def peak() -> int:
    """The largest number of bytes that were resident."""
    if sys.platform == "linux":
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def _status(name: str) -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024

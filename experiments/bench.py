"""Speed, claimed in one place: scratch beside torch in one run, one thread each, as ratios with their spread."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import scratch
import torch_impl
from experiments.summary import console, mark, table

ROUNDS = 15  # pairs of measurements, A B A B
SECONDS = 0.05  # the least time of one measurement
MILLION = 10**6


@dataclass(frozen=True)
class Case:
    """One thing to do on each engine; `call(lib)` prepares it and returns what is timed."""

    name: str
    call: Callable[[Any], Callable[[], Any]]
    most: float | None = None  # times torch
    most_ms: float | None = None


def draw(name: str, *arguments: Any, **options: Any) -> Callable[[Any], Callable[[], Any]]:
    """A function of the package called with these arguments."""
    return lambda lib: lambda: getattr(torch if lib is torch_impl else scratch, name)(*arguments, **options)


def fill(name: str, *arguments: float, dtype: str = "float32") -> Callable[[Any], Callable[[], Any]]:
    """An in-place function on a million numbers."""

    def prepare(lib: Any) -> Callable[[], Any]:
        x = np.empty(MILLION, dtype)
        tensor = torch.from_numpy(x)
        return lambda: (
            getattr(tensor, name)(*arguments) if lib is torch_impl else getattr(scratch.random, name)(x, *arguments)
        )

    return prepare


def start_mlp(lib: Any) -> Callable[[], Any]:
    """Seed, and build a network of 784-128-10 with its initial weights."""

    def build() -> None:
        lib.manual_seed(0)
        lib.nn.Sequential(lib.nn.Linear(784, 128), lib.nn.ReLU(), lib.nn.Linear(128, 10))

    return build


CASES = [
    Case("rand(10^6), float32", draw("rand", MILLION), most=6),
    Case("uniform_(-1, 3), 10^6, float32", fill("uniform_", -1, 3), most=6),
    Case("uniform_(-1, 3), 10^6, float64", fill("uniform_", -1, 3, dtype="float64"), most=6),
    Case("randn(10^6), float32", draw("randn", MILLION), most=15),
    Case("normal_(), 10^6, float64", fill("normal_", dtype="float64"), most=15),
    Case("bernoulli_(0.3), 10^6, float32", fill("bernoulli_", 0.3)),
    Case("randint(0, 10), 10^6", draw("randint", 0, 10, (MILLION,))),
    Case("randperm(60000)", draw("randperm", 60000), most_ms=10),
    Case("manual_seed, MLP 784-128-10", start_mlp, most_ms=10),
]


def bench(pattern: str = "", path: Path | None = None) -> bool:
    """Measure the cases whose name contains the pattern, print and write them; True if all keep their limits."""
    torch.set_num_threads(1)
    out = console()
    report = table(
        "scratch beside torch, one thread each", "what", "scratch ms", "torch ms", "ratio", "spread", "limit", ""
    )
    results = []
    for case in [case for case in CASES if pattern in case.name]:
        ours, theirs = (case.call(lib) for lib in (scratch, torch_impl))
        pairs = [(_milliseconds(ours), _milliseconds(theirs)) for _ in range(ROUNDS)]
        ratios = sorted(a / b for a, b in pairs)
        a, b = (median(side) for side in zip(*pairs, strict=True))
        kept = (case.most is None or median(ratios) <= case.most) and (case.most_ms is None or a <= case.most_ms)
        limit = f"{case.most:g}x" if case.most else f"{case.most_ms:g} ms" if case.most_ms else ""
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        report.add_row(
            case.name, f"{a:.2f}", f"{b:.2f}", f"{median(ratios):.2f}", spread, limit, mark(kept) if limit else ""
        )
        results.append(
            {"case": case.name, "scratch_ms": a, "torch_ms": b, "ratios": ratios, "limit": limit, "ok": kept}
        )
    out.print(report)
    versions = {"numpy": np.__version__, "torch": torch.__version__, "python": platform.python_version()}
    out.print(f"medians of {ROUNDS} pairs; " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    if path is not None:
        path.write_text(
            json.dumps({"machine": platform.machine(), "versions": versions, "results": results}, indent=1) + "\n"
        )
    return all(result["ok"] for result in results)


def _milliseconds(call: Callable[[], Any]) -> float:
    """The mean of as many calls as take SECONDS."""
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS or not count:
        call()
        count += 1
    return elapsed / count * 1000

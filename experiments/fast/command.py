"""The commands: what `python -m experiments.fast` does, as functions that any command line can call.

Each prints a table, writes its figures to a JSON file if one is given, and returns True if no goal was missed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from experiments.bench import stored
from experiments.bench.engine_process import environment as environment_of
from experiments.bench.measure import in_turn, ratios, spread
from experiments.fast import tables
from experiments.fast.loops import LOOPS
from experiments.fast.measure import ROUNDS, benchmark, best_precision, environment, measure
from experiments.fast.recipe import RECIPES
from experiments.progress import Progress
from experiments.training import data as images
from experiments.training.config import ConfigError

SMALL = 10000  # images for the benchmark on a CPU


def fast_command(
    recipes: Sequence[str] = ("cnn-fast",),
    loop: str = "plain",
    seeds: int = 10,
    device: str | None = None,
    precision: str | None = None,
    engine: str = "torch",
    epochs: int | None = None,
    validation: bool = False,
    compiled: bool = False,
    data_dir: str | None = None,
    json_file: str | Path | None = None,
) -> bool:
    """Train recipes from several seeds. By default on the GPU if there is one, and in bfloat16 if that is quick."""
    if seeds < 1:
        raise ConfigError(f"seeds: must be at least 1, got {seeds}.")
    if compiled and engine != "torch":
        raise ConfigError(f"compile: only torch can be compiled, got engine {engine}. Omit --compile, or use torch.")
    device = existing(device or ("cpu" if engine == "scratch" else best_device()))
    precision = precision or (best_precision(device) if engine == "torch" else "32")
    data = images.mnist(data_dir)
    figures: dict[str, Any] = {"environment": environment(device), "runs": []}
    for name in recipes:
        recipe = RECIPES[name] if epochs is None else replace(RECIPES[name], epochs=epochs)
        figures["runs"].append(measure(recipe, data, loop, seeds, device, precision, engine, validation, compiled))
        if json_file:
            stored.write(Path(json_file), figures)  # measured figures are kept even if a later step fails
    print(tables.runs_table(figures["runs"]))
    return all(tables.verdict(run) == "ok" for run in figures["runs"])


def benchmark_command(
    recipe: str | None = None,
    rounds: int = ROUNDS,
    device: str | None = None,
    precision: str | None = None,
    data_dir: str | None = None,
    json_file: str | Path | None = None,
) -> bool:
    """Plain loop, Fabric and Trainer side by side: cnn-fast on the GPU, on the CPU the mlp on 10000 images.

    On a CPU a step of the CNN takes so long that the overhead of the loops is invisible.
    """
    device = existing(device or best_device())
    small = SMALL if device == "cpu" else None
    data = images.mnist(data_dir)
    chosen = RECIPES[recipe or ("mlp" if device == "cpu" else "cnn-fast")]
    result = benchmark(data, chosen, rounds, device, precision or best_precision(device), small)
    print(tables.benchmark_table(result))
    if json_file:
        stored.write(Path(json_file), {"environment": environment(device), "benchmark": result})
    return True


def gpu_command(seeds: int = 10, data_dir: str | None = None, json_file: str | Path = tables.GPU) -> bool:
    """Every recipe under every loop, and the benchmark, on the GPU. Without a GPU: the earlier measurements."""
    if not torch.cuda.is_available():
        print(tables.goals_table(stored.read_if_there(Path(json_file))))
        print("torch sees no GPU here. The same recipes train on the CPU: python -m experiments.fast run RECIPE")
        if on_cpu := stored.read_if_there(tables.ACCURACY):
            print("\nOn the CPU, where they take longer and learn the same:\n" + tables.runs_table(on_cpu["runs"]))
        return True
    data, precision = images.mnist(data_dir), best_precision("cuda")
    figures: dict[str, Any] = {"environment": environment("cuda"), "runs": []}
    for recipe in RECIPES.values():
        for loop in LOOPS:
            figures["runs"].append(measure(recipe, data, loop, seeds, "cuda", precision))
            stored.write(Path(json_file), figures)
    figures["benchmark"] = benchmark(data, device="cuda", precision=precision)
    stored.write(Path(json_file), figures)
    print(tables.goals_table(figures), tables.benchmark_table(figures["benchmark"]), sep="\n\n")
    return all(tables.verdict(run) == "ok" for run in figures["runs"])


def cpu_command(
    threads: int = 2, rounds: int = 3, data_dir: str | None = None, json_file: str | Path = tables.CPU
) -> bool:
    """The CNN on the CPU: torch at its best, then torch and scratch in turn, an epoch each, in float32.

    Every training has its own process, so that both engines have the same threads and nothing runs beside them.
    """
    images.mnist(data_dir)  # a download, or an error about missing data, happens here
    alone = ["run", "cnn-fast", "--seeds", "1", "--device", "cpu"]
    epoch = [*alone, "--epochs", "1", "--precision", "32"]
    first = _in_a_process(alone, threads, data_dir)
    epochs = [partial(_in_a_process, [*epoch, "--engine", name], threads, data_dir) for name in ("torch", "scratch")]
    with Progress("torch and scratch in turn, round", rounds) as progress:
        turns = in_turn(epochs, rounds, partial(progress.piece, "done"))
    (best,), (theirs, ours) = first["runs"], [[run for each in own for run in each["runs"]] for own in turns]
    our_epochs, their_epochs = ({"epoch": [run["seconds"]["mean"] for run in runs]} for runs in (ours, theirs))
    checks = {
        "torch: 99 % in under 120 s": best["accuracy"]["mean"] >= 0.99 and best["seconds"]["mean"] < 120,
        "scratch: 98.5 % in one epoch": all(run["accuracy"]["mean"] >= 0.985 for run in ours),
    }
    result = {
        "environment": first["environment"],
        "runs": [best, *(run for pair in zip(theirs, ours, strict=True) for run in pair)],
        "scratch_to_torch": spread(ratios(our_epochs, their_epochs)),
        "checks": checks,
    }
    stored.write(Path(json_file), result)
    print(tables.cpu_table(result))
    return all(checks.values())


def _in_a_process(arguments: list[str], threads: int, data_dir: str | None) -> dict[str, Any]:
    """Run a command of this package in its own process, with this many threads for either engine, and return its
    figures.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "figures.json")
        arguments = [*arguments, "--json", str(path), *(["--data-dir", data_dir] if data_dir else [])]
        command = [sys.executable, "-P", "-m", "experiments.fast", *arguments]
        done = subprocess.run(command, env=environment_of(threads), stdout=subprocess.PIPE, text=True)
        if not path.exists():
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode} and no figures.\n{done.stdout}")
        return stored.read(path)


def best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def existing(device: str) -> str:
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: torch sees no GPU here, got cuda. Omit it, or use cpu.")
    return device

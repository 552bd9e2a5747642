"""Accuracy and seconds of the recipes, seed by seed, and the three loops side by side; tables.py prints them.

Seconds are those of training: drawing the plan, every step, and the work of the loop itself, such as building a
Trainer, until the device has finished. They exclude moving the images to the device, drawing weights and judging;
compiling, capturing and warming up are reported separately as prepare_seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from statistics import mean, median, stdev
from typing import Any

import torch

from experiments.bench.measure import in_turn, ratios, spread
from experiments.fast.loops import LOOPS
from experiments.fast.recipe import RECIPES, Recipe
from experiments.fast.scratch_run import ScratchRun
from experiments.fast.torch_run import CHUNK, Run
from experiments.progress import Progress, divergence
from experiments.training.config import ConfigError
from experiments.training.data import ImageData, Part
from parity_tests.environment import device_name, versions

VALIDATION = 10000  # images at the end of the training set, on which the recipes were chosen
ROUNDS = 7


def make_run(recipe: Recipe, part: Part, loop: str, device: str, precision: str, engine: str, **options: Any) -> Any:
    """A run that is ready for its first seed, its loop, and the seconds of their preparation.

    One chunk is trained in a rehearsal, since the first time in a process takes longer.
    """
    run: Any
    if engine == "torch":
        run = Run(recipe, part, device, precision, **options)
    elif loop == "plain" and device == "cpu" and precision == "32":
        run = ScratchRun(recipe, part)
    else:
        raise ConfigError(
            f"engine: scratch has the plain loop, on the cpu, in precision 32; got {loop}, {device}, {precision}."
        )
    driver = LOOPS[loop]()
    start = run.clock()
    driver.adopt(run)
    run.prepare()
    run.restart(0)
    run.draw_plan()
    driver.train(run, epochs=1, chunks=1)
    return run, driver, run.clock() - start


def train(run: Any, driver: Any, seed: int) -> float:
    """Train from a seed; returns the seconds."""
    run.restart(seed)
    start = run.clock()
    run.draw_plan()
    driver.train(run)
    return run.clock() - start


class Shown:
    """The progress of a recipe's seeds: a bar that moves with every chunk, or a line after each seed."""

    def __init__(self, run: Any, seeds: int, name: str) -> None:
        self.run, self.name = run, name
        self.progress = Progress(f"{name}, seed", seeds)
        self.loss, self.accuracy = "", ""
        if self.progress.drawn:
            self.chunk, self.count = run.chunk, 0
            run.chunk = self.chunk_and_tick

    def chunk_and_tick(self) -> None:
        self.chunk()
        self.count += 1
        run, chunks = self.run, self.run.epochs * self.run.chunks
        done = (self.count - 1) % chunks + 1
        epoch = -(-done // run.chunks)
        if done % run.chunks == 0:  # reading a loss from a GPU waits for it
            self.loss = f"loss {last_loss(run, done):.4f}, "
        figures = f"epoch {epoch} of {run.epochs}, step {done * run.chunk_length}, {self.loss}{self.accuracy}"
        self.progress.tick(figures, 1 / chunks)

    def seed_done(self, accuracy: float) -> None:
        """After a training: its loss and accuracy, and whether it diverged."""
        losses = self.run.all_losses()
        self.progress.tick(pieces=int(not self.progress.drawn))
        self.accuracy = f"accuracy {accuracy:.2%}"
        self.progress.line(f"loss {losses[-1]:.4f}, {self.accuracy}")
        epoch = losses[-len(losses) // self.run.epochs :]
        if text := divergence(self.name, losses[0], mean(epoch)):
            self.progress.warn(text)


def last_loss(run: Any, chunks: int) -> float:
    return float(run.losses[chunks * run.chunk_length - 1])


def measure(
    recipe: Recipe,
    data: ImageData,
    loop: str = "plain",
    seeds: int = 10,
    device: str = "cpu",
    precision: str = "32",
    engine: str = "torch",
    validation: bool = False,
    compiled: bool = False,
) -> dict[str, Any]:
    """Train once from each seed, judge on the test set, or on the last 10000 training images when choosing a recipe."""
    fitted, judge = data.train, data.test
    if validation:
        fitted, judge = cut(data.train, None, -VALIDATION), cut(data.train, -VALIDATION, None)
    options = {"compiled": compiled} if engine == "torch" else {}
    run, driver, prepare_seconds = make_run(recipe, fitted, loop, device, precision, engine, **options)
    accuracies, seconds = [], []
    shown = Shown(run, seeds, f"{recipe.name}, {engine}, {loop}")
    with shown.progress:
        for seed in range(seeds):
            seconds.append(train(run, driver, seed))
            accuracies.append(run.accuracy(judge))
            shown.seed_done(accuracies[-1])
    return {
        "recipe": recipe.name,
        "engine": engine,
        "loop": loop,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "steps": run.steps,
        "chunk": run.chunk_length,
        "precision": precision,
        "compiled": compiled,
        "judged_on": "validation" if validation else "test",
        "accuracies": accuracies,
        "accuracy": over_seeds(accuracies),
        "seconds_each": seconds,
        "seconds": over_seeds(seconds),
        "prepare_seconds": prepare_seconds,
        **goals(recipe, loop, device, mean(accuracies), mean(seconds)),
    }


def goals(recipe: Recipe, loop: str, device: str, accuracy: float, seconds: float) -> dict[str, Any]:
    """The recipe's goals and whether they were met; its seconds are a goal for GPUs and are not judged elsewhere."""
    limit = recipe.seconds.get(loop)
    in_time = seconds <= limit if limit and device == "cuda" else None
    return {"goal": recipe.goal, "goal_met": accuracy >= recipe.goal, "seconds_goal": limit, "in_time": in_time}


def over_seeds(values: list[float]) -> dict[str, float | None]:
    """Mean, standard deviation (None for a single value) and both ends."""
    return {
        "mean": mean(values),
        "sd": stdev(values) if len(values) > 1 else None,
        "least": min(values),
        "most": max(values),
    }


def benchmark(
    data: ImageData,
    recipe: Recipe = RECIPES["cnn-fast"],
    rounds: int = ROUNDS,
    device: str = "cpu",
    precision: str = "32",
    images: int | None = None,
) -> dict[str, Any]:
    """Plain loop, Fabric and Trainer in turn, one epoch each, round after round; the Trainer also step by step.

    Ratios are to the plain loop of the same round. On the CPU a few thousand `images` are enough.
    """
    fitted, once = cut(data.train, 0, images), replace(recipe, epochs=1)
    cases = [(loop, CHUNK) for loop in LOOPS] + [("trainer", 1)]
    made = [make_run(once, fitted, loop, device, precision, "torch", longest_chunk=longest) for loop, longest in cases]
    with Progress(f"{recipe.name}, loops in turn, round", rounds) as progress:
        trainings = [partial(_next, run, driver, count()) for run, driver, _ in made]
        times = in_turn(trainings, rounds, partial(progress.piece, "done"))
    rows = []
    for (loop, _), (run, _, prepare_seconds), seconds in zip(cases, made, times, strict=True):
        rows.append(
            {
                "loop": loop,
                "chunk": run.chunk_length,
                "steps": run.steps,
                "seconds": median(seconds),
                "microseconds_a_step": median(seconds) / run.steps * 1e6,
                "ratio": spread(ratios({"": seconds}, {"": times[0]})),
                "prepare_seconds": prepare_seconds,
            }
        )
    about = {"recipe": recipe.name, "batch_size": recipe.batch_size, "precision": precision, "rounds": rounds}
    return {**about, "rows": rows}


def _next(run: Any, driver: Any, seeds: Iterator[int]) -> float:
    return train(run, driver, next(seeds))


def cut(part: Part, first: int | None, end: int | None) -> Part:
    return Part(part.images[first:end], part.labels[first:end])


def best_precision(device: str) -> str:
    """bf16 if the processor has instructions for it, else 32. On the CPU these are AVX512-BF16 and AMX."""
    supported = device == "cuda" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if supported else "32"


def environment(device: str) -> dict[str, Any]:
    """The environment of the figures."""
    name = device_name(device) if device == "cuda" else f"CPU, {device_name()}"
    return {"device": name, "threads": torch.get_num_threads(), **versions("numpy", "torch", "lightning")}

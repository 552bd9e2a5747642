"""What a run leaves behind: the figures of each engine, how the two compare, and the files and pictures of both."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch

from experiments.training.checkpoints import TrainingError
from experiments.training.config import Config
from experiments.training.data import Part
from torch_impl.files import opened, printable, read_json, write_whole

VISIBLE = 1e-5  # a relative difference of the losses that begins to show
FIRST = 100  # the steps in which rounding has not yet grown
LONGEST = 2**26  # bytes of a file that tells of a finished run; a million steps have 30 MB
KINDS: dict[str, Any] = {
    "engine": str,
    "epochs": list,
    "test_loss": float,
    "test_accuracy": float,
    "seconds": float,
    "initial_weights": str,
    "batches": list,
}


@dataclass
class EngineRun:
    """What one engine did."""

    engine: str
    losses: list[float] = field(repr=False)
    epochs: list[dict[str, float]]
    test_loss: float
    test_accuracy: float
    seconds: float  # since the start, or since the run was resumed
    initial_weights: str  # sha256
    batches: list[str]  # for each epoch a fingerprint of its training batches, in order
    checkpoint: Path
    predicted: list[int] = field(repr=False)  # the class of every test image
    confidence: list[float] = field(repr=False)  # the probability that the network gives it

    LISTS = ("losses", "predicted", "confidence")  # written to files of their own

    def figures(self, output: Path) -> dict[str, Any]:
        values = {name: value for name, value in asdict(self).items() if name not in self.LISTS}
        return values | {"checkpoint": str(self.checkpoint.relative_to(output)), "steps": len(self.losses)}


@dataclass
class Comparison:
    """Two runs from one seed. The bits must be equal; the losses are as close as rounding lets them be.

    In float32 a ReLU whose input lies within a rounding of zero can be on for one engine and off for the other. At that
    step the losses part by a jump; in float64 this is 10^9 times rarer.
    """

    same_initial_weights: bool
    same_batches: bool
    largest_difference_first_100: float
    largest_difference: float
    first_visible_step: int | None  # where the losses first differ by more than 1e-5

    @property
    def ok(self) -> bool:
        return self.same_initial_weights and self.same_batches


@dataclass
class RunResult:
    """A finished run: its folder holds config.yaml, metrics.json, curves.png and a folder for each engine."""

    config: Config
    output: Path
    runs: dict[str, EngineRun]
    comparison: Comparison | None = None

    @property
    def ok(self) -> bool:
        return self.comparison is None or self.comparison.ok


def relative_difference(a: Sequence[float], b: Sequence[float]) -> np.ndarray:
    """|a - b| / |b|, step by step, as far as both go; 0 where both are 0."""
    steps = min(len(a), len(b))
    x, y = np.asarray(a[:steps], np.float64), np.asarray(b[:steps], np.float64)
    return np.abs(x - y) / np.maximum(np.abs(y), np.finfo(np.float64).tiny)


def compare(a: EngineRun, b: EngineRun) -> Comparison:
    difference = relative_difference(a.losses, b.losses)
    visible = np.flatnonzero(difference > VISIBLE)
    return Comparison(
        same_initial_weights=a.initial_weights == b.initial_weights,
        same_batches=all(x == y for x, y in zip(a.batches, b.batches, strict=False)),  # one may have stopped earlier
        largest_difference_first_100=float(difference[:FIRST].max()),
        largest_difference=float(difference.max()),
        first_visible_step=int(visible[0]) + 1 if len(visible) else None,
    )


# --- files -----------------------------------------------------------------------------------------------------------


def write_finished(run: EngineRun, folder: Path, output: Path, test: Part) -> None:
    """The files of one engine; finished.json comes last and says that the others are there."""
    write_steps(folder / "steps.csv", run.losses)
    write_rows(
        folder / "predictions.csv",
        ("image", "label", "predicted", "confidence"),
        zip(range(len(run.predicted)), test.labels.tolist(), run.predicted, run.confidence, strict=True),
    )
    text = json.dumps(run.figures(output), indent=2) + "\n"
    write_whole(folder / "finished.json", lambda file: file.write(text.encode()))


def read_finished(folder: Path, output: Path) -> EngineRun:
    """What an engine did in an earlier start of this run.

    Raises    TrainingError if its files are damaged, or not what write_finished wrote.
    """
    try:
        values = read_json(folder / "finished.json", LONGEST)
        values["checkpoint"] = output / values["checkpoint"]
        steps = _rows(folder / "steps.csv")
        rows = _rows(folder / "predictions.csv")
        if values.pop("steps") != len(steps):
            raise ValueError(f"steps.csv has {len(steps)} steps")
        if values["checkpoint"] != folder / "checkpoints" / "best.ckpt":
            raise ValueError(f"its checkpoint is {values['checkpoint']}")
        for name, kind in KINDS.items():
            if not isinstance(values[name], kind):
                raise ValueError(f"{name} is {printable(repr(values[name]))}")
        return EngineRun(
            **values,
            losses=[float(row["loss"]) for row in steps],
            predicted=[int(row["predicted"]) for row in rows],
            confidence=[float(row["confidence"]) for row in rows],
        )
    except (KeyError, TypeError, ValueError, csv.Error) as error:  # ValueError: FileRefusedError and unicode errors too
        raise TrainingError(
            f"resume: {folder} says that it is finished, but its files are damaged: {printable(error)}. "
            "Remove finished.json to train it again from its last checkpoint."
        ) from error


def _rows(path: Path) -> list[dict[str, str]]:
    with opened(path, LONGEST) as file:
        return list(csv.DictReader(io.TextIOWrapper(file, "utf-8", newline="")))


def write_steps(path: Path, losses: list[float]) -> None:
    write_rows(path, ("step", "loss"), ((step, repr(loss)) for step, loss in enumerate(losses, 1)))


def write_rows(path: Path, header: tuple[str, ...], rows: Any) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def write_results(result: RunResult, test: Part) -> None:
    """metrics.json, and the pictures where matplotlib is installed."""
    c, output, runs = result.config, result.output, result.runs
    (output / "metrics.json").write_text(json.dumps(metrics(result), indent=2) + "\n")
    if find_spec("matplotlib") is None:
        return
    from experiments.training import plots

    title = f"{c.model} on {c.data}, {c.dtype}, {c.optimizer}, seed {c.seed}"
    plots.loss_curves({name: run.losses for name, run in runs.items()}, c.dtype, title, output / "curves.png")
    plots.epoch_curves({name: run.epochs for name, run in runs.items()}, title, output / "epochs.png")
    plots.confusion({name: run.predicted for name, run in runs.items()}, test.labels, title, output / "confusion.png")
    plots.class_accuracy(
        {name: run.predicted for name, run in runs.items()}, test.labels, title, output / "classes.png"
    )
    for name, run in runs.items():
        plots.mistakes(test, run.predicted, run.confidence, f"{name}: {title}", output / name / "mistakes.png")


def metrics(result: RunResult) -> dict[str, Any]:
    """The figures of a run, without the single steps, for metrics.json."""
    return {
        "seed": result.config.seed,
        "ok": result.ok,
        "runs": {name: run.figures(result.output) for name, run in result.runs.items()},
        "comparison": asdict(result.comparison) if result.comparison else None,
        "config": asdict(result.config),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "lightning": lightning.__version__,
        },
    }

"""The files of a run: those of each engine, which are read when the run resumes, and those of both."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from experiments.training import board
from experiments.training.checkpoints import TrainingError
from experiments.training.conditions import conditions
from experiments.training.data import Part
from experiments.training.outcome import EngineRun, RunResult
from torch_impl.files import opened, printable, read_bytes, read_json, write_whole

LONGEST = 2**26  # bytes of a file of a finished run; a million steps have 30 MB
BELONGING = ("steps.csv", "predictions.csv")
KINDS: dict[str, Any] = {
    "engine": str,
    "epochs": list,
    "test_loss": float,
    "test_accuracy": float,
    "seconds": float,
    "initial_weights": str,
    "batches": list,
    "compiled": dict | None,
}


def write_finished(run: EngineRun, config: dict[str, Any], folder: Path, output: Path, test: Part) -> None:
    """The files of one engine; finished.json is written last; it marks the others as complete and names their run."""
    write_steps(folder / "steps.csv", run.losses)
    write_rows(
        folder / "predictions.csv",
        ("image", "label", "predicted", "confidence"),
        zip(range(len(run.predicted)), test.labels.tolist(), run.predicted, run.confidence, strict=True),
    )
    done = {**run.figures(output), "steps": len(run.losses), "config": config, "files": _fingerprints(folder)}
    write_json(folder / "finished.json", done)


def finished_config(folder: Path) -> dict[str, Any] | None:
    """The config of the run whose finished.json this is; None for files of older versions without it.

    Raises    TrainingError if the file is damaged.
    """
    try:
        config = read_json(folder / "finished.json", LONGEST).get("config")
    except ValueError as error:  # FileRefusedError and unicode errors
        raise damaged(folder, error) from error
    return config if isinstance(config, dict) else None


def read_finished(folder: Path, output: Path) -> EngineRun:
    """The outcome of an engine in an earlier start of this run.

    Raises    TrainingError if its files are damaged, or were not written by write_finished.
    """
    try:
        values = {"compiled": None} | read_json(folder / "finished.json", LONGEST)
        values.pop("config", None)
        for name, digest in values.pop("files", _fingerprints(folder)).items():  # older versions did not write them
            if _fingerprints(folder).get(name) != digest:
                raise ValueError(f"{name} is not the one that this run wrote")
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
    except (AttributeError, KeyError, TypeError, ValueError, csv.Error) as error:  # FileRefusedError is a ValueError
        raise damaged(folder, error) from error


def _fingerprints(folder: Path) -> dict[str, str]:
    """The files that belong to finished.json, each with the sha256 of its content."""
    return {name: hashlib.sha256(read_bytes(folder / name, LONGEST)).hexdigest() for name in BELONGING}


def damaged(folder: Path, error: Exception) -> TrainingError:
    return TrainingError(
        f"resume: {folder} says that it is finished, but its files are damaged: {printable(error)}. "
        "Remove finished.json to train it again from its last checkpoint."
    )


def write_results(result: RunResult, test: Part) -> None:
    """metrics.json, and the pictures where matplotlib is installed."""
    c, output, runs = result.config, result.output, result.runs
    if find_spec("matplotlib"):
        from experiments.training import plots

        title = f"{c.model} on {c.data}, {c.dtype}, {c.optimizer}, seed {c.seed}"
        predicted = {name: run.predicted for name, run in runs.items()}
        plots.loss_curves({name: run.losses for name, run in runs.items()}, c.dtype, title, output / "curves.png")
        plots.epoch_curves({name: run.epochs for name, run in runs.items()}, title, output / "epochs.png")
        plots.confusion(predicted, test.labels, title, output / "confusion.png")
        plots.class_errors(predicted, test.labels, title, output / "classes.png")
        for name, run in runs.items():
            plots.mistakes(test, run.predicted, run.confidence, f"{name}: {title}", output / name / "mistakes.png")
            if board.installed():
                files = {"confusion": output / "confusion.png", "mistakes": output / name / "mistakes.png"}
                board.log_pictures(output / name, files)
    write_json(output / "metrics.json", metrics(result))  # last: it marks the run as finished


def metrics(result: RunResult) -> dict[str, Any]:
    """The figures of a run, without the single steps, for metrics.json."""
    return {
        "seed": result.config.seed,
        "ok": result.ok,
        "runs": {name: run.figures(result.output) for name, run in result.runs.items()},
        "comparison": asdict(result.comparison) if result.comparison else None,
        "config": asdict(result.config),
        "conditions": conditions(),
    }


# --- files, whole or not there ----------------------------------------------------------------------------------------


def write_steps(path: Path, losses: list[float]) -> None:
    write_rows(path, ("step", "loss"), ((step, repr(loss)) for step, loss in enumerate(losses, 1)))


def write_rows(path: Path, header: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    write_whole(path, lambda file: file.write(text.encode()))


def _rows(path: Path) -> list[dict[str, str]]:
    with opened(path, LONGEST) as file:
        return list(csv.DictReader(io.TextIOWrapper(file, "utf-8", newline="")))

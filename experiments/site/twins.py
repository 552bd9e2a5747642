"""The twin-training page, twins.html: one network trained by both engines, from the last such run or one made now."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from experiments.site import twin_curves
from experiments.site.pages import Site
from experiments.training.checkpoints import TrainingError
from experiments.training.config import Config
from experiments.training.outcome import RunResult, compare
from experiments.training.results import read_finished

RUNS = Path("runs")
EPOCHS = 20  # epochs of the digits run that is made if there is no other run
UNTOLD = ("data_dir", "output", "engine")  # options that do not describe the network
SHADES = 9  # of a confusion matrix, from no mistake to the most frequent one


def write(site: Site) -> None:
    with TemporaryDirectory() as folder:
        result = last_run(RUNS)
        made = result is None
        if result is None:
            result = train_digits(Path(folder), EPOCHS)
        _page(site, result, made)


def last_run(runs: Path) -> RunResult | None:
    """The newest run of both engines that has finished, and that this version can read."""
    for metrics in sorted(runs.glob("*/metrics.json"), key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            return read(metrics.parent)
        except (TrainingError, OSError, ValueError, KeyError):
            continue  # a run of one engine, or of an earlier version
    return None


def read(folder: Path) -> RunResult:
    """The run of both engines in this folder."""
    config = Config.from_dict(Config.values_from_yaml(folder / "config.yaml"))
    runs = {name: read_finished(folder / name, folder) for name in ("scratch", "torch")}
    return RunResult(config, folder, runs, compare(*runs.values()))


def train_digits(folder: Path, epochs: int) -> RunResult:
    """A network trained by both engines in a few seconds."""
    from experiments.training.run import train

    return train(Config(data="digits", engine="both", epochs=epochs, output=str(folder)), progress=False)


# --- the page ---------------------------------------------------------------------------------------------------------


def _page(site: Site, result: RunResult, made: bool) -> None:
    from experiments.training.summary import comparison_rows

    labels = _labels(result.output / "torch" / "predictions.csv")
    predicted = {name: np.array(run.predicted) for name, run in result.runs.items()}
    apart = int(np.sum(predicted["scratch"] != predicted["torch"]))
    options = {name: value for name, value in asdict(result.config).items() if name not in UNTOLD and value is not None}
    site.render(
        "twins.html",
        "twins.html",
        title="One network, trained by both engines",
        config=result.config,
        options=options,
        runs=result.runs,
        steps=len(result.runs["torch"].losses),
        origin="" if made else result.output.as_posix(),
        epochs=EPOCHS,
        rows=comparison_rows(result),
        figures=[
            twin_curves.losses({name: run.losses for name, run in result.runs.items()}, result.config.dtype),
            twin_curves.epochs(result.runs),
        ],
        matrices=[matrix(name, classes, labels) for name, classes in predicted.items()],
        images=len(labels),
        apart=apart,
    )


def _labels(path: Path) -> np.ndarray:
    with open(path, newline="") as file:
        return np.array([int(row["label"]) for row in csv.DictReader(file)])


def matrix(name: str, predicted: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """A confusion matrix as rows of (count, shade, whether it is on the diagonal)."""
    from experiments.training.plots import confusion_matrix

    counts = confusion_matrix(predicted.tolist(), labels)
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    shades = -(-wrong * SHADES // max(1, int(wrong.max())))  # upwards: one mistake is seen

    def rows() -> Iterator[list[tuple[int, int, bool]]]:
        for i, row in enumerate(counts.tolist()):
            yield [(count, int(shades[i, j]), i == j) for j, count in enumerate(row)]

    return {"name": name, "right": float(np.trace(counts) / counts.sum()), "rows": list(rows())}

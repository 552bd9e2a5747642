"""Twin training, model by model: float64 shows that the engines compute the same, float32 shows the effect of rounding.

In float64 the losses must agree through a whole epoch. In float32 rounding grows, because training is chaotic; so only
the ends of the runs must agree: over several seeds, the accuracies of the two engines overlap.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.progress import Progress, divergence
from experiments.training.config import MODELS, Config, ConfigError
from experiments.training.outcome import RunResult
from experiments.training.results import write_json
from experiments.training.run import train
from experiments.training.summary import console, mark, table

LIMIT = 1e-12  # the largest relative difference of the losses in float64, through one epoch
SUBSET = {"mlp": None, "cnn": 6400, "rnn": 6400, "lstm": 6400, "gru": 6400}  # images; None means all


@dataclass
class Twins:
    """The results of one model on both engines."""

    model: str
    data: str
    steps: int
    float64_largest: float
    same_bits: bool
    first_visible: list[int | None]  # for each seed the float32 step with a difference above 1e-5
    accuracies: dict[str, list[float]]  # for each engine, of each seed

    @property
    def overlap(self) -> bool:
        """Whether the ranges of the two engines' accuracies have a value in common."""
        ours, theirs = self.accuracies["scratch"], self.accuracies["torch"]
        return max(min(ours), min(theirs)) <= min(max(ours), max(theirs))

    @property
    def ok(self) -> bool:
        return self.same_bits and self.float64_largest <= LIMIT and self.overlap


def twins(
    models: Sequence[str] = MODELS,
    data: str = "mnist",
    seeds: int = 5,
    data_dir: str | None = None,
    output: str | Path = "runs/twins",
    **options: Any,
) -> list[Twins]:
    """Train each model for one epoch on both engines, once in float64 and for every seed in float32.

    Prints a table, and writes twins.json beside the folders of the runs, which replace those of an earlier call.

    Raises    ConfigError for less than one seed.
    """
    if seeds < 1:
        raise ConfigError(f"seeds: must be at least 1, got {seeds}.")
    with Progress("twins, training", len(models) * (1 + seeds), bar=False) as progress:  # a training draws its own
        found = [_one(model, data, seeds, data_dir, Path(output), options, progress) for model in models]
    report = table(
        f"scratch against torch, one epoch of {data}, nothing copied",
        *("model", "steps", "bits", "float64 apart", "visible in float32", "accuracy, scratch", "accuracy, torch", ""),
    )
    for twin in found:
        visible = [str(step or "none") for step in twin.first_visible]
        spans = [f"{min(a):.2%} to {max(a):.2%}" for a in twin.accuracies.values()]
        bits, apart = ("equal" if twin.same_bits else "differ"), f"{twin.float64_largest:.1e}"
        report.add_row(twin.model, str(twin.steps), bits, apart, ", ".join(visible), *spans, mark(twin.ok))
    out = console()
    out.print(report)
    out.print(
        f"Bits: initial weights and training batches of every run. Apart: largest relative difference of the loss, "
        f"limit {LIMIT:.0e}. Visible: the first step with a difference above 1e-5, by seed. Accuracies must overlap."
    )
    values = [{**asdict(twin), "ok": twin.ok} for twin in found]
    write_json(Path(output) / "twins.json", values)
    return found


def _one(
    model: str,
    data: str,
    seeds: int,
    data_dir: str | None,
    output: Path,
    options: dict[str, Any],
    progress: Progress,
) -> Twins:
    def run(seed: int, dtype: str) -> RunResult:
        settings: dict[str, Any] = {
            "model": model,
            "data": data,
            "data_dir": data_dir,
            "epochs": 1,
            "limit_train": SUBSET[model] if data == "mnist" else None,
            **options,
        }
        folder = output / f"{model}-{dtype}-{seed}"
        result = train(Config(**settings, seed=seed, dtype=dtype, output=str(folder)), overwrite=True)
        runs = result.runs.items()
        figures = (f"{name} loss {run.test_loss:.4f}, accuracy {run.test_accuracy:.2%}" for name, run in runs)
        progress.piece(f"{model}, {dtype}, seed {seed}: {'; '.join(figures)}")
        for name, run in runs:
            if text := divergence(name, run.losses[0], run.epochs[-1]["train_loss"]):
                progress.warn(text)
        gc.collect()  # a trainer and its module hold each other, and the images of every run so far
        return result

    exact = run(0, "float64")
    singles = [run(seed, "float32") for seed in range(seeds)]
    comparisons = [result.comparison for result in (exact, *singles) if result.comparison]
    return Twins(
        model=model,
        data=data,
        steps=len(exact.runs["torch"].losses),
        float64_largest=comparisons[0].largest_difference,
        same_bits=all(comparison.ok for comparison in comparisons),
        first_visible=[comparison.first_visible_step for comparison in comparisons[1:]],
        accuracies={name: [result.runs[name].test_accuracy for result in singles] for name in ("scratch", "torch")},
    )

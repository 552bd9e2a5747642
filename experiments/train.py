"""train(config): one run, or the same run twice, by scratch and by torch, from one seed with nothing copied."""

from __future__ import annotations

import csv
import json
import logging
import platform
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from experiments import data as images
from experiments import plots
from experiments.config import Config, ConfigError
from experiments.data import ImageData, Part
from experiments.engines import Engine, chosen, fingerprint
from experiments.lit import Images, LitClassifier, ProgressBar

VISIBLE = 1e-5  # a relative difference of the losses that begins to show
CHECKPOINTS = ("best", "last")
FIRST = 100  # the steps in which rounding has not yet grown


@dataclass
class EngineRun:
    """What one engine did."""

    engine: str
    losses: list[float] = field(repr=False)
    epochs: list[dict[str, float]]
    test_loss: float
    test_accuracy: float
    seconds: float
    initial_weights: str  # sha256
    batches: str  # sha256 over every training batch, in order
    checkpoint: Path


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


def train(config: Config, progress: bool | None = None) -> RunResult:
    """Train as the config says, write everything into its output folder, return the figures.

    A progress bar is shown if `progress`, by default on a terminal.

    Raises    ConfigError, DataError.
    """
    if config.accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("accelerator: torch finds no GPU here. Use --accelerator cpu.")
    data, judge, judge_name = prepare(config)
    output = output_folder(config)
    progress = sys.stdout.isatty() if progress is None else progress
    runs = {engine.name: run(engine, config, data, judge, judge_name, output, progress) for engine in chosen(config)}
    result = RunResult(config, output, runs, compare(*runs.values()) if len(runs) == 2 else None)
    (output / "metrics.json").write_text(json.dumps(metrics(result), indent=2) + "\n")
    title = f"{config.model} on {config.data}, {config.dtype}, {config.optimizer}, seed {config.seed}"
    plots.loss_curves({name: run.losses for name, run in runs.items()}, config.dtype, title, output / "curves.png")
    return result


def prepare(config: Config) -> tuple[ImageData, Part, str]:
    """The data, the images that judge each epoch, and whether these are "validation" or "test" images."""
    data = images.load(config.data, config.data_dir, config.dtype)
    judge, name = data.test, "test"
    if config.validation:
        kept, judge = images.split(data.train, config.validation)
        data, name = data._replace(train=kept), "validation"
    if config.limit_train is not None:
        data = data._replace(train=Part(*(array[: config.limit_train] for array in data.train)))
    return data, judge, name


def run(
    engine: Engine, config: Config, data: ImageData, judge: Part, judge_name: str, output: Path, progress: bool
) -> EngineRun:
    """Train with one engine."""
    folder = output / engine.name
    clear(folder)
    module = Images(engine, data, judge, config.batch_size, config.seed)
    network = engine.network(config, data.train.images.shape[1:], data.classes)
    weights = fingerprint(network)
    lit = LitClassifier(network, engine.criterion(), lambda net: engine.optimizer(config, net), judge_name)
    keep: dict[str, Any] = {"monitor": f"{judge_name}_accuracy", "mode": "max", "save_on_train_epoch_end": True}
    callbacks: list[Callback] = [ModelCheckpoint(folder / "checkpoints", "best", save_last=True, **keep)]
    if progress:
        callbacks.append(ProgressBar(engine.name))
    with quiet_and_deterministic():
        trainer = lightning.Trainer(
            max_epochs=config.epochs,
            accelerator=config.accelerator if engine.name == "torch" else "cpu",
            devices=1,
            logger=CSVLogger(folder, name="logs", version=""),
            log_every_n_steps=1,
            callbacks=callbacks,
            num_sanity_val_steps=0,
            deterministic=True,
            enable_model_summary=False,
            enable_progress_bar=progress,
        )
        start = time.perf_counter()
        trainer.fit(lit, module)
        seconds = time.perf_counter() - start
        if judge_name == "validation":
            (test,) = trainer.test(lit, module, ckpt_path="best", weights_only=True, verbose=False)
        else:
            test = lit.epochs[-1]
    losses = torch.stack(lit.losses).tolist()
    write_steps(folder / "steps.csv", losses)
    return EngineRun(
        engine=engine.name,
        losses=losses,
        epochs=lit.epochs,
        test_loss=test["test_loss"],
        test_accuracy=test["test_accuracy"],
        seconds=seconds,
        initial_weights=weights,
        batches=module.train.passed.hexdigest(),
        checkpoint=folder / "checkpoints" / "best.ckpt",
    )


def compare(a: EngineRun, b: EngineRun) -> Comparison:
    difference = plots.relative_difference(a.losses, b.losses)
    visible = np.flatnonzero(difference > VISIBLE)
    return Comparison(
        same_initial_weights=a.initial_weights == b.initial_weights,
        same_batches=a.batches == b.batches,
        largest_difference_first_100=float(difference[:FIRST].max()),
        largest_difference=float(difference.max()),
        first_visible_step=int(visible[0]) + 1 if len(visible) else None,
    )


# --- around the training ----------------------------------------------------------------------------------------------


@contextmanager
def quiet_and_deterministic() -> Iterator[None]:
    """Lightning without its notices, cuDNN without TF32, and torch's global switches as they were afterwards."""
    switches = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.allow_tf32
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    torch.backends.cudnn.allow_tf32 = False
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "GPU available but not used")  # it is not asked for
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)  # Lightning's use of torch
            yield
    finally:
        logger.setLevel(level)
        torch.use_deterministic_algorithms(switches[0])
        torch.backends.cudnn.allow_tf32 = switches[1]


def output_folder(config: Config) -> Path:
    """The folder of the run, with config.yaml in it; by default a new one, runs/<data>-<model>-<number>."""
    path = Path(config.output) if config.output else _next_folder(Path("runs"), f"{config.data}-{config.model}")
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / "config.yaml").write_text(config.to_yaml())
    except OSError as error:
        raise ConfigError(f"output: {path} cannot be written: {error}. Choose another folder with --output.") from error
    return path


def _next_folder(parent: Path, stem: str) -> Path:
    number = 1
    while (parent / f"{stem}-{number}").exists():
        number += 1
    return parent / f"{stem}-{number}"


def clear(folder: Path) -> None:
    """Remove what an earlier run wrote here, and nothing else."""
    for name in ("steps.csv", "logs/metrics.csv", "logs/hparams.yaml", *(f"checkpoints/{n}.ckpt" for n in CHECKPOINTS)):
        (folder / name).unlink(missing_ok=True)


def write_steps(path: Path, losses: list[float]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "loss"])
        writer.writerows((step, repr(loss)) for step, loss in enumerate(losses, 1))


def metrics(result: RunResult) -> dict[str, Any]:
    """The figures of a run, without the single steps, for metrics.json."""
    runs = {}
    for name, run in result.runs.items():
        runs[name] = {key: value for key, value in asdict(run).items() if key not in ("losses", "engine")}
        runs[name] |= {"checkpoint": str(run.checkpoint.relative_to(result.output)), "steps": len(run.losses)}
    return {
        "seed": result.config.seed,
        "ok": result.ok,
        "runs": runs,
        "comparison": asdict(result.comparison) if result.comparison else None,
        "config": asdict(result.config),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "lightning": lightning.__version__,
        },
    }

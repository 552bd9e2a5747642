"""train(config): one run, or the same run twice, by scratch and by torch, from one seed with nothing copied."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from experiments.training import data as images
from experiments.training.augment import Augmentation
from experiments.training.batches import Batches
from experiments.training.checkpoints import SafeIO, SaveLast, TrainingError, WhereItStands, read
from experiments.training.config import Config, ConfigError
from experiments.training.data import ImageData, Part
from experiments.training.driven import Engine, chosen, fingerprint
from experiments.training.folder import alone_in, clear, output_folder, readable_errors, refuse_links
from experiments.training.lit import EVALUATION_BATCH, Images, LitClassifier, ProgressBar
from experiments.training.outcome import EngineRun, RunResult, compare, read_finished, write_finished, write_results
from torch_impl.files import printable, remove_parts


def train(config: Config, progress: bool | None = None, resume: bool = False) -> RunResult:
    """Train as the config says, write everything into its output folder, return the figures.

    `resume` goes on with the run in that folder, bit for bit, from the last checkpoint of each engine.
    A progress bar is shown if `progress`, by default on a terminal.

    Raises    ConfigError, DataError, TrainingError; Interrupted, a SystemExit, on Ctrl-C and SIGTERM, with all saved.
    """
    if config.accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("accelerator: torch finds no GPU here. Use --accelerator cpu.")
    data, judge, judge_name = prepare(config)
    output = output_folder(config)
    progress = sys.stdout.isatty() if progress is None else progress
    with alone_in(output), readable_errors(output):
        if not resume:
            (output / "config.yaml").write_text(config.to_yaml())
        runs = {
            engine.name: run(engine, config, data, judge, judge_name, output, progress, resume)
            for engine in chosen(config)
        }
        result = RunResult(config, output, runs, compare(*runs.values()) if len(runs) == 2 else None)
        write_results(result, data.test)
    return result


def resume(folder: str | Path, data_dir: str | None = None, progress: bool | None = None) -> RunResult:
    """Go on with the run in this folder. Engines that had finished are not trained again."""
    folder = Path(folder)
    refuse_links(folder)
    config = Config.from_dict(Config.values_from_yaml(folder / "config.yaml"))
    return train(replace(config, output=str(folder), data_dir=data_dir or config.data_dir), progress, resume=True)


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
    engine: Engine,
    config: Config,
    data: ImageData,
    judge: Part,
    judge_name: str,
    output: Path,
    progress: bool,
    resume: bool = False,
) -> EngineRun:
    """Train with one engine, or read what it did if it had finished."""
    folder = output / engine.name
    last, best = (folder / "checkpoints" / f"{name}.ckpt" for name in ("last", "best"))
    if resume and (folder / "finished.json").exists():
        return read_finished(folder, output)
    for path in (last, best):
        remove_parts(path)
    if not resume:
        clear(folder)
    start_from = last if resume and last.exists() else None
    batches = engine.batches(
        data.train, config.batch_size, config.seed, True, Augmentation(config.shift, config.rotate)
    )
    held_back = [engine.batches(part, EVALUATION_BATCH, config.seed, False) for part in (judge, data.test)]
    module = Images(batches, *held_back)
    network = engine.network(config, data.train.images.shape[1:], data.classes)
    weights = fingerprint(network)
    lit = LitClassifier(
        network,
        engine.criterion(config.label_smoothing),
        engine.criterion(),
        lambda net: optimizer_and_schedule(engine, config, net, config.epochs * len(batches)),
        judge_name,
        {"engine": engine.name, "config": asdict(config), "shape": list(data.train.images.shape[1:])},
    )
    if config.compile:
        network.compile()
    with quiet_and_deterministic(config):
        trainer = lightning.Trainer(
            max_epochs=config.epochs,
            accelerator=config.accelerator if engine.name == "torch" else "cpu",
            devices=config.devices,
            strategy=config.strategy,
            precision=config.precision if engine.name == "torch" else "32",  # type: ignore[arg-type]
            logger=loggers(folder, read(start_from)["curves"]["epochs"] if start_from else []),
            log_every_n_steps=1,
            callbacks=callbacks(engine, config, batches, best, judge_name, progress),
            plugins=[SafeIO()],
            num_sanity_val_steps=0,
            deterministic=config.deterministic,
            enable_model_summary=False,
            enable_progress_bar=progress,
        )
        start = time.perf_counter()
        try:
            trainer.fit(lit, module, ckpt_path=start_from, weights_only=True)
        except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
            if start_from is None or lit.started or isinstance(error, TrainingError):
                raise
            raise TrainingError(f"checkpoint: {start_from} does not fit this run: {printable(error)}.") from error
        seconds = time.perf_counter() - start
        losses, epochs = torch.stack(lit.losses).tolist(), lit.epochs  # the best checkpoint, loaded next, has its own
        if judge_name == "validation":
            (test,) = trainer.test(lit, module, ckpt_path=best, weights_only=True, verbose=False)
        else:
            test = epochs[-1]
        if trainer.global_rank > 0:
            sys.exit(0)  # one of several processes writes the results
    done = EngineRun(
        engine=engine.name,
        losses=losses,
        epochs=epochs,
        test_loss=test["test_loss"],
        test_accuracy=test["test_accuracy"],
        seconds=seconds,
        initial_weights=weights,
        batches=[digest.hex() for digest in batches.passed],
        checkpoint=best,
        predicted=torch.cat(lit.predicted).tolist(),
        confidence=torch.cat(lit.confidence).tolist(),
    )
    write_finished(done, folder, output, data.test)
    return done


def optimizer_and_schedule(engine: Engine, config: Config, network: Any, steps: int) -> tuple[Any, Any]:
    optimizer = engine.optimizer(config, network)
    return optimizer, engine.scheduler(config, optimizer, steps)


def callbacks(
    engine: Engine, config: Config, batches: Batches, best: Path, judge_name: str, progress: bool
) -> list[Callback]:
    keep: dict[str, Any] = {"monitor": f"{judge_name}_accuracy", "mode": "max", "save_on_train_epoch_end": True}
    chosen: list[Callback] = [WhereItStands(batches)]
    if config.patience is not None:
        chosen.append(EarlyStopping("validation_loss", patience=config.patience, check_finite=False))
    if progress:
        chosen.append(ProgressBar(engine.name))
    return [
        *chosen,
        ModelCheckpoint(best.parent, best.stem, enable_version_counter=False, **keep),
        SaveLast(best.with_name("last.ckpt"), config.save_every),
    ]


def loggers(folder: Path, epochs: list[dict[str, float]]) -> list[Logger]:
    """A CSV file with a row for each epoch, those before a resumption included, and TensorBoard's if that is there."""
    to_csv = CSVLogger(folder, name="logs", version="")
    for number, figures in enumerate(epochs):
        logged = {
            name: torch.tensor(float(value)).item() for name, value in figures.items()
        }  # as Lightning logs: float32
        to_csv.log_metrics({**logged, "epoch": number}, step=int(sum(f["steps"] for f in epochs[: number + 1])) - 1)
    return [to_csv, TensorBoardLogger(folder, name="tensorboard", version="")] if find_spec("tensorboard") else [to_csv]


# --- around the training ----------------------------------------------------------------------------------------------


@contextmanager
def quiet_and_deterministic(config: Config) -> Iterator[None]:
    """Lightning without its notices, cuDNN without TF32 if it is to be deterministic; torch as before afterwards."""
    switches = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.allow_tf32
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    torch.backends.cudnn.allow_tf32 = not config.deterministic
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* directory .* exists and is not empty")  # a resumed run's
            warnings.filterwarnings("ignore", "GPU available but not used")  # it is not asked for
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)  # Lightning's use of torch
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        torch.use_deterministic_algorithms(switches[0])
        torch.backends.cudnn.allow_tf32 = switches[1]

"""train(config): one run, or the same run twice, by scratch and by torch, from one seed with nothing copied."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from experiments.training.checkpoints import read
from experiments.training.config import Config, ConfigError
from experiments.training.devices import is_child, watch_parent
from experiments.training.driven import chosen
from experiments.training.engine_run import Run
from experiments.training.folder import (
    alone_in,
    clear,
    clear_verdicts,
    output_folder,
    read_config,
    readable_errors,
    refuse_another,
    refuse_links,
    write_config,
)
from experiments.training.outcome import RunResult, compare
from experiments.training.prepared import Prepared, prepare
from experiments.training.results import write_results


def train(config: Config, progress: bool | None = None, overwrite: bool = False, lines: bool = False) -> RunResult:
    """Train according to the config, write everything into its output folder, return the figures.

    A progress bar is shown if `progress`, by default on a terminal; without one, `lines` asks for a line after each
    epoch. A run that is already in the folder is replaced if `overwrite`; `resume` continues it.

    Raises    ConfigError, DataError, TrainingError; Interrupted, a SystemExit, on Ctrl-C and SIGTERM, with everything
              saved.
    """
    watch_parent()
    prepared = prepare(config)
    output = output_folder(config)
    with alone_in(output), readable_errors(output):
        if not is_child():
            if not overwrite:
                refuse_another(output)
            clear(output)
            write_config(config, output)
        return _train_engines(config, prepared, output, progress, lines)


def resume(
    folder: str | Path,
    data_dir: str | None = None,
    progress: bool | None = None,
    epochs: int | None = None,
    lines: bool = False,
) -> RunResult:
    """Continue the run in this folder, bit for bit. Finished engines are not trained again.

    With `epochs`, the run becomes one of that many epochs, as if it had been started so.

    Raises    as train; TrainingError if a file of the folder belongs to another run.
    """
    watch_parent()
    output = Path(folder)
    refuse_links(output)
    config = read_config(output)
    config = replace(config, output=str(output), data_dir=data_dir or config.data_dir)
    prepared = prepare(config)
    with alone_in(output), readable_errors(output):
        if epochs is not None and not is_child():
            config = _with_epochs(config, epochs, output)
        return _train_engines(config, prepared, output, progress, lines)


def _train_engines(config: Config, prepared: Prepared, output: Path, progress: bool | None, lines: bool) -> RunResult:
    bar = sys.stderr.isatty() if progress is None else progress
    shown = True if bar else False if lines else None
    runs = [Run(driven, config, prepared, output, shown) for driven in chosen(config)]
    for run in runs:
        run.restore()  # all engines, before one of them trains
    if lines and all(run.finished for run in runs):
        print("This run has finished: nothing was left to do.")
    outcomes = {run.driven.name: run.outcome() for run in runs}
    result = RunResult(config, output, outcomes, compare(*outcomes.values()) if len(runs) == 2 else None)
    write_results(result, prepared.data.test)
    return result


def _with_epochs(config: Config, epochs: int, output: Path) -> Config:
    """Write the same run with another length; the record of its end is removed."""
    longer = replace(config, epochs=epochs)
    for engine in chosen(config):
        last = output / engine.name / "checkpoints" / "last.ckpt"
        if epochs == config.epochs or not last.exists():
            continue
        if config.scheduler != "constant":
            raise ConfigError(
                f"epochs: the {config.scheduler} schedule of this run is laid out for {config.epochs} epochs, so its "
                f"steps so far are not those of a run of {epochs}. Start that run in another folder."
            )
        done = len(read(last)["curves"]["epochs"])
        if epochs < done:
            raise ConfigError(f"epochs: {engine.name} has trained {done} already, got {epochs}. A run can be extended.")
    if epochs != config.epochs:
        clear_verdicts(output)
        write_config(longer, output)
    return longer

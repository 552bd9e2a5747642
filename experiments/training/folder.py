"""The folder that a run writes into: found or made, held against other runs, and cleared of an earlier one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.training.checkpoints import TrainingError
from experiments.training.config import Config, ConfigError

OUTPUT = "NN_PARITY_OUTPUT"  # tells the processes that Lightning starts for more devices where the first one writes


@contextmanager
def alone_in(output: Path) -> Iterator[None]:
    """Hold the folder: a second run in it would mix with the first."""
    import filelock

    if os.environ.get(OUTPUT) == str(output) and "LOCAL_RANK" in os.environ:
        yield  # a process of the run that holds it
        return
    lock = filelock.FileLock(output / ".lock", timeout=0)
    try:
        with lock:
            os.environ[OUTPUT] = str(output)
            try:
                yield
            finally:
                del os.environ[OUTPUT]
    except filelock.Timeout:
        raise TrainingError(
            f"output: another run is writing into {output}. Choose another folder with --output."
        ) from None


@contextmanager
def readable_errors(output: Path) -> Iterator[None]:
    """What the operating system says against writing, as one sentence."""
    try:
        yield
    except OSError as error:
        raise TrainingError(f"output: {output} cannot be written: {error}. Checkpoints so far are unharmed.") from error


def output_folder(config: Config) -> Path:
    """The folder of the run; by default a new one, runs/<data>-<model>-<number>."""
    if OUTPUT in os.environ and "LOCAL_RANK" in os.environ:
        return Path(os.environ[OUTPUT])
    try:
        if config.output:
            path = Path(config.output)
            path.mkdir(parents=True, exist_ok=True)
        else:
            path = _new_folder(Path("runs"), f"{config.data}-{config.model}")
        probe = path / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"output: {path} cannot be written: {error}. Choose another folder with --output.") from error
    return path


def _new_folder(parent: Path, stem: str) -> Path:
    """The first number that is free; two runs that start at once get two folders."""
    number = 1
    while True:
        path = parent / f"{stem}-{number}"
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return path


def refuse_links(folder: Path) -> None:
    """A run that goes on writes where the files of an earlier start stand: none of them may lead out of the folder."""
    inside = os.path.realpath(folder)
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            if path.is_symlink() and os.path.commonpath([inside, os.path.realpath(path)]) != inside:
                raise TrainingError(f"resume: {path} is a link out of {folder}. Put there what it leads to.")


CHECKPOINTS = ("best", "last")
RESULTS = ("finished.json", "steps.csv", "predictions.csv", "logs/metrics.csv", "logs/hparams.yaml")


def clear(folder: Path) -> None:
    """Remove what an earlier run wrote here, and nothing else."""
    for name in (*RESULTS, *(f"checkpoints/{name}.ckpt" for name in CHECKPOINTS)):
        (folder / name).unlink(missing_ok=True)

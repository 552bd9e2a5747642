"""The folder that a run writes into: found or made, locked against other runs, and cleared of an earlier one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.training.checkpoints import TrainingError
from experiments.training.config import ENGINES, Config, ConfigError
from experiments.training.devices import OUTPUT, PARENT, is_child
from torch_impl.files import printable, remove_parts, write_whole

CONFIG = "config.yaml"
PICTURES = ("curves.png", "epochs.png", "confusion.png", "classes.png")
CHECKPOINTS = ("checkpoints/best.ckpt", "checkpoints/last.ckpt")
RECORDS = ("steps.csv", "predictions.csv", "mistakes.png", "logs/metrics.csv", "logs/hparams.yaml")
PLACES = ("output", "data_dir")  # options for the places of files: a run may be moved


@contextmanager
def alone_in(output: Path) -> Iterator[None]:
    """Lock the folder: a second run in it would mix with the first."""
    import filelock

    if is_child():
        yield  # a process of the run that holds the lock
        return
    lock = filelock.FileLock(output / ".lock", timeout=0)
    try:
        with lock:
            os.environ[OUTPUT] = str(output)
            try:
                yield
            finally:
                for name in (OUTPUT, PARENT):
                    os.environ.pop(name, None)
    except filelock.Timeout:
        raise TrainingError(
            f"output: another run is writing into {output}. Choose another folder with --output."
        ) from None


@contextmanager
def readable_errors(output: Path) -> Iterator[None]:
    """The operating system's error on writing, as one sentence."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"output: {output} cannot be written: {error}. Checkpoints so far are unharmed: "
            f"continue with --resume {output} when it can be written."
        ) from error


def output_folder(config: Config) -> Path:
    """The folder of the run; by default a new one, runs/<data>-<model>-<number>."""
    if is_child():
        return Path(os.environ[OUTPUT])
    path = Path(config.output or "runs")
    try:
        if config.output:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path = _new_folder(path, f"{config.data}-{config.model}")
        probe = path / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"output: {path} cannot be written: {error}. Choose another folder with --output.") from error
    return path


def _new_folder(parent: Path, stem: str) -> Path:
    """The first free number; two runs that start at once get two folders."""
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
    """A resumed run writes over the files of an earlier start: none of them may be a link out of the folder."""
    inside = os.path.realpath(folder)
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            if path.is_symlink() and os.path.commonpath([inside, os.path.realpath(path)]) != inside:
                raise TrainingError(f"resume: {path} is a link out of {folder}. Replace it by its target.")


# --- an earlier run in the same folder --------------------------------------------------------------------------------


def engines() -> list[str]:
    """The names of the engines and of their folders."""
    return [name for name in ENGINES if name != "both"]


def refuse_another(output: Path) -> None:
    """Refuse a new run that would destroy an earlier one.

    Raises    ConfigError if the folder holds results or a checkpoint.
    """
    finished = (output / "metrics.json").exists()
    learned = (output / name / file for name in engines() for file in ("finished.json", *CHECKPOINTS))
    if finished or any(path.exists() for path in learned):
        raise ConfigError(
            f"output: {output} holds {'a finished' if finished else 'an unfinished'} run. Continue it with --resume "
            f"{output}, replace it with --overwrite, or choose another folder with --output."
        )


def clear(output: Path) -> None:
    """Remove only the files that an earlier run of any engine wrote here, first those that mark it as finished."""
    clear_verdicts(output)
    names = [CONFIG, *(f"{engine}/{file}" for engine in engines() for file in (*CHECKPOINTS, *RECORDS))]
    for path in (output / name for name in names):
        path.unlink(missing_ok=True)
        remove_parts(path)
    for engine in engines():
        for events in (output / engine / "tensorboard").glob("events.out.tfevents.*"):
            events.unlink()


def clear_verdicts(output: Path) -> None:
    """Remove the files that record the end of a run; its checkpoints stay."""
    for name in (*(f"{engine}/finished.json" for engine in engines()), "metrics.json", *PICTURES):
        (output / name).unlink(missing_ok=True)


# --- what belongs to a run --------------------------------------------------------------------------------------------


def write_config(config: Config, output: Path) -> None:
    """The options of the run, without the folder: a reused file must not point to the run that wrote it."""
    values = Config.from_dict({**asdict(config), "output": None})
    write_whole(output / CONFIG, lambda file: file.write(values.to_yaml().encode()))


def read_config(folder: Path) -> Config:
    return Config.from_dict(Config.values_from_yaml(folder / CONFIG))


def deciding(config: Config) -> dict[str, Any]:
    """The options that determine the computation of a run, as written beside it."""
    return {name: value for name, value in asdict(config).items() if name not in PLACES}


def refuse_foreign(there: Any, config: Config, path: Path) -> None:
    """A file's options must equal those of the run; an option that the file lacks had its default.

    The number of epochs may differ if the learning rate is constant: then every step of the shorter run is one of the
    longer one.

    Raises    TrainingError naming the options that differ.
    """
    if not isinstance(there, Mapping):
        raise TrainingError(f"resume: {path} does not say which run it belongs to.")
    usual, differ = deciding(Config()), []
    for name, value in deciding(config).items():
        before = there.get(name, usual[name])
        before = tuple(before) if isinstance(before, list) else before
        if before != value and not (name == "epochs" and config.scheduler == "constant"):
            differ.append(f"{name} {printable(repr(before), 40)} there, {value!r} in {CONFIG}")
    if differ:
        raise TrainingError(
            f"resume: {path} belongs to another run: {'; '.join(differ)}. Train it into another folder with --output."
        )

"""Which run the files of a folder belong to: none is lost unasked, none is shown as another."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.tests.crashes import ENGINES, Crash, crashed
from experiments.tests.small_runs import SMALL, STEPS, content, nn_parity, same
from experiments.training import engine_run, results
from experiments.training.checkpoints import TrainingError, read
from experiments.training.config import ConfigError
from experiments.training.run import resume, train

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.mark.parametrize("engine", ["both", "torch"])
def test_a_finished_run_is_not_destroyed(engine: str, copied_run: Path) -> None:
    before = content(copied_run)
    done = nn_parity("train", "--engine", engine, "--lr", 0.01, "--output", copied_run)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert (
        f"{copied_run} holds a finished run. Continue it with --resume {copied_run}, replace it with --over"
        in done.stderr
    )
    assert content(copied_run) == before


def test_neither_is_an_unfinished_one(tmp_path: Path) -> None:
    crashed(replace(SMALL, output=str(tmp_path)), STEPS)
    before = content(tmp_path)
    with pytest.raises(ConfigError, match="holds an unfinished run"):
        train(replace(SMALL, engine="torch", output=str(tmp_path)))
    assert content(tmp_path) == before


def test_a_run_without_a_checkpoint_is_no_loss(tmp_path: Path) -> None:
    crashed(replace(SMALL, output=str(tmp_path)), 1)
    assert train(replace(SMALL, output=str(tmp_path))).ok


def test_overwrite_removes_the_verdicts_before_anything_is_trained(copied_run: Path) -> None:
    (copied_run / "notes.txt").write_text("mine")
    crashed(replace(SMALL, engine="torch", output=str(copied_run)), 1, overwrite=True)
    left = {str(path.relative_to(copied_run)) for path in copied_run.rglob("*") if path.is_file()}
    assert left <= {"config.yaml", "notes.txt", ".lock"}
    assert train(replace(SMALL, engine="torch", output=str(copied_run)), overwrite=True).runs.keys() == {"torch"}
    assert not (copied_run / "scratch" / "finished.json").exists()


@pytest.mark.parametrize("where", [0, 1, 2, 3, 4])
def test_a_kill_while_the_old_run_is_removed_leaves_no_verdict_of_it(
    where: int, copied_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is still there afterwards, nothing of it says that it has finished."""
    honest, seen = Path.unlink, []

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.is_relative_to(copied_run) and path.exists() and path.suffix != ".lock" and "probe" not in path.name:
            seen.append(path)
            if len(seen) == where + 3:  # two engines have their finished.json first
                raise Crash
        honest(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(Crash):
        train(replace(SMALL, lr=0.01, output=str(copied_run)), overwrite=True)
    assert {path.name for path in seen[:2]} == {"finished.json"}
    assert not list(copied_run.glob("*/finished.json"))


def test_the_config_that_a_run_writes_does_not_aim_at_it(copied_run: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    before = content(copied_run)
    done = nn_parity("train", "--config", copied_run / "config.yaml", "--epochs", 1, "--engine", "torch")
    assert done.exit_code == 0, done.output
    assert content(copied_run) == before
    assert (tmp_path / "runs" / "digits-mlp-1" / "metrics.json").is_file()


# --- files of another run ---------------------------------------------------------------------------------------------


def test_a_resumed_run_never_shows_the_engine_of_another_one(copied_run: Path) -> None:
    """As if an older version had begun to train here, and had been killed before it came to torch."""
    config = replace(SMALL, lr=0.01)
    (copied_run / "config.yaml").write_text(config.to_yaml())
    with pytest.raises(TrainingError, match=r"scratch.*belongs to another run: lr 0\.001 there, 0\.01 in config\.yaml"):
        resume(copied_run)
    for name in ("finished.json", "checkpoints/last.ckpt", "checkpoints/best.ckpt"):
        (copied_run / "scratch" / name).unlink()
    with pytest.raises(TrainingError, match=r"torch.*belongs to another run: lr 0\.001 there, 0\.01 in config\.yaml"):
        resume(copied_run)
    assert not (copied_run / "scratch" / "checkpoints" / "last.ckpt").exists()  # refused before anything was trained


@pytest.mark.parametrize("name", ["finished.json", "checkpoints/last.ckpt", "checkpoints/best.ckpt"])
def test_one_file_of_another_run_is_enough(name: str, copied_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    train(replace(SMALL, engine="torch", seed=5, output=str(other)))
    if name != "finished.json":
        (copied_run / "torch" / "finished.json").unlink()
    os.replace(other / "torch" / name, copied_run / "torch" / name)
    with pytest.raises(TrainingError, match=r"belongs to another run: engine '?torch'? there.*; seed 5 there, 0 in"):
        resume(copied_run)


@pytest.mark.parametrize("name", ["steps.csv", "predictions.csv"])
def test_a_table_of_another_run_is_not_shown(name: str, copied_run: Path, tmp_path: Path) -> None:
    """Of the same length, and so of the same form."""
    other = tmp_path / "other"
    train(replace(SMALL, engine="torch", seed=5, output=str(other)))
    os.replace(other / "torch" / name, copied_run / "torch" / name)
    with pytest.raises(
        TrainingError, match=rf"torch says that it is finished.*{name} is not the one that this run wrote"
    ):
        resume(copied_run)


def test_a_checkpoint_that_does_not_say_whose_it_is(copied_run: Path) -> None:
    path = copied_run / "torch" / "checkpoints" / "last.ckpt"
    state = read(path)
    torch.save({**state, "run": {"engine": "torch"}}, path)
    with pytest.raises(TrainingError, match="does not say which run it belongs to"):
        resume(copied_run)


# --- a run begun by an older version ----------------------------------------------------------------------------------


def as_before(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """The files as the version wrote them that bound them to no run: an option less, no config in finished.json."""
    for engine in ENGINES:
        path = folder / engine / "finished.json"
        if path.exists():
            values = json.loads(path.read_text())
            values.pop("config")
            values.pop("compiled")
            results.write_json(path, values)
        path = folder / engine / "checkpoints" / "last.ckpt"
        if path.exists():
            state = torch.load(path, weights_only=True)
            state["run"].pop("conditions")
            state["run"]["config"] |= {"output": "elsewhere", "data_dir": None}
            change(state["run"]["config"])
            torch.save(state, path)


@pytest.mark.parametrize("stopped", [None, STEPS + 1, 2 * STEPS + 1])
def test_a_run_of_the_version_before_goes_on(stopped: int | None, tmp_path: Path) -> None:
    config = replace(SMALL, output=str(tmp_path / "run"))
    train(config) if stopped is None else crashed(config, stopped)
    (tmp_path / "run" / "config.yaml").write_text(config.to_yaml())  # which named its own folder
    as_before(tmp_path / "run", lambda values: None)
    now = train(replace(SMALL, output=str(tmp_path / "now")))
    result = resume(tmp_path / "run")
    assert all(same(result.runs[engine], now.runs[engine]) for engine in ENGINES)


def test_an_option_that_it_did_not_know_had_its_default(copied_run: Path) -> None:
    as_before(copied_run, lambda values: values.pop("rotate"))
    assert resume(copied_run).ok
    (copied_run / "config.yaml").write_text(replace(SMALL, rotate=5.0).to_yaml())
    with pytest.raises(TrainingError, match=r"rotate 0\.0 there, 5\.0 in config\.yaml"):
        resume(copied_run)


def test_everything_that_a_run_writes_is_whole_or_absent() -> None:
    """The modules of training open no file for writing by themselves: write_whole does it for all."""
    own = Path(engine_run.__file__).parent
    command = [
        "grep",
        "-nE",
        r"\.write_text|\.write_bytes|savefig\(path|open\([^)]*['\"][wax]",
        *sorted(own.glob("*.py")),
    ]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == ""

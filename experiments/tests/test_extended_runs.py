"""A run of more epochs than it was begun with, in another place: it is the longer run."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments.tests.crashes import ENGINES, Crash, at_step, crash, crashed
from experiments.tests.small_runs import SMALL, STEPS, content, nn_parity, same
from experiments.training.checkpoints import read
from experiments.training.config import ConfigError
from experiments.training.run import resume, train

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.mark.parametrize("stopped", [None, STEPS + 2, 2 * STEPS + 2])
def test_an_extended_run_is_the_longer_run(stopped: int | None, tmp_path: Path) -> None:
    """Of a finished run, one that stopped in the middle of an epoch, one whose second engine has not begun."""
    config = replace(SMALL, shift=1, validation=0.25)
    if stopped is None:
        train(replace(config, output=str(tmp_path / "run")))
    else:
        crashed(replace(config, output=str(tmp_path / "run")), stopped)
    done = nn_parity("train", "--resume", tmp_path / "run", "--epochs", 5)
    assert done.exit_code == 0, done.output
    longer = train(replace(config, epochs=5, output=str(tmp_path / "longer")))
    again = resume(tmp_path / "run")
    assert again.config.epochs == 5
    for engine in ENGINES:
        assert same(again.runs[engine], longer.runs[engine])
        states = [
            read(tmp_path / run / engine / "checkpoints" / "last.ckpt")["state_dict"] for run in ("run", "longer")
        ]
        assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
        files = [tmp_path / run / engine / "logs" / "metrics.csv" for run in ("run", "longer")]
        assert files[0].read_text() == files[1].read_text()


def test_a_killed_extension_goes_on(copied_run: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        at_step(4, crash, patch)
        with pytest.raises(Crash):
            resume(copied_run, epochs=4)
    assert not (copied_run / "metrics.json").exists()  # it told of two epochs
    longer = train(replace(SMALL, epochs=4, output=str(tmp_path / "longer")))
    result = resume(copied_run)
    assert all(same(result.runs[engine], longer.runs[engine]) for engine in ENGINES)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_may_be_moved(engine: str, tmp_path: Path) -> None:
    """Which epoch was the best so far is known in the new place too: later ones that are worse do not replace it."""
    config = replace(SMALL, engine=engine, validation=0.25, seed=2, lr=0.3, epochs=4, batch_size=16)
    whole_run = train(replace(config, output=str(tmp_path / "whole"))).runs[engine]
    accuracies = [figures["validation_accuracy"] for figures in whole_run.epochs]
    best = accuracies.index(max(accuracies))
    assert best < 3  # or the test would show nothing
    crashed(replace(config, output=str(tmp_path / "run")), 6 * (best + 1) + 2)
    os.rename(tmp_path / "run", tmp_path / "moved")
    moved = resume(tmp_path / "moved").runs[engine]
    assert same(moved, whole_run)
    states = [read(run.checkpoint)["state_dict"] for run in (moved, whole_run)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_run_that_stopped_early_stays_stopped(tmp_path: Path) -> None:
    config = replace(SMALL, engine="torch", lr=1e-9, epochs=4, patience=1, validation=0.25, dropout=0.0)
    stopped = train(replace(config, output=str(tmp_path))).runs["torch"]
    assert len(stopped.epochs) < 4
    assert same(resume(tmp_path, epochs=6).runs["torch"], stopped)


@pytest.mark.parametrize("scheduler", ["onecycle", "cosine", "step"])
def test_a_schedule_over_all_steps_cannot_be_extended(scheduler: str, tmp_path: Path) -> None:
    train(replace(SMALL, engine="torch", scheduler=scheduler, output=str(tmp_path)))
    before = content(tmp_path)
    done = nn_parity("train", "--resume", tmp_path, "--epochs", 4)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert f"epochs: the {scheduler} schedule of this run is laid out for 2 epochs" in done.stderr
    assert content(tmp_path) == before
    assert nn_parity("train", "--resume", tmp_path, "--epochs", 2).exit_code == 0  # nothing is changed


def test_a_run_cannot_be_cut(copied_run: Path) -> None:
    with pytest.raises(ConfigError, match="epochs: scratch has trained 2 already, got 1"):
        resume(copied_run, epochs=1)
    assert (copied_run / "metrics.json").exists()


def test_no_other_option_may_be_given_with_resume(copied_run: Path) -> None:
    for option in (("--lr", 0.1), ("--overwrite",), ("--config", copied_run / "config.yaml")):
        done = nn_parity("train", "--resume", copied_run, *option)
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)

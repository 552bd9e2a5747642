"""Which run the files of a folder belong to: none is lost unasked, none is shown as another, each can be extended."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from experiments.cli import app
from experiments.tests.test_resume import Crash, crash_at
from experiments.training import engine_run, results
from experiments.training.checkpoints import TrainingError, read
from experiments.training.conditions import changes, conditions
from experiments.training.config import Config, ConfigError
from experiments.training.outcome import EngineRun
from experiments.training.run import resume, train
from scratch.threads import holds_blas
from torch_impl.files import whole

CONFIG = Config(hidden=(4,), epochs=2, limit_train=96, batch_size=32, dropout=0.2, save_every=2)
STEPS = 3  # of an epoch
ENGINES = ("scratch", "torch")


def nn_parity(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def same(a: EngineRun, b: EngineRun) -> bool:
    return all(
        getattr(a, name) == getattr(b, name)
        for name in ("losses", "epochs", "batches", "predicted", "confidence", "test_loss", "test_accuracy")
    )


def crashed(config: Config, step: int, **options: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        crash_at(step, patch)
        with pytest.raises(Crash):
            train(config, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of both engines."""
    folder = tmp_path_factory.mktemp("finished")
    train(replace(CONFIG, output=str(folder)))
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    import shutil

    return Path(shutil.copytree(finished, tmp_path / "run"))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(autouse=True)
def no_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than these trainings."""
    if "full_disk_is_exit_code_2" not in request.node.name:
        monkeypatch.setattr(results, "find_spec", lambda name: None)


# --- a folder that holds a run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["both", "torch"])
def test_a_finished_run_is_not_destroyed(engine: str, folder: Path) -> None:
    before = content(folder)
    done = nn_parity("train", "--engine", engine, "--lr", 0.01, "--output", folder)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert f"{folder} holds a finished run. Continue it with --resume {folder}, replace it with --over" in done.stderr
    assert content(folder) == before


def test_neither_is_an_unfinished_one(tmp_path: Path) -> None:
    crashed(replace(CONFIG, output=str(tmp_path)), STEPS)
    before = content(tmp_path)
    with pytest.raises(ConfigError, match="holds an unfinished run"):
        train(replace(CONFIG, engine="torch", output=str(tmp_path)))
    assert content(tmp_path) == before


def test_a_run_without_a_checkpoint_is_no_loss(tmp_path: Path) -> None:
    crashed(replace(CONFIG, output=str(tmp_path)), 1)
    assert train(replace(CONFIG, output=str(tmp_path))).ok


def test_overwrite_removes_the_verdicts_before_anything_is_trained(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    crashed(replace(CONFIG, engine="torch", output=str(folder)), 1, overwrite=True)
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert left <= {"config.yaml", "notes.txt", ".lock"}
    assert train(replace(CONFIG, engine="torch", output=str(folder)), overwrite=True).runs.keys() == {"torch"}
    assert not (folder / "scratch" / "finished.json").exists()


@pytest.mark.parametrize("where", [0, 1, 2, 3, 4])
def test_a_kill_while_the_old_run_is_removed_leaves_no_verdict_of_it(
    where: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is still there afterwards, nothing of it says that it has finished."""
    honest, seen = Path.unlink, []

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.is_relative_to(folder) and path.exists() and path.suffix != ".lock" and "probe" not in path.name:
            seen.append(path)
            if len(seen) == where + 3:  # two engines have their finished.json first
                raise Crash
        honest(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(Crash):
        train(replace(CONFIG, lr=0.01, output=str(folder)), overwrite=True)
    assert {path.name for path in seen[:2]} == {"finished.json"}
    assert not list(folder.glob("*/finished.json"))


def test_the_config_that_a_run_writes_does_not_aim_at_it(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    before = content(folder)
    done = nn_parity("train", "--config", folder / "config.yaml", "--epochs", 1, "--engine", "torch")
    assert done.exit_code == 0, done.output
    assert content(folder) == before
    assert (tmp_path / "runs" / "digits-mlp-1" / "metrics.json").is_file()


# --- files of another run ---------------------------------------------------------------------------------------------


def test_a_resumed_run_never_shows_the_engine_of_another_one(folder: Path) -> None:
    """As if an older version had begun to train here, and had been killed before it came to torch."""
    config = replace(CONFIG, lr=0.01)
    (folder / "config.yaml").write_text(config.to_yaml())
    with pytest.raises(TrainingError, match=r"scratch.*belongs to another run: lr 0\.001 there, 0\.01 in config\.yaml"):
        resume(folder)
    for name in ("finished.json", "checkpoints/last.ckpt", "checkpoints/best.ckpt"):
        (folder / "scratch" / name).unlink()
    with pytest.raises(TrainingError, match=r"torch.*belongs to another run: lr 0\.001 there, 0\.01 in config\.yaml"):
        resume(folder)
    assert not (folder / "scratch" / "checkpoints" / "last.ckpt").exists()  # refused before anything was trained


@pytest.mark.parametrize("name", ["finished.json", "checkpoints/last.ckpt", "checkpoints/best.ckpt"])
def test_one_file_of_another_run_is_enough(name: str, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    train(replace(CONFIG, engine="torch", seed=5, output=str(other)))
    if name != "finished.json":
        (folder / "torch" / "finished.json").unlink()
    os.replace(other / "torch" / name, folder / "torch" / name)
    with pytest.raises(TrainingError, match=r"belongs to another run: engine '?torch'? there.*; seed 5 there, 0 in"):
        resume(folder)


@pytest.mark.parametrize("name", ["steps.csv", "predictions.csv"])
def test_a_table_of_another_run_is_not_shown(name: str, folder: Path, tmp_path: Path) -> None:
    """Of the same length, and so of the same form."""
    other = tmp_path / "other"
    train(replace(CONFIG, engine="torch", seed=5, output=str(other)))
    os.replace(other / "torch" / name, folder / "torch" / name)
    with pytest.raises(
        TrainingError, match=rf"torch says that it is finished.*{name} is not the one that this run wrote"
    ):
        resume(folder)


def test_a_checkpoint_that_does_not_say_whose_it_is(folder: Path) -> None:
    path = folder / "torch" / "checkpoints" / "last.ckpt"
    state = read(path)
    torch.save({**state, "run": {"engine": "torch"}}, path)
    with pytest.raises(TrainingError, match="does not say which run it belongs to"):
        resume(folder)


# --- stopped at the very end ------------------------------------------------------------------------------------------


def full_disk_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = whole.os.replace

    def replace(part: Any, path: Any) -> None:
        if Path(path).name == name:
            raise OSError(28, "No space left on device", str(path))
        honest(part, path)

    monkeypatch.setattr(whole.os, "replace", replace)


@pytest.mark.parametrize("validation", [0.0, 0.25])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["steps.csv", "finished.json", "metrics.json"])
def test_a_disk_that_is_full_after_the_last_checkpoint_costs_nothing(
    name: str, engine: str, validation: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, engine=engine, validation=validation)
    with monkeypatch.context() as patch:
        full_disk_at(name, patch)
        with pytest.raises(
            TrainingError, match=r"cannot be written: .*No space left.*continue with --resume"
        ) as caught:
            train(replace(config, output=str(tmp_path / "full")))
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "full" / "metrics.json").exists()
    whole_run = train(replace(config, output=str(tmp_path / "whole"))).runs[engine]
    assert same(resume(tmp_path / "full").runs[engine], whole_run)
    logs = [(tmp_path / run / engine / "logs" / "metrics.csv").read_text() for run in ("full", "whole")]
    assert logs[0] == logs[1]


@pytest.mark.parametrize("name", ["config.yaml", "predictions.csv", "curves.png", "mistakes.png", "metrics.json"])
def test_a_full_disk_is_exit_code_2_and_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full_disk_at(name, monkeypatch)
    done = nn_parity("train", "--engine", "torch", "--limit-train", 64, "--epochs", 1, "--output", tmp_path)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1), done.output
    assert "No space left on device" in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.name in (name, "metrics.json") or ".part" in path.name]


# --- more epochs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stopped", [None, STEPS + 2, 2 * STEPS + 2])
def test_an_extended_run_is_the_longer_run(stopped: int | None, tmp_path: Path) -> None:
    """Of a finished run, one that stopped in the middle of an epoch, one whose second engine has not begun."""
    config = replace(CONFIG, shift=1, validation=0.25)
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


def test_a_killed_extension_goes_on(folder: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        crash_at(4, patch)
        with pytest.raises(Crash):
            resume(folder, epochs=4)
    assert not (folder / "metrics.json").exists()  # it told of two epochs
    longer = train(replace(CONFIG, epochs=4, output=str(tmp_path / "longer")))
    result = resume(folder)
    assert all(same(result.runs[engine], longer.runs[engine]) for engine in ENGINES)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_may_be_moved(engine: str, tmp_path: Path) -> None:
    """Which epoch was the best so far is known in the new place too: later ones that are worse do not replace it."""
    config = replace(CONFIG, engine=engine, validation=0.25, seed=2, lr=0.3, epochs=4, batch_size=16)
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
    config = replace(CONFIG, engine="torch", lr=1e-9, epochs=4, patience=1, validation=0.25, dropout=0.0)
    stopped = train(replace(config, output=str(tmp_path))).runs["torch"]
    assert len(stopped.epochs) < 4
    assert same(resume(tmp_path, epochs=6).runs["torch"], stopped)


@pytest.mark.parametrize("scheduler", ["onecycle", "cosine", "step"])
def test_a_schedule_over_all_steps_cannot_be_extended(scheduler: str, tmp_path: Path) -> None:
    train(replace(CONFIG, engine="torch", scheduler=scheduler, output=str(tmp_path)))
    before = content(tmp_path)
    done = nn_parity("train", "--resume", tmp_path, "--epochs", 4)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert f"epochs: the {scheduler} schedule of this run is laid out for 2 epochs" in done.stderr
    assert content(tmp_path) == before
    assert nn_parity("train", "--resume", tmp_path, "--epochs", 2).exit_code == 0  # nothing is changed


def test_a_run_cannot_be_cut(folder: Path) -> None:
    with pytest.raises(ConfigError, match="epochs: scratch has trained 2 already, got 1"):
        resume(folder, epochs=1)
    assert (folder / "metrics.json").exists()


def test_no_other_option_may_be_given_with_resume(folder: Path) -> None:
    for option in (("--lr", 0.1), ("--overwrite",), ("--config", folder / "config.yaml")):
        done = nn_parity("train", "--resume", folder, *option)
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)


# --- where a run goes on ----------------------------------------------------------------------------------------------


def test_other_threads_are_told_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    config = replace(CONFIG, engine="torch", output=str(tmp_path))
    crashed(config, STEPS + 1)
    threads = torch.get_num_threads()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: threads + 1)
        result = resume(tmp_path)
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 1
    assert f"resume: torch: torch threads {threads} before and {threads + 1} now. The last bits may differ" in told[0]
    assert result.ok
    conditions = json.loads((tmp_path / "metrics.json").read_text())["conditions"]
    assert conditions["torch"] == torch.__version__
    assert conditions["torch threads"] == threads + 1
    resume(tmp_path)
    assert capfd.readouterr().err == ""  # it has finished; nothing is computed


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the names of instructions are those of x86")
def test_what_the_last_bits_depend_on_is_recorded() -> None:
    """Each of these changes the bits of a sum or of a function on some processor."""
    dispatched = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    elsewhere = {
        "torch threads": {"OMP_NUM_THREADS": "3"},
        **({} if holds_blas() else {"NumPy threads": {"OPENBLAS_NUM_THREADS": "3"}}),
        "torch instructions": {"ATEN_CPU_CAPABILITY": "default"},
        "scratch streams": {"SCRATCH_ARCH": "aarch64"},
        "NumPy BLAS": {"OPENBLAS_CORETYPE": "Sandybridge"},
        **({"NumPy instructions": {"NPY_DISABLE_CPU_FEATURES": dispatched[-1]}} if dispatched else {}),
    }
    code = "import json; from experiments.training.conditions import conditions; print(json.dumps(conditions()))"
    settings = {name: value for one in elsewhere.values() for name, value in one.items()}
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **settings}, capture_output=True, check=True)
    here, there = conditions(), json.loads(done.stdout)
    text = changes(here, there)
    for what in elsewhere:
        assert f"{what} {here[what]} before and {there[what]} now" in text


@pytest.mark.parametrize("what", conditions())
def test_each_recorded_condition_is_told_when_it_changes(what: str) -> None:
    now = conditions()
    assert changes(now, now) == ""
    assert changes({**now, what: "other"}, now) == f"{what} other before and {now[what]} now"
    assert changes({name: value for name, value in now.items() if name != what}, now) == ""  # an older version's


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
    config = replace(CONFIG, output=str(tmp_path / "run"))
    train(config) if stopped is None else crashed(config, stopped)
    (tmp_path / "run" / "config.yaml").write_text(config.to_yaml())  # which named its own folder
    as_before(tmp_path / "run", lambda values: None)
    now = train(replace(CONFIG, output=str(tmp_path / "now")))
    result = resume(tmp_path / "run")
    assert all(same(result.runs[engine], now.runs[engine]) for engine in ENGINES)


def test_an_option_that_it_did_not_know_had_its_default(folder: Path) -> None:
    as_before(folder, lambda values: values.pop("rotate"))
    assert resume(folder).ok
    (folder / "config.yaml").write_text(replace(CONFIG, rotate=5.0).to_yaml())
    with pytest.raises(TrainingError, match=r"rotate 0\.0 there, 5\.0 in config\.yaml"):
        resume(folder)


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

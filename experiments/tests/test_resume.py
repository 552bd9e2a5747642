"""A run that was stopped anywhere and resumed equals the uninterrupted one, bit for bit."""

import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import scratch
from experiments.tests.crashes import ENGINES, WITH_STATES, Crash, at_step, crash, crashed
from experiments.training import engine_run
from experiments.training.checkpoints import WhereItStands, read
from experiments.training.config import Config
from experiments.training.outcome import EngineRun
from experiments.training.run import resume, train
from parity_tests.tests import patience

pytestmark = pytest.mark.usefixtures("no_pictures")


def crashed_and_resumed(config: Config, step: int) -> EngineRun:
    crashed(config, step)
    torch.manual_seed(99)  # as a new process would: nothing is where it was
    scratch.manual_seed(99)
    assert config.output is not None
    return resume(config.output).runs[config.engine]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EngineRun]:
    """The uninterrupted run of each engine."""
    folder = tmp_path_factory.mktemp("whole")
    return {e: train(replace(WITH_STATES, engine=e, output=str(folder / e))).runs[e] for e in ENGINES}


def same(a: EngineRun, b: EngineRun) -> bool:
    states = [read(run.checkpoint.with_name("last.ckpt")) for run in (a, b)]
    tensors = [
        _flat({key: state[key] for key in ("state_dict", "optimizer_states", "lr_schedulers")}) for state in states
    ]
    logs = [(run.checkpoint.parents[1] / "logs" / "metrics.csv").read_text() for run in (a, b)]
    figures = [(run.losses, run.epochs, run.batches, run.predicted, run.confidence) for run in (a, b)]
    return tensors[0] == tensors[1] and logs[0] == logs[1] and figures[0] == figures[1]


def _flat(nest: Any) -> Any:
    """Tensors as bytes, which == compares."""
    if isinstance(nest, dict):
        return {key: _flat(value) for key, value in nest.items()}
    if isinstance(nest, list | tuple):
        return [_flat(value) for value in nest]
    return nest.numpy().tobytes() if isinstance(nest, torch.Tensor) else nest


# Before the first checkpoint, on one, past one, in the last step of an epoch, the first of the next, the last of all.
@pytest.mark.parametrize("step", [1, 3, 4, 5, 6, 7, 11, 15])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_crash_costs_nothing(engine: str, step: int, whole: dict[str, EngineRun], tmp_path: Path) -> None:
    run = crashed_and_resumed(replace(WITH_STATES, engine=engine, output=str(tmp_path)), step)
    assert same(run, whole[engine])


@pytest.mark.parametrize("engine", ENGINES)
def test_without_its_random_streams_it_would_be_another_run(
    engine: str, whole: dict[str, EngineRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WhereItStands, "load_state_dict", lambda self, state: None)
    run = crashed_and_resumed(replace(WITH_STATES, engine=engine, output=str(tmp_path)), 7)
    assert not same(run, whole[engine])
    assert run.losses[:6] == whole[engine].losses[:6]
    assert run.losses[6:] != whole[engine].losses[6:]


def test_an_early_stop_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after it stopped early and before it had finished, a run does not train on."""
    config = replace(
        WITH_STATES, engine="torch", lr=1e-9, epochs=9, patience=1, dropout=0.0, output=str(tmp_path / "whole")
    )
    stopped = train(config).runs["torch"]
    assert len(stopped.epochs) < 9
    with monkeypatch.context() as patch:
        patch.setattr(engine_run, "write_finished", crash)
        with pytest.raises(Crash):
            train(replace(config, output=str(tmp_path / "crashed")))
    assert resume(tmp_path / "crashed").runs["torch"].losses == stopped.losses


def test_of_two_engines_the_one_that_had_finished_is_not_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(WITH_STATES, engine="both", output=str(tmp_path))
    steps = 15
    crashed(config, steps + 4)
    finished = (tmp_path / "scratch" / "finished.json").stat().st_mtime_ns
    result = resume(tmp_path)
    assert (tmp_path / "scratch" / "finished.json").stat().st_mtime_ns == finished
    assert result.ok
    assert result.comparison is not None
    assert result.comparison.largest_difference < 1e-5
    assert "nothing was left to do" not in capsys.readouterr().out
    again = resume(tmp_path, progress=False, lines=True)  # the same figures come out, and it is said
    assert capsys.readouterr().out == "This run has finished: nothing was left to do.\n"
    assert again.comparison == result.comparison


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_waits_for_the_step_saves_and_exits_with_the_usual_code(
    number: signal.Signals, code: int, whole: dict[str, EngineRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(WITH_STATES, engine="torch", output=str(tmp_path), save_every=1000)
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        at_step(8, lambda _: os.kill(os.getpid(), number), patch)
        with pytest.raises(SystemExit) as stop:
            train(config)
    assert stop.value.code == code
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    assert len(read(tmp_path / "torch" / "checkpoints" / "last.ckpt")["curves"]["losses"]) == 8
    assert same(resume(tmp_path).runs["torch"], whole["torch"])


KILLS = """
import json, os, random, signal, sys, time
import filelock, sklearn.datasets, sklearn.model_selection  # before the forks, or each would import them anew
from experiments.training import results
from experiments.training.checkpoints import read
from experiments.training.config import Config
from experiments.training.run import resume, train
from pathlib import Path

results.find_spec = lambda name: None  # no pictures: they would take most of the time, and most of the kills
TIMES = 25

def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    return pid

def kill_often(config, folder):
    "How many kills there were, in how many runs."
    kills, runs, whole = 0, 0, None
    draw = random.Random(0)
    while kills < TIMES:
        output = folder / str(runs)
        last = output / config.engine / "checkpoints" / "last.ckpt"
        runs += 1
        while True:
            def work():
                from dataclasses import replace
                resume(output) if (output / "config.yaml").exists() else train(replace(config, output=str(output)))
            start = time.monotonic()
            pid = child(work)
            if whole is None or kills == TIMES:
                _, status = os.waitpid(pid, 0)
                seconds = time.monotonic() - start
            else:
                time.sleep(draw.uniform(0, 1.2 * seconds))
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
            if last.exists():
                state = read(last)  # whatever the moment was, this is a whole checkpoint
            if os.WIFEXITED(status):
                assert os.WEXITSTATUS(status) == 0, status
                break
            kills += 1
        end = read(last)
        figures = [end["curves"]["losses"].tolist(), *(t.tolist() for t in end["state_dict"].values())]
        whole = whole or figures
        assert figures == whole, "a resumed run ended elsewhere"
    return kills, runs - 1

for path in map(Path, sys.argv[1:]):
    print(json.dumps(kill_often(Config.from_dict(Config.values_from_yaml(path)), path.parent)), flush=True)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """The kills and runs of each engine, all forked from one process, for imports take longer than ten runs."""
    paths = []
    for engine in ENGINES:
        paths.append(tmp_path_factory.mktemp("kills") / "config.yaml")
        paths[-1].write_text(replace(WITH_STATES, engine=engine, save_every=1).to_yaml())
    done = patience.run([sys.executable, "-W", "ignore", "-c", KILLS, *paths])
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(zip(ENGINES, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_killed_at_25_random_moments_nothing_is_lost(engine: str, killed: dict[str, list[int]]) -> None:
    """SIGKILL while it trains, while it writes a checkpoint (after each step), while it starts: 25 for each engine."""
    kills, runs = killed[engine]
    assert kills >= 25
    assert runs >= 1


# --- a run of the first version ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("model", ["mlp", "cnn", "lstm"])
def test_a_run_begun_by_the_first_version_resumes(model: str, engine: str, tmp_path: Path) -> None:
    """It recorded no conditions, and the places of files beside the other options; so did its config.yaml."""
    sizes: dict[str, Any] = {"cnn": {"channels": (2, 3)}}.get(model, {})
    config = Config(model=model, engine=engine, hidden=(6,), epochs=2, limit_train=130, save_every=2, **sizes)
    whole = train(replace(config, output=str(tmp_path / "whole"))).runs[engine]
    begun = replace(config, output=str(tmp_path / "begun"))
    crashed(begun, 5)
    path = tmp_path / "begun" / engine / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    content["run"].pop("conditions")
    content["run"]["config"] |= {"data_dir": None, "output": begun.output}
    torch.save(content, path)
    (tmp_path / "begun" / "config.yaml").write_text(begun.to_yaml())
    assert same(resume(tmp_path / "begun").runs[engine], whole)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_clock_that_jumps_changes_nothing(
    engine: str, whole: dict[str, EngineRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By years, forwards and backwards, while it trains and between two starts; files are from the future."""
    jumps = random.Random(0)
    for clock in ("time", "monotonic", "perf_counter"):
        honest = getattr(time, clock)
        monkeypatch.setattr(time, clock, lambda honest=honest: honest() + jumps.choice((-1e8, 0.0, 1e8)))
    run = crashed_and_resumed(replace(WITH_STATES, engine=engine, output=str(tmp_path)), 7)
    assert same(run, whole[engine])
    for path in tmp_path.rglob("*"):
        os.utime(path, (4e9, 4e9))
    assert same(resume(tmp_path).runs[engine], whole[engine])

"""A run of two processes that loses one: the other says so in one line and ends, and the run goes on from there."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.training.config import Config
from experiments.training.results import read_finished
from experiments.training.run import train
from parity_tests.tests.patience import Patience, run

CONFIG = Config(engine="torch", hidden=(8,), dropout=0.2, dtype="float64", epochs=100, limit_train=64, batch_size=21)
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in Linux's /proc")


def until(found: Callable[[], object]) -> None:
    patience = Patience()
    while not found():
        assert not patience.is_over(), "it does not happen"
        time.sleep(0.02)


def children_of(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            ppid = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended meanwhile
        if ppid == parent and "multiprocessing" not in Path(path.parent, "cmdline").read_text():
            found.append(int(path.parent.name))
    return found


def command(*options: object) -> list[str]:
    return [sys.executable, "-m", "experiments.cli", "train", *map(str, options)]


def started(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A run of two processes, and the second one, at its first moment."""
    (folder / "options.yaml").write_text(replace(CONFIG, devices=2, strategy="ddp").to_yaml())
    options = ("--config", folder / "options.yaml", "--output", folder / "run")
    process = subprocess.Popen(command(*options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: children_of(process.pid) or process.poll() is not None)
    (second,) = children_of(process.pid)
    return process, second


def ended(process: subprocess.Popen[str]) -> list[str]:
    """What the processes of the run wrote; it is all there only when none of them lives any more."""
    patience = Patience()
    while True:
        try:
            _, errors = process.communicate(timeout=1)
            break
        except subprocess.TimeoutExpired:
            assert not patience.is_over(), "a process of the run lives on"
    return [line for line in errors.splitlines() if line.startswith("nn-parity:")]


@pytest.mark.parametrize("met", [False, True], ids=["before they met", "in training"])
@pytest.mark.parametrize("lost", ["first", "second"])
def test_a_process_is_lost(lost: str, met: bool, tmp_path: Path) -> None:
    process, second = started(tmp_path)
    last = tmp_path / "run" / "torch" / "checkpoints" / "last.ckpt"
    if met:
        until(last.exists)
    os.kill(process.pid if lost == "first" else second, signal.SIGKILL)
    (line,) = ended(process)
    who = "the first process of this run was lost" if lost == "first" else "process 2 of 2 was lost: killed by signal 9"
    assert line == (
        f"nn-parity: devices: {who}. The last checkpoint is good: continue with --resume {tmp_path / 'run'}."
    )
    assert process.returncode == (-9 if lost == "first" else 2)
    if met and lost == "second":
        done = run(command("--resume", tmp_path / "run"))
        assert done.returncode == 0, done.stderr[-2000:]
        losses = read_finished(tmp_path / "run" / "torch", tmp_path / "run").losses
        alone = train(replace(CONFIG, output=str(tmp_path / "alone"))).runs["torch"].losses
        np.testing.assert_allclose(losses, alone, rtol=1e-10)

"""A run of two processes that loses one: the other says so in one line and ends, and the run goes on from there."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.tests import without_pictures
from experiments.training.config import Config
from experiments.training.results import read_finished
from experiments.training.run import train
from parity_tests.tests.patience import Patience, run

CONFIG = Config(engine="torch", hidden=(8,), dropout=0.2, dtype="float64", epochs=4, limit_train=64, batch_size=21)
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in Linux's /proc")


def until(found: Callable[[], object]) -> None:
    patience = Patience()
    while not found():
        assert not patience.is_over(), "it does not happen"
        time.sleep(0.02)


def children_of(parent: int) -> list[int]:
    """Those that Lightning has started: a library may ask a short program about the machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            ppid = int(path.read_text().rpartition(")")[2].split()[1])
            if ppid == parent and b"\0LOCAL_RANK=" in b"\0" + Path(path.parent, "environ").read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # it has ended meanwhile
    return found


# The process that is to be lost waits for it in the third epoch, so that the run does not end before.
WAITING = """
import os, time
from experiments.cli import main
from experiments.training.devices import is_child
from experiments.training.lit import LitClassifier

begun, honest, parent = [], LitClassifier.training_step, os.getppid()

def training_step(self, *arguments):
    begun.append(1)
    while len(begun) == 10 and os.getppid() == parent and os.environ["LOST"] == ("second" if is_child() else "first"):
        time.sleep(0.05)
    return honest(self, *arguments)

LitClassifier.training_step = training_step
main()
"""


def started(folder: Path, lost: str) -> tuple[subprocess.Popen[str], int]:
    """A run of two processes, and the second one, at its first moment."""
    (folder / "run.py").write_text(WAITING)
    (folder / "options.yaml").write_text(replace(CONFIG, devices=2, strategy="ddp").to_yaml())
    options = ("--config", str(folder / "options.yaml"), "--output", str(folder / "run"))
    command = [sys.executable, str(folder / "run.py"), "train", *options]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env={**os.environ, "LOST": lost}, **pipes)
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
    process, second = started(tmp_path, lost)
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
        done = run([sys.executable, "-m", without_pictures.__name__, "train", "--resume", tmp_path / "run"])
        assert done.returncode == 0, done.stderr[-2000:]
        losses = read_finished(tmp_path / "run" / "torch", tmp_path / "run").losses
        alone = train(replace(CONFIG, output=str(tmp_path / "alone"))).runs["torch"].losses
        np.testing.assert_allclose(losses, alone, rtol=1e-10)

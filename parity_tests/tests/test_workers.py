"""Worker processes: who starts them, and what a terminal's Ctrl-C does while they import."""

import importlib
import os
import subprocess
import sys

import pytest

from parity_tests import workers

MAIN = """
import os, signal, sys, time
from parity_tests import workers
workers.WORKERS, workers.PRELOADED[:] = 2, ["slow"]
workers.prepare()
while not os.path.exists("started"):
    time.sleep(0.01)
signal.signal(signal.SIGINT, lambda *_: sys.exit(3))
os.killpg(0, signal.SIGINT)
time.sleep(60)
"""
SLOW = "import time\nopen('started', 'w').close()\ntime.sleep(1)\n"


def test_ctrl_c_during_the_imports_of_workers_is_told_once(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", MAIN],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize(("platform", "method"), [("linux", "forkserver"), ("darwin", "spawn"), ("win32", "spawn")])
def test_only_linux_forks_what_has_loaded_torch(platform, method, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", platform)
        found = importlib.reload(workers).METHOD
    importlib.reload(workers)
    assert found == method


def test_a_process_that_may_use_one_core_starts_no_workers():
    script = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    script += "from parity_tests.workers import WORKERS; print(WORKERS)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "1\n"

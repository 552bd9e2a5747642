"""What hangs is ended with its children; what is slow on a slow machine is waited for."""

import sys
import time
from pathlib import Path

import pytest

from parity_tests.tests import patience

CHILD = """
import subprocess, sys
child = subprocess.Popen(["sleep", "1000"])
with open(sys.argv[1], "w") as file:
    file.write(str(child.pid))
child.wait()
"""


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(patience, "LOOK", 0.05)


def test_what_is_printed_and_returned():
    done = patience.run([sys.executable, "-c", "import sys; print(7); print(8, file=sys.stderr); sys.exit(3)"])
    assert (done.returncode, done.stdout, done.stderr) == (3, "7\n", "8\n")


def test_a_hang_is_ended_with_all_that_it_started(hasty, monkeypatch, tmp_path):
    monkeypatch.setattr(patience, "STARTS", 0)
    pid = tmp_path / "pid"
    monkeypatch.setattr(patience, "seconds_of_a_start", lambda: wait_for(lambda: pid.exists() and pid.read_text()))
    with pytest.raises(AssertionError, match=r"hangs(?s:.)*line 6 in <module>"):  # where it was
        patience.run([sys.executable, "-c", CHILD, pid])
    wait_for(lambda: ended(int(pid.read_text())))


def wait_for(true):
    while not true():
        time.sleep(0.01)
    return 0.0


def ended(pid):
    """Whether a process is gone, or waits for nothing but to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_slow_machine_is_waited_for(hasty, monkeypatch):
    """The same program, the same seconds: what counts is how slow a start is meanwhile."""
    monkeypatch.setattr(patience, "seconds_of_a_start", lambda: 1e6)
    assert patience.run([sys.executable, "-c", "import time; time.sleep(0.3); print('done')"]).stdout == "done\n"

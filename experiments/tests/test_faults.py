"""Kills and full disks at writes of the commands: a fixed sample of what `make faults` does at every write."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.tests.faults.attack import Attack, Faults
from experiments.tests.faults.cases import CASES, ROOT, Case
from experiments.tests.faults.server import members
from experiments.tests.faults.wholeness import is_whole
from experiments.tests.test_exit_codes import ENDS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
SLOW = {"demo", "twins", "bench, measuring"}  # many trainings, and a measurement
WRITE_NOTHING = {"seeds", "vectors check"}


@pytest.fixture(scope="module")
def faults() -> Iterator[Faults]:
    with Faults() as server:
        yield server


def test_every_command_that_writes_is_attacked() -> None:
    attacked = {command for command in ENDS for name in CASES if name.split(",")[0] == command.split()[0]}
    assert attacked - WRITE_NOTHING == set(ENDS) - WRITE_NOTHING


def test_the_page_says_what_was_done() -> None:
    """The figures of RELIABILITY.md are those of the last `make faults`, in which every command was attacked."""
    rows = json.loads((ROOT / "experiments/results/faults.json").read_text())
    assert [row["command"] for row in rows] == list(CASES)
    total = {name: sum(row[name] for row in rows) for name in rows[0] if name != "command"}
    assert total["with harm"] == 0
    assert total["killed at every write"] == total["disk full at every write"]
    page = " ".join((ROOT / "RELIABILITY.md").read_text().split())
    for said in (
        f"forks each of the {len(CASES)} forms of commands that write",
        f"SIGKILL at every one of their {total['killed at every write']} writes",
        f"SIGKILL at {total['killed at random moments']:,} random moments",
        f"a folder that cannot be made, {total['no folder']} of each",
        f"at two writes of {len(CASES) - len(SLOW)} of them",
    ):
        assert said in page


@pytest.mark.parametrize("name", [name for name in CASES if name not in SLOW])
def test_a_fault_loses_nothing(name: str, faults: Faults, tmp_path: Path) -> None:
    """A kill in the middle of the last file, and a disk that is full from the first byte on."""
    attack = Attack(faults, CASES[name], tmp_path)
    assert attack.writes > 3
    assert attack.strike(attack.older, attack.writes - 1, "SIGKILL")[1] == []
    assert attack.strike(attack.before, 1, "full")[1] == []


# --- the attack itself ------------------------------------------------------------------------------------------------

DONE = "import experiments.bench.run as r; r.command = lambda *a: {} or True"
HARMS = {
    "half a file: x.json": DONE.format("open('x.json', 'w').write('[1, 2')"),
    "an older file is lost: x.csv": DONE.format("__import__('os').remove('x.csv')"),
    "exit code 1: ": DONE.format("exit(1)"),
    "not one line: ": DONE.format("exit(2)"),
    "it lacks x.md": DONE.format("None"),
    "afterwards it ends with 0: ": DONE.format("None"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_harm_is_seen(harm: str, faults: Faults, tmp_path: Path) -> None:
    """A command that behaves without a fault, and then does not."""
    attack = Attack(faults, Case(("bench",), {"x.csv": b"1\n"}, (DONE.format("None"),)), tmp_path)
    (attack.older / "x.md").write_text("begin, written by: end -->")
    attack.case = Case(("bench",), patches=(HARMS[harm],), code=3 if harm.startswith("afterwards") else 0)
    assert any(found.startswith(harm) for found in attack.strike(attack.before, None, "full")[1])


def test_processes_of_a_session_are_seen() -> None:
    assert os.getpid() in members(os.getsid(0))
    assert members(-1) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.json", b"[1, 2"), ("x.png", b"\x89PNG\r\n"), ("x.html", b"<html>"), ("x.csv", b"1,2"), ("x.md", b"")],
)
def test_half_files_are_recognized(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert not is_whole(tmp_path / name)

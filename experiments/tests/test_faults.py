"""Kills and full disks at writes of the commands: a fixed sample of what `make faults` does at every write."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.tests.faults.attack import CASES, Case, Faults, is_whole

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
SAMPLE = ("check", "compare", "table", "vectors", "bench")


@pytest.fixture(scope="module")
def faults() -> Iterator[Faults]:
    with Faults() as server:
        yield server


@pytest.mark.parametrize("name", SAMPLE)
def test_a_fault_loses_nothing(name: str, faults: Faults, tmp_path: Path) -> None:
    """A kill in the middle of the last file, and a disk that is full from the first byte on."""
    case, folder = CASES[name], tmp_path / "work"
    writes = faults.writes(case, folder)["writes"]
    assert writes > 2
    assert faults.strike(case, folder, max(2, writes - 1), "kill") == []
    assert faults.strike(case, folder, 1, "full") == []


def test_a_file_written_in_place_would_be_found(faults: Faults, tmp_path: Path) -> None:
    """The attack itself: a command that writes without write_whole leaves half a file."""
    in_place = "import experiments.bench.run as r; r.command = lambda *a: open('x.json', 'w').write('[1, 2') and 1/0"
    assert "half a file: x.json" in faults.strike(
        Case(("bench",), patches=(in_place,)), tmp_path / "work", None, "full"
    )


def test_a_stopped_command_says_so(faults: Faults, tmp_path: Path) -> None:
    folder = faults.fresh(CASES["bench"], tmp_path / "work")
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell may have it ignored
    for how, code in (("SIGTERM", 143), ("SIGINT", 130)):
        stop = f"{heard}; import experiments.bench.run as r; r.command = lambda *a: signal.raise_signal(signal.{how})"
        done = faults.run(Case(("bench",), patches=(stop,)), folder)
        assert (done["code"], "Traceback" in done["err"]) == (code, False), done


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.json", b"[1, 2"), ("x.png", b"\x89PNG\r\n"), ("x.html", b"<html>"), ("x.csv", b"1,2"), ("x.md", b"")],
)
def test_half_files_are_recognized(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert not is_whole(tmp_path / name)

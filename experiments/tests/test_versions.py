"""The versions page: what a cell may be, what is written, and that an environment that cannot be built is said."""

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from experiments import versions
from experiments.versions import MATRIX, NEWEST, Cell, green
from parity_tests.checks.streams import Row, print_table

GREEN: dict[str, Any] = {
    "installed": {"python": "3.11.7", "torch": "2.14.1", "numpy": "2.4.6", "capability": "AVX2"},
    "check": {"exit": 0, "results": 7, "failed": []},
    "seeds": {"exit": 0, "said": "all equal"},
    "suite": {"exit": 0, "said": "9 passed", "failed": []},
}


def test_the_matrix_has_every_version_that_is_promised() -> None:
    for name, wanted in {"python": {"3.11", "3.12", "3.13"}, "torch": {"2.11", "2.12", "2.13", "2.14", NEWEST}}.items():
        assert {getattr(cell, name) for cell in MATRIX} >= wanted or {
            getattr(cell, name).rpartition(".")[0] or getattr(cell, name) for cell in MATRIX
        } >= wanted
    assert {cell.numpy[:3] for cell in MATRIX} >= {"2.2", "2.4", NEWEST[:3]}


@pytest.mark.parametrize("part", ["check", "seeds", "suite"])
def test_a_red_part_is_red(part: str) -> None:
    assert green(GREEN)
    assert not green({**GREEN, part: {**GREEN[part], "exit": 1}})


def test_a_missing_python_is_said_and_results_of_other_cells_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known, missing = Cell("3.11", "2.14.1", NEWEST), Cell("2.0", "2.13.0", "2.2.6")
    monkeypatch.setattr(versions, "MATRIX", [known, missing])
    versions.write([{"cell": vars(known), **GREEN}], tmp_path)
    assert versions.main(["Python 2.0", "--results", str(tmp_path)]) == 1
    first, second = json.loads((tmp_path / "versions.json").read_text())
    assert first == {"cell": vars(known), **GREEN}
    assert second["unbuilt"] == "there is no python2.0 on PATH"
    text = (tmp_path / "VERSIONS.md").read_text()
    assert "7 results, 0 failed | all equal | 9 passed" in text
    assert "could not be built: there is no python2.0 on PATH" in text
    assert len((tmp_path / "versions.json").read_text().splitlines()) == 4, "one result a line"
    assert "there is no python2.0" in capsys.readouterr().out


def test_pip_says_why_an_environment_cannot_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, int("pip" in command), "", "WARNING: x\nERROR: no such torch\n")

    monkeypatch.setattr(versions.shutil, "which", lambda name: "/bin/true")
    monkeypatch.setattr(versions.subprocess, "run", refuse)
    assert versions.build(MATRIX[0], tmp_path / "env") == (None, "ERROR: no such torch")


def test_a_python_that_does_not_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(
            command, 127, "", "pyenv: python3.11: command not found\n\n  Note: see help\n"
        )

    monkeypatch.setattr(versions.shutil, "which", lambda name: "/bin/true")
    monkeypatch.setattr(versions.subprocess, "run", refuse)
    assert versions.build(MATRIX[0], tmp_path / "env") == (None, "pyenv: python3.11: command not found")


def test_the_streams_that_differ_are_named() -> None:
    rows = [Row("rand", "float32", "bit-identical", 9, True), Row("sparse_", "float64", "9 calls differ", 9, False)]
    console = Console(width=130, record=True, file=io.StringIO())
    print_table(rows, console)
    assert versions._streams(console.export_text()) == "1 of 2 bit-identical, all but sparse_ float64"

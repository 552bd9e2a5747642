"""The notebooks: their code runs from the first cell to the last, and nothing of a machine is stored in them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def test_there_is_one_for_each_reader() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["find_where_two_models_diverge", "port_a_layer", "teach_a_layer"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a fresh kernel: one namespace, in order. Its own assertions say what must come out."""
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {"__name__": "__main__"}
    sources = ["".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code"]
    for number, source in enumerate(sources):
        exec(compile(source, f"{path.stem}, cell {number}", "exec"), space)
    assert sum("assert" in source for source in sources) >= 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_stores_nothing_of_a_machine(path: Path) -> None:
    for cell in cells(path):
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert not re.search(r"/(?:home|root|work|tmp|Users)\b|[A-Z]:\\\\", "".join(cell["source"]))
    text = json.loads(path.read_text(encoding="utf-8"))
    assert (text["nbformat"], text["metadata"]["language_info"]["name"]) == (4, "python")

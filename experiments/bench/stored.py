"""Files of results: JSON with one result per line, so that a new measurement changes only its own lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch_impl.files import write_whole

RESULTS = Path(__file__).parents[1] / "results"


def text(report: Mapping[str, Any] | list[Any]) -> str:
    """One line per key; in a list of dicts, one line per dict."""
    if isinstance(report, list):
        return "[\n" + ",\n".join(map(_one_line, report)) + "\n]\n"
    return "{\n" + ",\n".join(f" {_one_line(key)}: {_value(value)}" for key, value in report.items()) + "\n}\n"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple) and value and all(isinstance(item, dict) for item in value):
        return "[\n" + ",\n".join(f"  {_one_line(item)}" for item in value) + "\n ]"
    return _one_line(value)


def _one_line(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def write(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report completely or not at all, and make its folder if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text(report).encode()
    write_whole(path, lambda file: file.write(data))


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def read_if_there(path: Path) -> dict[str, Any] | None:
    return read(path) if path.exists() else None

"""The README's table of components: written from the table and a run of its checks, compared with it by a test."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from parity_tests.checks.sides import Row
from parity_tests.rule import FACTOR, FLOOR, Result
from parity_tests.table import FAMILIES
from parity_tests.table.row import Pair

BEGIN, END = "<!-- coverage: begin, written by `nn-parity table --write README.md` -->", "<!-- coverage: end -->"
HEAD = (
    "| component | cases | forward | backward | float32 error / torch's, ulp | verdict |\n"
    "| --- | --- | --- | --- | --- | --- |"
)


def markdown(results: Sequence[Result]) -> str:
    """One table a family, one line a component; without results the measured columns stay empty."""
    by_row: dict[str, list[Result]] = {}
    for result in results:
        by_row.setdefault(result.row, []).append(result)
    parts = [BEGIN]
    for family, rows in FAMILIES.items():
        components = list(dict.fromkeys(row.name for row in rows))
        lines = [_line(name, [row for row in rows if row.name == name], by_row) for name in components]
        cases = sum(isinstance(row, Pair) for row in rows)
        summary = f"<b>{family}</b>: {len(components)} components, {cases} cases, {len(rows) - cases} refusals"
        parts += [f"<details><summary>{summary}</summary>\n", HEAD, *lines, "\n</details>"]
    return "\n".join([*parts, END])


def _line(name: str, rows: Sequence[Row], by_row: dict[str, list[Result]]) -> str:
    cases = [row.case or "default" for row in rows if isinstance(row, Pair)]
    refusals = len(rows) - len(cases)
    text = "; ".join(cases) + (f"; {refusals} refusals" if refusals > 1 else "; 1 refusal" if refusals else "")
    results = [result for row in rows for result in by_row.get(row.label, [])]
    forward = [r for r in results if "grad" not in r.what]
    backward = [r for r in results if "grad" in r.what]
    verdict = "" if not results else "ok" if all(r.ok for r in results) else "FAILED"
    cells = [f"`{name}`", text.replace("|", "/"), _mark(forward), _mark(backward), _errors(results), verdict]
    return f"| {' | '.join(cells)} |"


def _mark(results: Iterable[Result]) -> str:
    results = list(results)
    return "" if not results else "✓" if all(result.ok for result in results) else "✗"


def _errors(results: Iterable[Result]) -> str:
    """Scratch's and torch's largest float32 error; torch's is what the limit was made from."""
    judged = [r for r in results if r.dtype == "float32" and r.limit >= FLOOR]
    if not judged:
        return ""
    return f"{max(r.error for r in judged):.2g} / {max((r.limit - FLOOR) / FACTOR for r in judged):.2g}"


def write(path: Path, results: Sequence[Result]) -> None:
    """Replace the table between the two marks of a file.

    Raises    ValueError if the marks are not there.
    """
    text = path.read_text(encoding="utf-8")
    path.write_text(replaced(path, text, markdown(results)), encoding="utf-8")


def stale(path: Path) -> bool:
    """Whether the table of a file lists other components or cases than the table has. Measured columns do not count."""
    text = path.read_text(encoding="utf-8")
    return _structure(text) != _structure(replaced(path, text, markdown([])))


def _structure(text: str) -> list[str]:
    table = text.partition(BEGIN)[2].partition(END)[0]
    return [" | ".join(line.split("|")[:3]) if line.startswith("|") else line for line in table.splitlines()]


def replaced(path: Path, text: str, table: str, begin: str = BEGIN, end: str = END) -> str:
    """The text of a file with a table, its two marks included, in the place of the one between these marks."""
    if begin not in text or end not in text:
        raise ValueError(f"{path} lacks the lines {begin!r} and {end!r} between which the table belongs.")
    return re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: table, text, flags=re.DOTALL)

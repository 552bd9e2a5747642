"""COMPONENTS.md: the tables of components, written from a run of all checks; a test fails if they are stale."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from parity_tests.exits import CannotError
from parity_tests.rule import Result
from parity_tests.table import FAMILIES
from parity_tests.table.row import Refusal, Row
from torch_impl.files import write_whole

BEGIN, END = "<!-- coverage: begin, written by `nn-parity table` -->", "<!-- coverage: end -->"
HEAD = (
    "| component | cases | refusals | forward | backward | worst error, ulp | verdict |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)
WIDEST = 120  # characters of the names of cases in one cell


def markdown(results: Sequence[Result]) -> str:
    """One table per family, one line per component; without results the measured columns stay empty."""
    by_row: dict[str, list[Result]] = {}
    for result in results:
        by_row.setdefault(result.row, []).append(result)
    parts = [BEGIN]
    for family, rows in FAMILIES.items():
        components = list(dict.fromkeys(row.name for row in rows))
        lines = [_line(name, [row for row in rows if row.name == name], by_row) for name in components]
        refusals = sum(isinstance(row, Refusal) for row in rows)
        summary = f"{len(components)} components, {len(rows) - refusals} cases, {refusals} refusals"
        parts += [f"## {family}\n", summary + "\n", HEAD, *lines, ""]
    return "\n".join([*parts, END])


def _line(name: str, rows: Sequence[Row], by_row: dict[str, list[Result]]) -> str:
    cases = [row for row in rows if not isinstance(row, Refusal)]
    results = [result for row in cases for result in by_row.get(row.label, [])]
    forward, backward = ([r for r in results if _number(r).startswith(kind)] for kind in ("output", "grad "))
    judged = [result for row in rows for result in by_row.get(row.label, [])]
    verdict = "" if not judged else "ok" if all(result.ok for result in judged) else "FAILED"
    cells = [
        f"`{name}`",
        _named([row.case or "default" for row in cases]),
        str(len(rows) - len(cases)),
        _mark(forward),
        _mark(backward),
        _worst(results),
        verdict,
    ]
    return f"| {' | '.join(cells)} |"


def _named(cases: Sequence[str]) -> str:
    """The number of cases, and as many of their names as fit into a cell."""
    shown: list[str] = []
    for case in cases:
        if sum(map(len, shown)) + 2 * len(shown) + len(case) > WIDEST:
            break
        shown.append(case.replace("|", "/"))
    more = f"; {len(cases) - len(shown)} more" if len(shown) < len(cases) else ""
    return f"{len(cases)}: {'; '.join(shown)}{more}" if cases else ""


def _number(result: Result) -> str:
    """The number of the component that a result is about, after its conditions."""
    return result.what.rpartition(": ")[2]


def _mark(results: Sequence[Result]) -> str:
    return "" if not results else "✓" if all(result.ok for result in results) else "✗"


def _worst(results: Sequence[Result]) -> str:
    """The float32 result nearest to its limit; the float64 result if there is no other."""
    judged = [result for result in results if result.dtype == "float32"] or list(results)
    if not judged:
        return ""
    if all(result.error == 0 for result in judged):
        return "exact"
    worst = max(judged, key=lambda result: result.error / result.limit if result.limit else result.error)
    return f"{worst.error:.2g} of {worst.limit:.2g}"


def write(path: Path, results: Sequence[Result]) -> None:
    """Replace the tables between the two marks of a file.

    Raises    ValueError if the marks are not there.
    """
    replace(path, markdown(results), BEGIN, END)


def stale(path: Path) -> bool:
    """Whether a file lists other components or cases than the table has. Measured columns do not count."""
    text = path.read_text(encoding="utf-8")
    return _structure(text) != _structure(replaced(path, text, markdown([]), BEGIN, END))


def _structure(text: str) -> list[str]:
    table = text.partition(BEGIN)[2].partition(END)[0]
    return [" | ".join(line.split("|")[:4]) if line.startswith("|") else line for line in table.splitlines()]


def replace(path: Path, table: str, begin: str, end: str) -> None:
    """Replace the table between these marks of a file by a table that includes the two marks."""
    data = replaced(path, path.read_text(encoding="utf-8"), table, begin, end).encode()
    write_whole(path, lambda file: file.write(data))


def replaced(path: Path, text: str, table: str, begin: str, end: str) -> str:
    """The text of a file, with the table between these marks replaced by a table that includes the two marks."""
    if begin not in text or end not in text:
        raise CannotError(f"{path} lacks the lines {begin!r} and {end!r} around the table.")
    return re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: table, text, flags=re.DOTALL)

"""The README's speed tables, written from the files of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from experiments.bench.cases import GROUPS
from experiments.bench.measure import Result, totals
from experiments.bench.report import HEAD, described, lines, value
from parity_tests.table.markdown import replaced

BEGIN, END = "<!-- speed: begin, written by `nn-parity bench --write README.md` -->", "<!-- speed: end -->"
SHOWN = "mlp"  # the group whose table of engines stands open


def markdown(reports: Sequence[dict[str, Any]]) -> str:
    """The engines of the MLP side by side, then each group's lines, folded."""
    parts = [BEGIN]
    for report in reports:
        if report["group"] == SHOWN:
            parts += [engines(report["results"]), ""]
    for report in reports:
        title = f"<b>{report['group']}</b>: {GROUPS[report['group']]}; {_kept(report)}"
        parts += [f"<details><summary>{title}</summary>\n", _row(HEAD), _row(["---"] * len(HEAD))]
        parts += [_row(line) for result in report["results"] for line in lines(result)]
        parts += [f"\n{described(report)}\n", "</details>"]
    return "\n".join([*parts, END])


def engines(results: Sequence[Result]) -> str:
    """One line a case, one column an engine: its median, and in brackets how many times as long scratch takes."""
    names = list(dict.fromkeys(name for result in results for name in result["values"]))
    rows = [_row(["an epoch of", *names]), _row(["---"] * (len(names) + 1))]
    for result in results:
        cells = [result["case"]]
        for name in names:
            ratio = result["ratios"].get(name)
            time = value(median(totals(result["values"][name])), result["unit"]) if name in result["values"] else ""
            cells.append(f"{time} ({ratio['median']:.2f})" if ratio else time)
        rows.append(_row(cells))
    return "\n".join(rows)


def write(path: Path, reports: Sequence[dict[str, Any]]) -> None:
    """Replace what stands between the two marks of a file. Raises ValueError if they are not there."""
    text = path.read_text(encoding="utf-8")
    path.write_text(replaced(path, text, markdown(reports), BEGIN, END), encoding="utf-8")


def has_marks(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return BEGIN in text and END in text


def stale(path: Path, reports: Sequence[dict[str, Any]]) -> bool:
    """Whether a file shows other figures than the results."""
    text = path.read_text(encoding="utf-8")
    return text != replaced(path, text, markdown(reports), BEGIN, END)


def _kept(report: dict[str, Any]) -> str:
    limits = [limit for result in report["results"] for limit in result["limits"]]
    missed = sum(not limit["kept"] for limit in limits)
    broken = sum(bool(result["error"]) for result in report["results"])
    quick = "; a quick run" if report["quick"] else ""
    limited = f"{len(limits) - missed} of {len(limits)} limits kept" if limits else "no limits"
    return limited + (f", {broken} failed" if broken else "") + quick


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"

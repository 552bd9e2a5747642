"""The speed tables of SPEED.md, and the six lines of the README, written from the files of results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from experiments.bench.cases import GROUPS
from experiments.bench.lines import HEAD, about, lines, value
from experiments.bench.measure import Result, totals
from parity_tests.table.markdown import replace, replaced

Reports = Sequence[dict[str, Any]]

BEGIN, END = "<!-- speed: begin, written by `nn-parity bench --write FILE` -->", "<!-- speed: end -->"
SHORT_BEGIN, SHORT_END = "<!-- speed in short: begin, written by `make bench` -->", "<!-- speed in short: end -->"
SHOWN = "mlp"  # the group whose engines are compared side by side
SHORT = (  # the README's lines: its label, group, case and other engine
    ("an epoch of MNIST, 784-128-10, batch 64", "mlp", "784-128-10, batch 64, 1 thread", "torch"),
    ("the same, torch compiled", "mlp", "784-128-10, batch 64, 1 thread", "torch compiled, fused"),
    ("the same, JAX jitted", "mlp", "784-128-10, batch 64, 1 thread", "jax step"),
    ("a tenth of an epoch, CNN", "cnn", "16-32 channels 3x3, batch 64, 1 thread, a tenth of an epoch", "torch"),
    ("LayerNorm 512, 32 x 128 rows", "layers", "LayerNorm 512, 32 x 128 rows, 1 thread", "torch"),
    ("peak memory, CNN, batch 128", "memory", "CNN 16-32 channels, batch 128", "torch"),
)


def markdown(reports: Reports) -> str:
    """The engines of the MLP side by side, then each group's lines."""
    parts = [BEGIN]
    for report in reports:
        if report["group"] == SHOWN:
            parts += [engines(report["results"]), ""]
    for report in reports:
        parts += [f"## {report['group']}: {GROUPS[report['group']]}\n", f"{_kept(report)}. {about(report)}\n"]
        parts += [*_group(report["results"]), ""]
    return "\n".join([*parts, END])


def _group(results: Iterable[Result]) -> list[str]:
    """The lines of one group. A reason that several lines share appears once, below them, under a number."""
    reasons: dict[str, int] = {}
    rows = [_row(HEAD[:-1]), _row(["---"] * (len(HEAD) - 1))]
    for line in (line for result in results for line in lines(result)):
        note = f"see {reasons.setdefault(line.reason, len(reasons) + 1)}" if line.reason else ""
        remark = "; ".join(part for part in (line.remark, note) if part)
        rows.append(_row([*line[:-2], remark]))
    return rows + ["", *(f"{number}. {reason}" for reason, number in reasons.items())] * bool(reasons)


def engines(results: Iterable[Result]) -> str:
    """One line per case, one column per engine: its median, and in brackets scratch's time as a multiple of it."""
    results = list(results)
    names = list(dict.fromkeys(name for result in results for name in result["values"]))
    rows = [_row(["an epoch of", *names]), _row(["---"] * (len(names) + 1))]
    for result in results:
        cells = [result["case"]]
        for name in names:
            ratio = result["ratios"].get(name)
            time = _median(result, name) if name in result["values"] else ""
            cells.append(f"{time} ({ratio['median']:.2f})" if ratio else time)
        rows.append(_row(cells))
    return "\n".join(rows)


def short(reports: Reports) -> str:
    """The README's lines that were measured, and the number of all limits that are kept."""
    found = {(report["group"], result["case"]): result for report in reports for result in report["results"]}
    rows = [_row(["one thread", "scratch", "the other", "scratch / the other", "spread"]), _row(["---"] * 5)]
    for what, group, case, other in SHORT:
        result = found.get((group, case), {"ratios": {}})
        if other in result["ratios"]:
            ratio = result["ratios"][other]
            ours, theirs = _median(result, "scratch"), f"{other} {_median(result, other)}"
            spread = f"{ratio['low']:.2f} to {ratio['high']:.2f}"
            rows.append(_row([what, ours, theirs, f"{ratio['median']:.2f}", spread]))
    limits = [limit for report in reports for result in report["results"] for limit in result["limits"]]
    kept = sum(limit["kept"] for limit in limits)
    kept_of_all = f"Of {len(limits)} limits that the benchmark sets on such figures, {kept} are kept."
    return "\n".join([SHORT_BEGIN, *rows, "", kept_of_all, SHORT_END])


BLOCKS: tuple[tuple[str, str, Callable[[Reports], str]], ...] = (
    (BEGIN, END, markdown),
    (SHORT_BEGIN, SHORT_END, short),
)


def write(path: Path, reports: Reports) -> None:
    """Replace the text between the marks of each table that a file has."""
    for begin, end, written in _blocks(path):
        replace(path, written(reports), begin, end)


def has_marks(path: Path) -> bool:
    return bool(_blocks(path))


def stale(path: Path, reports: Reports) -> bool:
    """Whether a file shows different figures from the results."""
    text = path.read_text(encoding="utf-8")
    return any(text != replaced(path, text, written(reports), begin, end) for begin, end, written in _blocks(path))


def _blocks(path: Path) -> list[tuple[str, str, Callable[[Reports], str]]]:
    text = path.read_text(encoding="utf-8")
    return [block for block in BLOCKS if block[0] in text and block[1] in text]


def _median(result: Result, engine: str) -> str:
    return value(median(totals(result["values"][engine])), result["unit"])


def _kept(report: dict[str, Any]) -> str:
    limits = [limit for result in report["results"] for limit in result["limits"]]
    missed = sum(not limit["kept"] for limit in limits)
    broken = sum(bool(result["error"]) for result in report["results"])
    quick = "; a quick run" if report["quick"] else ""
    limited = f"{len(limits) - missed} of {len(limits)} limits kept" if limits else "No limits"
    return limited + (f", {broken} failed" if broken else "") + quick


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"

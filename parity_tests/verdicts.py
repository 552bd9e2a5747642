"""The table of verdicts that `check` and `vectors check` print."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

HEAD = ("row", "what", "dtype", "error / ulp", "limit / ulp", "verdict")
PIPE = 10_000  # columns if the output is not a terminal: a label is never cut


def output() -> Any:
    """Where it is printed: a terminal as wide as it is, or a file or a pipe whose lines are never cut."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPE, highlight=False, soft_wrap=True)


def print_table(console: Any, reports: Sequence[Any], verbose: bool) -> None:
    """One line per row, its worst result relative to the limit; with `verbose` one line per result."""
    lines = _lines(reports, verbose)
    printable = all(cell.isprintable() for cells in lines for cell in cells)
    if console.is_terminal or console.options.ascii_only or not printable:
        console.print(_table(lines))
    else:
        console.file.write(_unwrapped(lines))


def number(value: float) -> str:
    return "0" if value == 0 else f"{value:.3g}"


def plain(text: str) -> str:
    """Text that rich prints as it is."""
    return text.replace("[", r"\[")


def _lines(reports: Sequence[Any], verbose: bool) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for row, results in reports:
        for result in results if verbose else [max(results, key=_badness)]:
            verdict = "ok" if result.ok else "FAILED"
            what = result.what if verbose or not result.ok else f"{len(results)} results, worst {result.what}"
            lines.append((row.label, what, result.dtype, number(result.error), number(result.limit), verdict))
    return lines


def _table(lines: list[tuple[str, ...]]) -> Any:
    """The lines as wide as the terminal, with colors."""
    from rich import box
    from rich.table import Table

    table = Table(*HEAD, box=box.SIMPLE_HEAD)
    for column in table.columns[3:5]:
        column.justify = "right"
    for *cells, verdict in lines:
        color = "green" if verdict == "ok" else "red"
        table.add_row(*map(plain, cells), f"[{color}]{verdict}[/]")
    return table


def _unwrapped(lines: list[tuple[str, ...]]) -> str:
    """The same for a file or a pipe, as wide as it needs to be. rich takes most of a second for the whole table."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(HEAD, *lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        gaps = [" " * (width - cell_len(cell)) for width, cell in zip(widths, cells, strict=True)]
        left = [cell + gap for cell, gap in zip(cells, gaps, strict=True)]
        right = [gap + cell for cell, gap in zip(cells, gaps, strict=True)]
        return "  " + "   ".join([*left[:3], *right[3:5], *left[5:]]) + "  "

    blank = " " * len(line(HEAD))
    rule = f" {'─' * (len(blank) - 2)} "
    return "".join(f"{text}\n" for text in (blank, line(HEAD), rule, *map(line, lines), blank))


def _badness(result: Any) -> tuple[bool, float]:
    return not result.ok, result.error / result.limit if result.limit else result.error

"""`nn-parity vectors export` and `nn-parity vectors check`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from parity_tests.cli import PIPE, Commands, _number, _plain, _table
from parity_tests.exits import CODES

app = typer.Typer(
    cls=Commands, epilog=CODES, help="Test vectors for other languages: files of numbers, and a judge of the answers."
)


@app.command("export")
def export_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new or empty folder, or an older vectors folder")],
    patterns: Annotated[
        list[str] | None, typer.Argument(help="components, parts of rows' labels, or wildcards; all rows by default")
    ] = None,
    only: Annotated[bool, typer.Option("--only", help="remove the other rows of an older vectors folder")] = False,
) -> None:
    """Write inputs, parameters, gradients and limits of the table's rows, with FORMAT.md, which explains the files.

    \b
    nn-parity vectors export vectors nn.Linear nn.LayerNorm "optim.Adam*"
    nn-parity vectors export vectors --only
    """
    from parity_tests.environment import environment
    from parity_tests.table import select
    from parity_tests.table.row import Pair
    from parity_tests.vectors.export import export
    from parity_tests.vectors.vector import VectorsError

    rows: dict[str, Pair] = {}
    for pattern in patterns or [""]:
        found = {row.label: row for row in select(pattern) if isinstance(row, Pair)}
        if not found:
            raise VectorsError(f"export: no row of the table matches {pattern!r}. See `nn-parity check --list`.")
        rows |= found
    index = export(folder, list(rows.values()), environment("cpu"), partial(_tracked, what="exporting"), only)
    for label, reason in index["left_out"].items():
        typer.echo(f"{label} left out: {reason}")
    typer.echo(f"{len(index['rows'])} rows in {folder}, {len(index['left_out'])} left out")
    if not index["rows"]:
        raise typer.Exit(2)


@app.command("check")
def check_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a vectors folder; the answers are in DIR/answers")],
    all_rows: Annotated[bool, typer.Option("--all", help="a row without an answer is a failure")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="print every number, not the worst of each row")
    ] = False,
) -> None:
    """Judge answers by the tolerance rule. Exit 1 if anything differs, 2 if nothing can be judged.

    \b
    nn-parity vectors check vectors
    nn-parity vectors check vectors --all --verbose
    """
    from parity_tests.vectors.files import ANSWERS, read_index
    from parity_tests.vectors.judge import judge
    from parity_tests.vectors.vector import VectorsError

    index = read_index(folder)
    if index.get("complete") is not True:
        raise VectorsError(f"check: the export to {folder} was interrupted. Export again.")
    rows = index["rows"]
    reports = list(judge(folder, _tracked(rows, "checking"), all_rows))
    if not reports:
        raise VectorsError(f"check: no row of {folder} has an answer in {folder / ANSWERS}.")
    raise typer.Exit(0 if _show(reports, len(rows) - len(reports), verbose) else 1)


def _show(reports: list[Any], unanswered: int, verbose: bool) -> bool:
    """Print the table, the failures and the count, as `nn-parity check` does; return whether all rows pass."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else PIPE, highlight=False, soft_wrap=True)
    console.print(_table(reports, verbose))
    results = [result for _, row_results in reports for result in row_results]
    failures = [result for result in results if not result.ok]
    for result in failures[:20]:
        figures = f"{_number(result.error)} ulp, limit {_number(result.limit)}"
        console.print(
            f"[red]{_plain(result.row)}: {_plain(result.what)} {result.dtype}[/]: {figures}. {_plain(result.note)}"
        )
    console.print(
        f"{len(reports)} rows, {len(results)} results, {len(failures)} failed; {unanswered} rows have no answer"
    )
    return not failures


def _tracked(rows: Sequence[Any], what: str) -> Iterable[Any]:
    """The rows one by one under a progress bar, as `nn-parity check` shows it."""
    from rich.console import Console
    from rich.progress import track

    return track(rows, what, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())

"""`nn-parity vectors export` and `nn-parity vectors check`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from parity_tests.choices import choice
from parity_tests.cli import Commands
from parity_tests.exits import CODES, refuse
from parity_tests.recordings.cli import INPUT_HELP, guarded, names_a_model, write
from parity_tests.verdicts import number, output, plain, print_table

app = typer.Typer(
    cls=Commands, epilog=CODES, help="Test vectors for other languages: files of numbers, and a judge of the answers."
)


@app.command("export")
def export_command(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] DIR [PATTERN]...",
            help="a new or empty folder, or an older vectors folder; after it components, parts of rows' labels, or "
            "wildcards, all rows by default. With FILE.py:FUNCTION before the folder, that model in place of the table",
        ),
    ],
    only: Annotated[bool, typer.Option("--only", help="remove the other rows of an older vectors folder")] = False,
    input_: Annotated[str | None, typer.Option("--input", help=f"of a model: {INPUT_HELP}")] = None,
    mode: Annotated[str, choice("of a model: the modes to export", ("train", "eval", "both"))] = "both",
    seed: Annotated[int, typer.Option(help="of a model: seed of all that is drawn", min=0, max=2**32 - 1)] = 0,
    steps: Annotated[int, typer.Option(help="of a model: steps of its optimizer", min=0)] = 0,
    precision: Annotated[
        list[str] | None,
        typer.Option(help="of a model: another precision for answers: float16, bfloat16, int8; several times"),
    ] = None,
) -> None:
    """Write inputs, parameters, gradients and limits of the table's rows, with FORMAT.md, which explains the files.

    Or those of a model: every call of every layer, in order, and the whole.

    \b
    nn-parity vectors export vectors nn.Linear nn.LayerNorm "optim.Adam*"
    nn-parity vectors export vectors --only
    nn-parity vectors export model.py:net vectors --input 2,8,16
    """
    if names_a_model(names[0]):
        if len(names) != 2 or only:
            refuse("export: of a model give FILE.py:FUNCTION and one folder, without patterns and --only.")
        guarded("export", lambda: write(names[0], Path(names[1]), input_, mode, seed, precision or [], False, steps))
        return
    if input_ is not None or precision or steps:
        refuse("export: --input, --steps and --precision belong to a model: give FILE.py:FUNCTION before the folder.")
    folder, patterns = Path(names[0]), names[1:]
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
    from parity_tests.vectors.judge import judge, missing
    from parity_tests.vectors.vector import VectorsError

    index = read_index(folder)
    if index.get("complete") is not True:
        raise VectorsError(f"check: the export to {folder} was interrupted. Export again.")
    rows, partial = index["rows"], "model" in index and not all_rows
    reports = list(judge(folder, _tracked(rows, "checking"), all_rows, partial))
    if not reports:
        raise VectorsError(f"check: no row of {folder} has an answer in {folder / ANSWERS}.")
    if partial:
        _say_what_is_missing(rows, [row.label for row, _ in reports], lambda name: missing(folder, name))
    right = _show(reports, len(rows) - len(reports), verbose)
    if partial and not right:
        _say_first_divergence(folder)
    raise typer.Exit(0 if right else 1)


def _say_first_divergence(folder: Path) -> None:
    """Of a model: the innermost call that is wrong, in order, and the cause if the catalog has one."""
    from parity_tests.recordings.compare import compare_files
    from parity_tests.recordings.read import Folder

    report = compare_files(Folder(folder), Folder(folder))
    typer.echo("\n".join(report.first_lines()))


def _say_what_is_missing(rows: list[Any], answered: list[str], missing: Any) -> None:
    """Before all else: calls of a model without an answer, and numbers that an answer lacks."""
    without = [row["label"] for row in rows if row["label"] not in answered]
    if without:
        more = f" and {len(without) - 6} more" if len(without) > 6 else ""
        typer.echo(f"not answered: {len(without)} of {len(rows)} calls: {'; '.join(without[:6])}{more}")
    for row in rows:
        lacking = missing(row["name"]) if row["label"] in answered else []
        if lacking:
            typer.echo(f"not answered of {row['label']}: {', '.join(lacking[:6])}{' ...' * (len(lacking) > 6)}")


def _show(reports: list[Any], unanswered: int, verbose: bool) -> bool:
    """Print the table, the failures and the count, as `nn-parity check` does; return whether all rows pass."""
    console = output()
    print_table(console, reports, verbose)
    results = [result for _, row_results in reports for result in row_results]
    failures = [result for result in results if not result.ok]
    for result in failures[:20]:
        figures = f"{number(result.error)} ulp, limit {number(result.limit)}"
        console.print(
            f"[red]{plain(result.row)}: {plain(result.what)} {result.dtype}[/]: {figures}. {plain(result.note)}"
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

"""`python -m parity_tests` is `nn-parity check`: what / error / limit / verdict, row by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from parity_tests.choices import choice
from parity_tests.exits import CODES, one_line, refuse, refuse_unwritable
from parity_tests.verdicts import number, output, plain, print_table
from parity_tests.workers import prepare

if TYPE_CHECKING:
    from parity_tests.rule import Result
    from parity_tests.table.row import Row

COMPONENTS = Path(__file__).parent / "table" / "COMPONENTS.md"


class Commands(TyperGroup):
    """A group of commands, each of which ends as the table of exit codes says."""

    def invoke(self, context: Any) -> Any:
        with one_line():
            return super().invoke(context)


app = typer.Typer(
    cls=Commands, epilog=CODES, add_completion=False, help="Compare scratch with torch, component by component."
)


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """Without a command, check the whole table."""
    if context.invoked_subcommand is None:
        check()


@app.command()
def check(
    pattern: Annotated[str, typer.Argument(help="a component, a part of a row's label, or wildcards")] = "",
    dtype: Annotated[str, choice("the precisions", ("float32", "float64", "both"))] = "both",
    device: Annotated[str, choice("where torch computes; cuda with TF32 off", ("cpu", "cuda"))] = "cpu",
    json_file: Annotated[Path | None, typer.Option("--json", help="write every result to this file")] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="print every number, not the worst of each row")
    ] = False,
    listing: Annotated[bool, typer.Option("--list", help="only list the rows")] = False,
) -> None:
    """Run the parity table. Exit 1 if anything differs, 2 on a usage error.

    \b
    nn-parity check nn.Linear
    nn-parity check "nn.*Norm*" --dtype float64 --verbose
    """
    if not (pattern or listing) and device == "cpu":
        prepare()
    import torch

    from parity_tests.checks import DTYPES
    from parity_tests.environment import environment
    from parity_tests.table import select

    rows = select(pattern)
    if not rows:
        refuse(f"check: no row of the table matches {pattern!r}. `nn-parity check --list` lists them.")
    if listing:
        for row in rows:
            typer.echo(row.label)
        return
    if dtype not in (*DTYPES, "both"):
        refuse(f"check: --dtype must be float32, float64 or both, got {dtype!r}.")
    if device == "cuda":
        if not torch.cuda.is_available():
            refuse("check: --device cuda needs a CUDA GPU, and torch sees none. Omit the option to use the CPU.")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    elif device != "cpu":
        refuse(f"check: --device must be cpu or cuda, got {device!r}.")
    refuse_unwritable("check", "--json", json_file)
    dtypes = DTYPES if dtype == "both" else (dtype,)
    results = run(rows, dtypes, device, verbose)
    if json_file is not None:
        from torch_impl.files import write_text

        found = {"environment": environment(device), "results": [result.as_dict() for result in results]}
        write_text(json_file, json.dumps(found, indent=1) + "\n")
    raise typer.Exit(0 if all(result.ok for result in results) else 1)


@app.command()
def table(
    write: Annotated[
        Path, typer.Option(help="the file whose tables of components are rewritten", show_default="COMPONENTS.md")
    ] = COMPONENTS,
    check: Annotated[bool, typer.Option("--check", help="only report whether the file's tables are stale")] = False,
) -> None:
    """Write the tables of components from a run of all checks, or report whether they are stale.

    \b
    nn-parity table
    nn-parity table --check
    """
    from parity_tests.table import markdown

    if not write.is_file():
        refuse(f"table: the file {write} does not exist.")
    if check:
        if markdown.stale(write):
            typer.echo(f"{write} is stale: run `nn-parity table --write {write}`.", err=True)
            raise typer.Exit(1)
        return
    from parity_tests.checks.parallel import check_rows

    markdown.write(write, [result for _, results in check_rows() for result in results])


@app.command()
def seeds() -> None:
    """Print which of torch's random functions give the same bits in NumPy. Exit 1 if one does not.

    \b
    nn-parity seeds
    nn-parity seeds > seeds.txt
    """
    from parity_tests.checks.streams import print_table

    raise typer.Exit(0 if print_table() else 1)


def run(rows: Sequence[Row], dtypes: Sequence[str], device: str, verbose: bool) -> list[Result]:
    """Check rows, print the table and what failed, return every result."""
    from parity_tests.checks.parallel import check_rows
    from parity_tests.environment import environment
    from parity_tests.table.versions import in_force

    reports = check_rows(rows, dtypes, device)
    console = output()
    print_table(console, reports, verbose)
    results = [result for _, results in reports for result in results]
    failures = [result for result in results if not result.ok]
    for result in failures[:20]:
        console.print(
            f"[red]{plain(result.row)}: {plain(result.what)} {result.dtype}[/]: {number(result.error)} ulp, "
            f"limit {number(result.limit)}. {plain(result.note)}"
        )
    exceptions: dict[tuple[str, str], list[str]] = {}
    changed: dict[str, list[str]] = {}
    for change in in_force():
        if any(map(change.concerns, rows)):
            changed.setdefault(change.text, []).append(change.component)
    for text, names in changed.items():
        console.print(f"{', '.join(names)}: {plain(text)}; both are checked")
    for row in rows:
        for what, reason in getattr(row, "notes", {}).items():
            exceptions.setdefault((what, reason), []).append(row.label)
    for (what, reason), labels in exceptions.items():
        others = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
        console.print(f"{plain(labels[0])}{others}: {what} not checked: {plain(reason)}")
    tf32 = ", TF32 off" if device == "cuda" else ""
    env = environment(device)
    console.print(
        f"{len(reports)} rows, {len(results)} results, {len(failures)} failed "
        f"(scratch: NumPy {env['numpy']}; torch {env['torch']} on {env['device']}{tf32})"
    )
    return results

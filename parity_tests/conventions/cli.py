"""`nn-parity conventions`: what libraries do, run with those that are installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from parity_tests.exits import refuse, refuse_unwritable


def conventions(
    pattern: Annotated[str, typer.Argument(help="a library, a component, or a part of a statement")] = "",
    write: Annotated[bool, typer.Option("--write", help="keep what came in the project's results.json")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="add what came to this file")] = None,
    listing: Annotated[bool, typer.Option("--list", help="only list the statements, and how each is known")] = False,
) -> None:
    """Run the statements about torch, Keras, JAX and others, and print what came. Exit 1 if one does not hold.

    \b
    nn-parity conventions optim.Adam
    nn-parity conventions Keras --json keras.json
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from parity_tests.conventions.results import RESULTS, save, seen
    from parity_tests.conventions.run import run
    from parity_tests.conventions.statements import select
    from parity_tests.verdicts import PIPE

    asked = select(pattern)
    if not asked:
        refuse(f"conventions: nothing in the table matches {pattern!r}. `nn-parity conventions --list` lists it.")
    refuse_unwritable("conventions", "--json", json_file)
    console = Console(width=None if sys.stdout.isatty() else PIPE, highlight=False)
    if listing:
        for statement in asked:
            typer.echo(f"{statement.library}: {statement.text} [{seen(statement)}]")
        return
    table = Table("library", "statement", "what came", "verdict", box=None)
    found = []
    for statement, came in run(asked):
        found.append(came)
        verdict = "[green]holds[/]" if came.holds else f"[red]DOES NOT HOLD[/]: {escape(str(statement.gives))}"
        library = f"{statement.library} {came.version}"
        table.add_row(library, escape(statement.text), escape(shown(came.came)), verdict)
    console.print(table)
    absent = sorted({s.library for s in asked if s.show is not None and s.version is None})
    other = sum(s.show is not None and s.version is not None and not s.runs for s in asked)
    read = sum(s.show is None for s in asked)
    failed = sum(not came.holds for came in found)
    console.print(
        f"{len(asked)} statements: {len(found)} run, {failed} do not hold; {read} only read; "
        f"{other} about other versions" + (f"; not installed: {', '.join(absent)}" if absent else "")
    )
    if json_file is not None:
        save(found, json_file)
    if write:
        save(found, RESULTS)
    raise typer.Exit(1 if failed else 0)


def shown(value: object) -> str:
    """What came, numbers to six digits."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(one)}" for key, one in value.items())
    return str(value)

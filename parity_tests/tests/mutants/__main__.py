"""`python -m parity_tests.tests.mutants [--sample N] [--again FILE] [--json FILE]`."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from parity_tests.tests.mutants import summary
from parity_tests.tests.mutants.networks import NETWORKS
from parity_tests.tests.mutants.part import run
from parity_tests.tests.mutants.trial import KINDS, QUOTA, Result


def main(
    sample: Annotated[int, typer.Option(help="about so many comparisons; 0: all of them", min=0)] = 0,
    again: Annotated[Path | None, typer.Option(help="only what went wrong in this file of an earlier run")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write counts and results to this file")] = None,
    network: Annotated[list[str] | None, typer.Option(help="only these networks")] = None,
    processes: Annotated[int, typer.Option(help="how many processes share the work", min=1)] = 2,
) -> None:
    """Compare mutants, which must part, and rewrites, which must not. Exit 1 if one verdict is wrong."""
    names = summary.failed(again) if again is not None else set()
    networks = network or (*NETWORKS, "steps")
    whole = len(networks) * sum(
        sum(quota.values()) for quota in QUOTA.values()
    )  # steps are about three networks' worth
    share = min(1.0, sample / whole) if sample else 1.0
    tasks = [
        (name, kind, share, frozenset(n for n in names if _network(n) == name)) for name in networks for kind in KINDS
    ]
    if again is not None:
        tasks = [task for task in tasks if task[3]]
    results: list[Result] = []
    with multiprocessing.get_context("spawn").Pool(processes) as pool, tqdm(total=len(tasks), unit="part") as bar:
        for part in pool.imap_unordered(run, tasks):
            results += part
            bar.update()
            bar.set_postfix(compared=len(results), wrong=sum(bool(r.failure) for r in results))
            if json_file is not None:
                summary.write(json_file, results)  # what there is so far, if it is stopped
    typer.echo(summary.text(results))
    for r in results:
        if r.failure:
            typer.echo(f"{r.failure}: {r.name} | {r.truth} {r.ratio:.3g} {r.what} | {r.verdict} {r.where} {r.note}")
    wrong = any(r.failure not in ("", "misplaced") for r in results)
    raise typer.Exit(int(wrong or (summary.counts(results)["place right"] or 1.0) < 0.95))


def _network(name: str) -> str:
    first = name.partition(":")[0]
    return "steps" if first == "loss" else first


if __name__ == "__main__":
    typer.run(main)

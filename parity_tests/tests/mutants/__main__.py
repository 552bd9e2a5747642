"""`python -m parity_tests.tests.mutants [--sample N] [--json FILE [--resume]] [--again FILE]`."""

from __future__ import annotations

import multiprocessing
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from parity_tests.tests.mutants import part, summary
from parity_tests.tests.mutants.networks import NETWORKS
from parity_tests.tests.mutants.trial import KINDS, QUOTA

PER_NETWORK = sum(sum(quota.values()) for quota in QUOTA.values())
PLACES = 0.95  # the share of places that must be right


def main(
    sample: Annotated[int, typer.Option(help="about so many comparisons; 0: all of them", min=0)] = 0,
    again: Annotated[Path | None, typer.Option(help="only what went wrong in this file of an earlier run")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write counts and results to this file")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="keep what the file of --json already has")] = False,
    network: Annotated[list[str] | None, typer.Option(help="only these networks")] = None,
    processes: Annotated[int, typer.Option(help="how many processes share the work", min=1)] = 2,
) -> None:
    """Compare mutants, which must part, and rewrites, which must not. Exit 1 if one verdict is wrong."""
    networks = network or (*NETWORKS, "steps")
    share = min(1.0, sample / (len(networks) * PER_NETWORK)) if sample else 1.0
    tasks = [(name, kind, share) for name in networks for kind in KINDS]
    results = summary.read(json_file) if resume and json_file is not None and json_file.exists() else []
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        wanted = {r.name for r in summary.read(again) if r.failure} if again is not None else None
        choose = part.choose if wanted is None else partial(part.find, names=wanted)
        work = [one for found in _bar(pool.imap(choose, tasks), len(tasks), "choosing") for one in found]
        had = {r.name for r in results}
        work = [one for one in work if part.name_of(one) not in had]
        with _bar(pool.imap_unordered(part.compare, work), len(work), "comparing") as bar:
            for result in bar:
                results.append(result)
                bar.set_postfix(wrong=sum(bool(r.failure) for r in results))
                if json_file is not None and len(results) % 50 == 0:
                    summary.write(json_file, results)
    if json_file is not None:
        summary.write(json_file, results)
    typer.echo(summary.text(results))
    wrong = [r for r in results if r.failure]
    for r in wrong:
        typer.echo(f"{r.failure}: {r.name} | {r.truth} {r.ratio:.3g} {r.what} | {r.verdict} {r.where} {r.note}")
    misplaced = (summary.counts(results)["place right"] or 1.0) < PLACES
    raise typer.Exit(int(misplaced or any(r.failure != "misplaced" for r in wrong)))


def _bar(work: Any, total: int, text: str) -> Any:
    return tqdm(work, text, total, unit="")


if __name__ == "__main__":
    typer.run(main)

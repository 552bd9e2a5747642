"""The benchmark as a whole: cases, processes, a progress bar, and the files of results."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from experiments.bench import cost_curves, page, stored
from experiments.bench.case import Case, Unavailable
from experiments.bench.cases import GROUPS, all_cases, select
from experiments.bench.engine_process import EngineProcess
from experiments.bench.lines import show
from experiments.bench.machine import cores, run_facts
from experiments.bench.measure import Result, failed, measure
from experiments.bench.stored import RESULTS
from experiments.training.data import DATA_DIR
from parity_tests.exits import CannotError

Report = dict[str, Any]  # the content of a file of results: facts of the run, and the results of one group


class BenchError(CannotError, ValueError):
    """A usage error."""


class Workers:
    """The processes of one group of cases on one number of threads, started when they are first asked for."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.running: dict[str, EngineProcess] = {}

    def start(self, engine: str) -> EngineProcess:
        if self.threads > cores():
            raise Unavailable(f"{self.threads} threads need as many processors, but there are {cores()}.")
        if engine not in self.running:
            self.running[engine] = EngineProcess(engine, self.threads)
        return self.running[engine]

    def close(self) -> None:
        while self.running:
            self.running.popitem()[1].close()


def bench(cases: Sequence[Case], quick: bool = False) -> list[Report]:
    """Measure cases, group by group, print each when it is done, and return the content of the files of results."""
    facts = run_facts() | {"quick": quick}
    reports = []
    with progress(cases) as tick:
        for group, members in groupby(cases, key=lambda case: case.group):
            results = list(_measured(list(members), tick))
            versions = facts["versions"]
            for result in results:
                versions = versions | result.pop("versions")
            reports.append({"group": group, **facts, "versions": versions, "results": results})
            show(reports[-1])
    return reports


def _measured(cases: Sequence[Case], tick: Any) -> Iterator[Result]:
    """Processes live as long as neighbors can share them. After a failure the next case gets new ones."""
    for threads, members in groupby(cases, key=lambda case: case.threads):
        workers = Workers(threads)
        try:
            for case in members:
                if case.fresh:
                    workers.close()
                result = measure(case, workers.start, partial(tick, case))
                if case.fresh or result["error"]:
                    workers.close()
                yield result
        finally:
            workers.close()


@contextmanager
def progress(cases: Sequence[Case]) -> Iterator[Any]:
    """A bar of all rounds on a terminal; the function it gives is called after every round."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    hidden = not sys.stderr.isatty()
    columns = (TextColumn("{task.description:50.50}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=sum(case.rounds for case in cases))

        def tick(case: Case) -> None:
            bar.update(task, advance=1, description=case.label)

        yield tick


def save(reports: Sequence[Report], folder: Path) -> list[Path]:
    """One file a group, and the picture of its cost curves, if it has any."""
    paths = []
    for report in reports:
        paths.append(folder / f"bench-{report['group']}.json")
        stored.write(paths[-1], _rounded(report))
        if cost_curves.curves(report["results"]):
            paths.append(folder / f"bench-{report['group']}.png")
            cost_curves.draw(report["results"], paths[-1])
    return paths


def saved(folder: Path = RESULTS) -> list[Report]:
    """The files of results, in the order of the groups."""
    paths = [folder / f"bench-{group}.json" for group in GROUPS]
    return [stored.read(path) for path in paths if path.is_file()]


def command(
    pattern: str = "",
    quick: bool = False,
    data_dir: Path | None = None,
    json_folder: Path | None = None,
    write: Sequence[Path] = (),
    listing: bool = False,
) -> bool:
    """What `nn-parity bench` does; True if every limit is kept.

    Raises    BenchError on a usage error.
    """
    for path in write:
        if not (path.is_file() and page.has_marks(path)):
            raise BenchError(f"bench: --write {path}: no such file, or without the lines {page.BEGIN} and {page.END}.")
    if write and json_folder is None:
        _write(write, saved())
        return True
    cases = select(pattern, quick)
    if not cases:
        raise BenchError(f"bench: no case contains {pattern!r}. `nn-parity bench --list` names them.")
    if listing:
        print(*(case.label for case in cases), sep="\n")
        return True
    if json_folder is not None:
        _whole_groups(cases, pattern, quick)
    if data_dir is not None:
        if not data_dir.is_dir():
            raise BenchError(f"bench: --data-dir {data_dir}: there is no such folder. Omit it to use other images.")
        os.environ[DATA_DIR] = str(data_dir.resolve())  # the workers inherit it
    reports = bench(cases, quick)
    if json_folder is not None:
        save(reports, json_folder)
        _write(write, saved(json_folder))
    return not any(failed(result) for report in reports for result in report["results"])


def _write(paths: Sequence[Path], reports: Sequence[Report]) -> None:
    for path in paths:
        page.write(path, reports)


def _whole_groups(cases: Sequence[Case], pattern: str, quick: bool) -> None:
    """A file of results holds a whole group of one run."""
    chosen = [case.label for case in cases]
    for group in dict.fromkeys(case.group for case in cases):
        left_out = [case.label for case in all_cases(quick) if case.group == group and case.label not in chosen]
        if left_out:
            raise BenchError(
                f"bench: --json needs whole groups, but {pattern!r} leaves out {left_out[0]!r} and {len(left_out) - 1} "
                f"more. Use {group + '/'!r}."
            )


def _rounded(nest: Any) -> Any:
    """Five digits of every measurement are enough."""
    if isinstance(nest, dict):
        return {key: _rounded(value) for key, value in nest.items()}
    if isinstance(nest, list | tuple):
        return [_rounded(value) for value in nest]
    return float(f"{nest:.5g}") if isinstance(nest, float) else nest

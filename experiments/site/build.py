"""`nn-parity report`: run the checks component by component, in worker processes, and write the site.

The whole report also trains the twins, shows the articles that were replayed, and draws the same-seed table; a report
of some components is their pages and a short overview, in seconds.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import as_completed
from importlib import import_module
from pathlib import Path
from typing import Any

from experiments.progress import Progress
from experiments.site import component, conventions, overview, search
from experiments.site.pages import HERE, PARTS, Component, Site, components
from parity_tests.environment import environment
from parity_tests.exits import CannotError
from parity_tests.table import select
from parity_tests.workers import WORKERS, workers
from torch_impl.files import write_text

WORTH_A_POOL = 8  # fewer pieces are done before the worker processes have started
SEEDS = "same seed"
FURTHER = ("twins", SEEDS, "exercises", "replays", "runs")  # pieces of the whole report: a table, modules of pages


def build(output: str | Path, pattern: str = "", whole: bool = False) -> Site:
    """Write the site of all components that have a row with this pattern in its label; return it with its results.

    Twins, articles and the same-seed table are in it without a pattern, or with `whole`.

    Raises    CannotError if no row has it.
    """
    found = components([row.label for row in select(pattern)])
    if not found:
        raise CannotError(f"report: no row of the table matches {pattern!r}. `nn-parity check --list` lists them all.")
    import jinja2  # noqa: F401 - a missing package is said before the folder is made
    import matplotlib  # noqa: F401
    import pygments  # noqa: F401

    whole = whole or not pattern
    site = Site(Path(output), found, environment("cpu"), PARTS if whole else PARTS[:2])
    site.output.mkdir(parents=True, exist_ok=True)
    for file in (HERE / "static").iterdir():
        write_text(site.output / file.name, file.read_text(encoding="utf-8"))
    search.write(site)
    conventions.write(site)
    names = _names(found, whole)
    done = dict(_track(_written(site, names), len(names)))
    site.components = [done[one.name] for one in found]
    overview.write(site, drawn=done.get(SEEDS, []))
    return site


def _names(found: list[Component], whole: bool) -> list[str]:
    """What is to be written, the longest pieces first, so that the workers end together."""
    by_rows = sorted(found, key=lambda one: len(one.rows), reverse=True)
    return [*(FURTHER if whole else ()), *(one.name for one in by_rows)]


def _written(site: Site, names: list[str]) -> Iterator[tuple[str, Any]]:
    """Every piece and what came of it, as they are done. No worker is sent the results of another: `site` has none."""
    if WORKERS == 1 or len(names) < WORTH_A_POOL:
        yield from ((name, _write(site, name)) for name in names)
        return
    with workers() as pool:
        futures = {pool.submit(_write_settled, site, name): name for name in names}
        for future in as_completed(futures):
            yield futures[future], future.result()


def _write_settled(site: Site, name: str) -> Any:
    """In a worker. What earlier pieces have left stays, so garbage need not be looked for in it time and again."""
    gc.collect()
    gc.freeze()
    return _write(site, name)


def _write(site: Site, name: str) -> Any:
    """A component's page with its checks: the component with its results. Of FURTHER the page, or the table."""
    if name == SEEDS:
        return overview.same_seed(site.components)
    if name in FURTHER:
        return import_module(f"experiments.site.{name}").write(site)  # late: some import Lightning
    return component.write(site, name)


def _track(work: Iterator[tuple[str, Any]], total: int) -> Iterator[tuple[str, Any]]:
    """The same pieces with their progress; without a terminal, a line for every tenth of them and for the last."""
    with Progress("report, page", total) as progress:
        for number, (name, result) in enumerate(work, 1):
            progress.tick(name)
            if number % 10 == 0 or number == total:
                progress.line(name)
            yield name, result


def size(folder: Path) -> int:
    """Bytes of all files of a site."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def summary(site: Site, seconds: float) -> str:
    failed = [result for one in site.components for result in one.results if not result.ok]
    count = sum(len(one.results) for one in site.components)
    return (
        f"{len(site.components)} components, {count} results, {len(failed)} failed; {size(site.output) / 1e6:.1f} MB "
        f"in {seconds:.0f} s. Open {first_page(site)}"
    )


def first_page(site: Site) -> Path:
    """The page to open: the component's own if it is alone, or else the overview."""
    return site.output / (site.components[0].page if len(site.components) == 1 else "index.html")


def command(output: str | Path, pattern: str = "", open_page: bool = False) -> bool:
    """The command: build, print the result, open the page if asked, and return whether nothing failed."""
    from time import perf_counter

    start = perf_counter()
    site = build(output, pattern)
    print(summary(site, perf_counter() - start), flush=True)
    if open_page:
        import webbrowser

        webbrowser.open(first_page(site).resolve().as_uri())
    return all(one.ok for one in site.components)

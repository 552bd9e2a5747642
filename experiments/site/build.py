"""`nn-parity report`: run the checks component by component, in worker processes, and write the site."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import as_completed
from pathlib import Path

from experiments.site import component, overview, replays, twins
from experiments.site.pages import HERE, Component, Site, components
from parity_tests.checks.parallel import WORKERS, workers
from parity_tests.environment import environment
from parity_tests.table import select
from torch_impl.files import write_text

WORTH_A_POOL = 8  # fewer components are done before the worker processes have started


def build(output: str | Path, pattern: str = "") -> Site:
    """Write the site of all components that have a row with this pattern in its label; return it with its results.

    Raises    ValueError if no row has it.
    """
    found = components([row.label for row in select(pattern)])
    if not found:
        raise ValueError(f"report: no row of the table matches {pattern!r}. `nn-parity check` lists them all.")
    site = Site(Path(output), found, environment("cpu"))
    site.output.mkdir(parents=True, exist_ok=True)
    for file in (HERE / "static").iterdir():
        write_text(site.output / file.name, file.read_text(encoding="utf-8"))
    place = {one.name: number for number, one in enumerate(found)}
    for done in _track(_component_pages(site), len(found)):
        site.components[place[done.name]] = done
    for part in (overview, twins, replays):
        part.write(site)
    return site


def _component_pages(site: Site) -> Iterator[Component]:
    """Every component, checked and with its page written, as they finish. Those with the most rows start first."""
    names = [one.name for one in sorted(site.components, key=lambda one: len(one.rows), reverse=True)]
    if WORKERS == 1 or len(names) < WORTH_A_POOL:
        yield from (component.write(site, name) for name in names)
        return
    with workers() as pool:
        for future in as_completed([pool.submit(component.write, site, name) for name in names]):
            yield future.result()


def _track(work: Iterator[Component], total: int) -> Iterator[Component]:
    """The same items under a progress bar, on a terminal."""
    from rich.console import Console
    from rich.progress import track

    bar, hidden = Console(stderr=True), not sys.stderr.isatty()
    return iter(track(work, "component pages", total=total, console=bar, transient=True, disable=hidden))


def size(folder: Path) -> int:
    """Bytes of all files of a site."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def summary(site: Site, seconds: float) -> str:
    failed = [result for one in site.components for result in one.results if not result.ok]
    count = sum(len(one.results) for one in site.components)
    return (
        f"{len(site.components)} components, {count} results, {len(failed)} failed; {size(site.output) / 1e6:.1f} MB "
        f"in {seconds:.0f} s. Open {site.output / 'index.html'}"
    )


def command(output: str | Path, pattern: str = "") -> bool:
    """The command: build, print the result, and return whether nothing failed."""
    from time import perf_counter

    start = perf_counter()
    site = build(output, pattern)
    print(summary(site, perf_counter() - start))
    return all(one.ok for one in site.components)

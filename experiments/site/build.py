"""`nn-parity report`: run the checks component by component, in worker processes, and write the site.

The whole report also trains the twins, shows the articles that were replayed, and draws the same-seed table; a report
of some components is their pages and a short overview, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import as_completed
from pathlib import Path

from experiments.progress import Progress
from experiments.site import component, conventions, overview, search
from experiments.site.pages import HERE, PARTS, Component, Site, components
from parity_tests.checks.parallel import WORKERS, workers
from parity_tests.environment import environment
from parity_tests.exits import CannotError
from parity_tests.table import select
from torch_impl.files import write_text

WORTH_A_POOL = 8  # fewer components are done before the worker processes have started


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
    place = {one.name: number for number, one in enumerate(found)}
    for done in _track(_component_pages(site), len(found)):
        site.components[place[done.name]] = done
    if whole:
        from experiments.site import exercises, replays, runs, twins  # late: they import Lightning

        with Progress("report, further page", 4) as progress:
            for what, write in (
                ("twin trainings", twins.write),
                ("articles", replays.write),
                ("exercises", exercises.write),
                ("runs", runs.write),
            ):
                write(site)
                progress.piece(what)
    overview.write(site, drawn=overview.same_seed(found) if whole else [])
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
    """The same items with their progress; without a terminal, a line for every tenth of them and for the last."""
    with Progress("report, component page", total) as progress:
        for number, one in enumerate(work, 1):
            progress.tick(one.name)
            if number % 10 == 0 or number == total:
                progress.line(one.name)
            yield one


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

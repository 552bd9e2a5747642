"""A page for each article's replay, replays/<name>.html, and replays.html, the list of them.

Shows the results of `nn-parity replay` under runs/replay. Missing articles are replayed now if they are quick.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from experiments.articles import ARTICLES, article
from experiments.articles.article import quiet
from experiments.articles.texts import TEXTS
from experiments.site.pages import Site
from experiments.training.data import DataError
from parity_tests.checks.parallel import workers
from torch_impl.files import read_json

RUNS = Path("runs/replay")
SLOW = ("mnist-mlp",)  # takes minutes, so it is shown only if it has been replayed before
LONGEST = 2**20  # bytes of a replay.json
SHADES = 32  # that a painted plot needs, the edges of its letters included


@dataclass(frozen=True)
class Shown:
    """An article and the results of its replay, or the reason why there are none."""

    name: str
    title: str
    source: str
    claim: str
    found: dict[str, Any] | None  # the contents of replay.json
    missing: str = ""

    @property
    def page(self) -> str:
        return f"replays/{self.name}.html"

    @property
    def parts(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """The rows by the heading over them."""
        rows = (self.found or {"figures": []})["figures"]
        return [(part, [*group]) for part, group in groupby(rows, lambda row: row["part"])]

    @property
    def judged(self) -> list[dict[str, Any]]:
        return [figure for figure in (self.found or {"figures": []})["figures"] if figure["ok"] is not None]


def write(site: Site) -> None:
    with TemporaryDirectory() as folder:
        shown = [_written(site, one, place) for one, place in _collected(Path(folder))]
    title = "Systems of articles, replayed by both engines"
    site.render("replays.html", "replays.html", title=title, articles=shown, texts=TEXTS)


def _collected(scratch: Path) -> Iterator[tuple[Shown, Path]]:
    """Every article with its findings and the folder of its plots."""
    known = {name: RUNS / name for name in ARTICLES if _readable(RUNS / name / "replay.json")}
    now = [name for name in ARTICLES if name not in known and name not in SLOW]
    failed = dict(zip(now, _replayed(now, scratch), strict=True))
    for name in ARTICLES:
        folder = known.get(name, scratch / name)
        text = article(name)
        if failed.get(name) or (name in SLOW and name not in known):
            missing = failed.get(name) or "It takes minutes and was not replayed for this report."
            yield Shown(name, text.title, text.source, text.claim, None, missing), folder
        else:
            found = read_json(folder / "replay.json", LONGEST)
            yield Shown(name, found["title"], found["source"], found["claim"], found), folder


def _readable(path: Path) -> bool:
    """Whether the findings of an earlier replay are there, and have what a page shows of them."""
    if not path.is_file():
        return False
    rows = read_json(path, LONGEST).get("figures", [])
    return all({"part", "text", "verdict"} <= {*row} for row in rows)


def _replayed(names: Sequence[str], output: Path) -> list[str]:
    """Replay articles in worker processes, under a progress bar; why each one is missing, empty if it is not."""
    from rich.console import Console
    from rich.progress import track

    if not names:
        return []
    bar, hidden = Console(stderr=True), not sys.stderr.isatty()
    with workers() as pool:
        work = pool.map(_replay, names, [output / name for name in names])
        return list(track(work, "articles", total=len(names), console=bar, transient=True, disable=hidden))


def _replay(name: str, output: Path) -> str:
    from experiments.articles.replay import one_thread, replay_one

    try:
        with one_thread():
            replay_one(name, output, None, quiet)
    except DataError as error:
        return f"It needs data that are missing: {error}"
    return ""


def _written(site: Site, one: Shown, folder: Path) -> Shown:
    """Write the page of one article, and its plots beside it."""
    plots = []
    for plot in one.found["plots"] if one.found else []:
        name = Path(plot["file"]).name  # nothing outside the replay's folder
        file = f"{one.name}-{name}"
        (site.output / "replays").mkdir(parents=True, exist_ok=True)
        shrink(folder / name, site.output / "replays" / file)
        plots.append({"file": file, "caption": plot["caption"]})
    site.render("replay.html", one.page, title=one.title, one=one, plots=plots)
    return one


def shrink(source: Path, target: Path) -> None:
    """Write a plot with few shades, at a third of its size; it looks the same."""
    from PIL import Image

    with Image.open(source, formats=("PNG",)) as picture:
        few = picture.convert("RGB").quantize(SHADES, dither=Image.Dither.NONE)
    few.save(target, optimize=True)

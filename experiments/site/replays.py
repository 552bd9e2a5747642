"""A page for each article's replay, replays/<name>.html, and replays.html, the list of them.

Shows the results of `nn-parity replay` under runs/replay, and names the command for articles that have none there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from experiments.articles import ARTICLES, article
from experiments.articles.texts import TEXTS
from experiments.site.pages import Site
from torch_impl.files import read_json, write_whole

RUNS = Path("runs/replay")
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
    shown = [_written(site, one) for one in _collected()]
    title = "Systems of articles, replayed by both engines"
    site.render("replays.html", "replays.html", title=title, articles=shown, texts=TEXTS)


def _collected() -> Iterator[Shown]:
    """Every article with its findings."""
    for name in ARTICLES:
        text = article(name)
        if _readable(RUNS / name / "replay.json"):
            found = read_json(RUNS / name / "replay.json", LONGEST)
            yield Shown(name, found["title"], found["source"], found["claim"], found)
        else:
            missing = f"It has not been replayed under {RUNS.as_posix()}, or only by an earlier version."
            yield Shown(name, text.title, text.source, text.claim, None, missing)


def _readable(path: Path) -> bool:
    """Whether the findings of an earlier replay are there, and have what a page shows of them."""
    if not path.is_file():
        return False
    rows = read_json(path, LONGEST).get("figures", [])
    return all({"part", "text", "verdict"} <= {*row} for row in rows)


def _written(site: Site, one: Shown) -> Shown:
    """Write the page of one article, and its plots beside it."""
    plots = []
    for plot in one.found["plots"] if one.found else []:
        name = Path(plot["file"]).name  # nothing outside the replay's folder
        file = f"{one.name}-{name}"
        (site.output / "replays").mkdir(parents=True, exist_ok=True)
        shrink(RUNS / one.name / name, site.output / "replays" / file)
        plots.append({"file": file, "caption": plot["caption"]})
    site.render("replay.html", one.page, title=one.title, one=one, plots=plots)
    return one


def shrink(source: Path, target: Path) -> None:
    """Write a plot with few shades, at a third of its size; it looks the same."""
    from PIL import Image

    with Image.open(source, formats=("PNG",)) as picture:
        few = picture.convert("RGB").quantize(SHADES, dither=Image.Dither.NONE)
    write_whole(target, lambda file: few.save(file, "PNG", optimize=True))

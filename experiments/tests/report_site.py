"""A small report for the tests, hostile texts included, and a reader of its pages."""

from __future__ import annotations

import json
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from experiments.articles.article import Figure, GradientCheck

PATTERN = "Softm"  # activations and a loss
HOSTILE = '<img src=x onerror="document.title = 1"></script><script>console.error("run")</script>&amp;"\''
ENVIRONMENT = {"numpy": "2", "torch": "2", "python": "3", "machine": "m", "device": "d"}


def figure(what: str, **fields: Any) -> dict[str, Any]:
    one = Figure(what, **fields)
    return {**asdict(one), "verdict": one.verdict}


def check(what: str, error: float, **fields: Any) -> dict[str, Any]:
    one = GradientCheck(what, error, **fields)
    return {**asdict(one), "ok": one.ok, "verdict": one.verdict}


def replay_of(name: str, **changes: Any) -> dict[str, Any]:
    """What replay.json holds, with a formula that the check catches and a plot."""
    found = {
        "name": name,
        "title": f"a title, {HOSTILE}",
        "source": f"a source, {HOSTILE}",
        "claim": f"a claim, {HOSTILE}",
        "figures": [
            figure(f"what {HOSTILE}", text="0.9", place=f"a heading, {HOSTILE}", scratch="0.91", torch="0.91", ok=True),
            figure("curves apart", scratch="1e-7", part=f"a part, {HOSTILE}", note=f"a note, {HOSTILE}"),
        ],
        "checks": [
            check("right", 1e-9),
            check("as printed", 0.5, expected=False, note=HOSTILE),
        ],
        "plots": [{"file": "a plot.png", "caption": f"a caption, {HOSTILE}"}],
        "notes": [HOSTILE],
        "seconds": 3.25,
        "ok": True,
    }
    return found | changes


def write_replay(folder: Path, **changes: Any) -> None:
    """Findings as `nn-parity replay` leaves them."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    found = replay_of(folder.name, **changes)
    (folder / "replay.json").write_text(json.dumps(found), encoding="utf-8")
    for plot in found["plots"]:
        Image.new("RGBA", (40, 30), "white").save(folder / plot["file"])


def write_report(folder: Path) -> Path:
    """A report of a few components, of a short digits run, and of replays that are there already."""
    from experiments.articles import ARTICLES
    from experiments.site import build, overview, twins
    from experiments.training import results
    from experiments.training.data import DATA_DIR

    for name in ARTICLES:
        if name != "mnist-mlp":
            write_replay(folder / "runs" / "replay" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv(DATA_DIR, raising=False)
        patch.setattr(overview, "SIZES", (17,))
        patch.setattr(overview, "PROGRAMS", 1)
        patch.setattr(twins, "EPOCHS", 2)
        patch.setattr(results, "find_spec", lambda name: None)  # no pictures of the run: pages have their own
        return build.build(folder / "site", PATTERN, whole=True).output


LOADS = {"link": "href", "script": "src", "img": "src", "source": "src", "iframe": "src", "object": "data"}


class Page(HTMLParser):
    """What is on a page: ids, links, what is loaded, handlers in the text, and the text itself."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.tags.append(tag)
        self.handlers += [name for name in values if name.startswith("on")]
        if "id" in values:
            self.ids.append(values["id"])
        if tag in LOADS and LOADS[tag] in values:
            self.loads.append(values[LOADS[tag]])
        elif "href" in values:
            self.links.append(values["href"])

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(site: Path) -> list[Page]:
    return [Page(path) for path in sorted(site.rglob("*.html"))]

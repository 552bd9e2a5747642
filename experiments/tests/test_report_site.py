"""The report as files: what links lead to, what is loaded, what is escaped, and that figures say what was found."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from experiments.site import overview, speed
from experiments.site.build import size
from experiments.site.pages import Component, Site, anchor, components, percent
from experiments.tests.report_site import ENVIRONMENT, HOSTILE, Page, pages
from parity_tests.checks.streams import Row
from parity_tests.rule import Result, exactly
from parity_tests.table import TABLE

MOST = 10e6  # bytes of the whole site
SEEDS = [Row("rand", "float32", "bit-identical", 5, True), Row("init.normal_(0, 1)", "float64", "3 differ", 7, False)]


# --- the site as files ------------------------------------------------------------------------------------------------


def broken(site: Path) -> list[str]:
    """Links and loads that lead to nothing in the site. Links to other sites are free, pictures may stand in a page."""
    read = {page.path.resolve(): page for page in pages(site)}
    found = []
    for path, page in read.items():
        for target in [*page.links, *page.loads]:
            parts = urlsplit(target)
            if target.startswith("data:image/") or (parts.scheme in ("http", "https") and target not in page.loads):
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            inside = not parts.scheme and not parts.netloc and there.is_relative_to(site.resolve())
            known = there.is_file() and (not parts.fragment or parts.fragment in read[there].ids)
            if not (inside and known):
                found.append(f"{path.name}: {target}")
    return found


def test_every_link_leads_to_something_and_nothing_is_loaded_from_elsewhere(small_report: Path) -> None:
    assert broken(small_report) == []
    names = {path.relative_to(small_report).as_posix() for path in small_report.rglob("*.html")}
    assert {
        "index.html",
        "twins.html",
        "replays.html",
        "exercises.html",
        "replays/gan.html",
        "components/nn.softmax.html",
    } <= names


@pytest.mark.parametrize(
    "text",
    ['<a href="nothing.html">', '<a href="index.html#nothing">', '<img src="https://a.org/b.png">', '<img src="../c">',
     '<script src="//a.org/b.js"></script>', '<link href="http://a.org/b.css">'],
)  # fmt: skip
def test_a_link_that_leads_nowhere_is_found(text: str, tmp_path: Path) -> None:
    (tmp_path / "c").touch()
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text('<p id="here"><a href="#here"></a><a href="https://arxiv.org/"></a>')
    assert broken(site) == []
    (site / "page.html").write_text(text)
    assert len(broken(site)) == 1


def test_style_and_drawings_load_nothing(small_report: Path) -> None:
    for path in [*small_report.rglob("*.css"), *small_report.rglob("*.svg")]:
        text = path.read_text(encoding="utf-8")
        assert "@import" not in text, path
        assert "url(http" not in text.replace('"', "").replace("'", ""), path
        assert 'href="http' not in text, path


def test_an_id_stands_once_on_a_page(small_report: Path) -> None:
    for page in pages(small_report):
        assert [name for name, count in Counter(page.ids).items() if count > 1] == [], page.path


def test_no_two_rows_of_a_component_share_an_anchor() -> None:
    places = Counter((row.name, anchor(row.label)) for row in TABLE)
    assert [place for place, count in places.items() if count > 1] == []
    assert len({one.page for one in components()}) == len(components())


def test_a_site_of_all_components_would_be_small(small_report: Path) -> None:
    of_components = size(small_report / "components")
    count = len(list((small_report / "components").glob("*.html")))
    assert of_components / count * len(components()) + size(small_report) - of_components < MOST


def test_texts_are_escaped(small_report: Path) -> None:
    for page in pages(small_report):
        assert page.handlers == [], page.path
    page = Page(small_report / "replays" / "gan.html")
    for what in ("a title, ", "a source, ", "a claim, ", "what ", "a caption, ", ""):
        assert what + HOSTILE in page.text
    assert Counter(page.tags)["img"] == 1


# --- the overview -----------------------------------------------------------------------------------------------------


def overview_of(monkeypatch: pytest.MonkeyPatch, output: Path, *found: Component) -> Page:
    monkeypatch.setattr(overview.seeds, "table", lambda *_: SEEDS)
    overview.write(Site(output, [*found], ENVIRONMENT), overview.same_seed(found))
    return Page(output / "index.html")


def component(name: str, *results: Result) -> Component:
    return Component(name, "activation", [*results])


def test_the_overview_names_what_failed_and_links_each_number_to_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed.bench, "RESULTS", tmp_path)
    near = Result("nn.ReLU[a case]", "output", "float32", 3.0, 4.0)
    far = Result("nn.ReLU", "grad input", "float64", 1.0, 4.0)
    page = overview_of(monkeypatch, tmp_path, component("nn.ReLU", far, near), component("nn.ELU", far))
    assert page.links.count("components/nn.relu.html#row-nn.relu-a-case") == 4  # summary, cell, family, all
    assert "75 %" in page.text
    assert "none failed" in page.text
    assert "not measured" in page.text
    beyond = exactly("nn.ELU[refuses x]", "raises", None, False, HOSTILE)
    page = overview_of(monkeypatch, tmp_path, component("nn.ReLU", near), component("nn.ELU", far, beyond))
    assert "failed: nn.ELU." in page.text
    assert "failed, beyond" in page.text
    assert "components/nn.elu.html#row-nn.elu-refuses-x" in page.links


def test_the_overview_escapes_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = overview_of(monkeypatch, tmp_path, component(f"nn.{HOSTILE}", Result(HOSTILE, HOSTILE, "x", 1.0, 4.0)))
    assert page.handlers == []
    assert page.tags.count("script") == len(page.loads) - 2 == 3  # the other loads are style sheets
    assert HOSTILE in page.text


@pytest.mark.parametrize(
    ("share", "text", "shade"),
    [(0.0, "0", 0), (1e-4, "< 1 %", 0), (0.299, "29 %", 2), (0.9999, "99 %", 9), (1.0, "100 %", 9), (2.5, "2.5 ×", 9),
     (float("inf"), "beyond", 9)],
)  # fmt: skip
def test_a_share_is_never_rounded_to_the_other_side_of_the_limit(share: float, text: str, shade: int) -> None:
    assert (percent(share), overview.shade(share)) == (text, shade)


def test_the_same_seed_table_joins_dtypes_and_links_components(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Row("nn.RReLU()", dtype, "bit-identical", 3, True) for dtype in ("float32", "float64")]
    monkeypatch.setattr(overview.seeds, "table", lambda *_: [*rows, *SEEDS])
    known = [component("nn.RReLU"), component("nn.init.normal_")]
    joined, rand, normal = overview.same_seed(known)
    assert (joined.dtypes, joined.values, joined.component) == ("float32, float64", 6, known[0])
    assert (rand.component, normal.component, normal.ok) == (None, known[1], False)


def bench_report(ratio: float) -> dict[str, Any]:
    times = {"scratch": {"forward": [2e-4 * ratio] * 3}, "torch": {"forward": [2e-4] * 3}}
    limit = {"most": 2.0, "against": "torch", "phase": "", "late": False, "value": ratio, "kept": ratio <= 2}
    ratios = {"torch": {"median": ratio, "low": ratio / 2, "high": ratio * 2}}
    result = {"case": "nn.ReLU", "setting": {"name": "nn.ReLU"}, "unit": "s", "values": times, "accuracy": {},
              "ratios": ratios, "limits": [limit], "facts": {}, "unavailable": {}, "error": "",
              "reason": HOSTILE}  # fmt: skip
    machine = {"processor": "a processor", "cores": 2, "instructions": "avx2"}
    return {"group": "components", "date": "a date", "commit": "a commit", "machine": machine, "versions": {},
            "quick": False, "results": [result]}  # fmt: skip


def test_speed_is_that_of_the_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed.bench, "RESULTS", tmp_path)
    (tmp_path / "bench-components.json").write_text(json.dumps(bench_report(3.0)))
    page = overview_of(monkeypatch, tmp_path, component("nn.ReLU"), component("nn.ELU"))
    for text in (
        "3.00",
        "1.50 to 6.00",
        "600 µs",
        "200 µs",
        "missed",
        "a processor",
        "a commit",
        "1 of 2 components",
        HOSTILE,
    ):
        assert text in page.text


def test_an_optimizer_is_measured_at_the_usual_size_without_options() -> None:
    settings = [("Adam", "100 thousand"), ("Adam", "10 million"), ("SGD, momentum", "100 thousand")]
    names = [speed._name({"setting": {"rule": rule, "size": size}}) for rule, size in settings]
    known = {one.name for one in components()}
    assert [name in known for name in names] == [True, False, False]


def test_a_scale_holds_all_ratios_and_one() -> None:
    one = component("nn.ReLU")
    speeds = [speed.Speed(one, "", "", ratio, "", "", False, "") for ratio in (1.3, 7.0)]
    scale = speed.Scale.of(speeds)
    assert (scale.low, scale.high, scale.place(scale.low), scale.place(scale.high)) == (0.5, 10.0, 0, 100)
    assert scale.place(1.3) < scale.place(7.0)


def test_the_overview_and_the_pages_agree_on_every_percentage(small_report: Path) -> None:
    text = (small_report / "index.html").read_text(encoding="utf-8")
    shown = dict(re.findall(r'class="share" href="([^"#]+)#[^>]*>([^<]*)</a>', text))
    assert len(shown) >= 5
    for path, share in shown.items():
        page = (small_report / path).read_text(encoding="utf-8")
        found = re.search(r"the largest error is at\s+(.*?) of its limit", page)
        assert (found.group(1) if found else "0") == share, path


def test_the_exercises_are_listed_by_difficulty(small_report: Path) -> None:
    page = Page(small_report / "exercises.html")
    assert page.links.count("components/nn.softmax.html") == 1
    counts = [int(count) for count in re.findall(r'class="n">(\d+)<', page.path.read_text(encoding="utf-8"))]
    assert len(counts) >= 5
    assert counts == sorted(counts)
    assert "nn-parity exercise nn.Softmax" in page.text
    assert "nn-parity exercise nn.Softmax" in Page(small_report / "components" / "nn.softmax.html").text

"""The report as files: what links lead to, what is loaded, what is escaped, and that figures say what was found."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from experiments.report import overview, replays, speed, twins
from experiments.report.build import size
from experiments.report.site import Component, Site, anchor, components
from experiments.tests.report_site import HOSTILE, Page, pages, write_replay
from parity_tests.pairs import TABLE
from parity_tests.seeds import Row
from parity_tests.tolerance import Result, exactly

MOST = 10e6  # bytes of the whole site
ENVIRONMENT = {"numpy": "2", "torch": "2", "python": "3", "machine": "m", "device": "d"}
SEEDS = [Row("rand", "float32", "bit-identical", 5, True), Row("init.normal_(0, 1)", "float64", "3 differ", 7, False)]


# --- the site as files ------------------------------------------------------------------------------------------------


def broken(site: Path) -> list[str]:
    """Links and loads that lead to nothing in the site; links to other sites are left to their own."""
    read = {page.path.resolve(): page for page in pages(site)}
    found = []
    for path, page in read.items():
        for target in [*page.links, *page.loads]:
            parts = urlsplit(target)
            if parts.scheme in ("http", "https") and target not in page.loads:
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
    assert {"index.html", "twins.html", "replays.html", "replays/gan.html", "components/nn.softmax.html"} <= names


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
    overview.write(Site(output, [*found], ENVIRONMENT))
    return Page(output / "index.html")


def component(name: str, *results: Result) -> Component:
    return Component(name, "activation", [*results])


def test_the_overview_names_what_failed_and_links_each_number_to_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert page.tags.count("script") == 1
    assert HOSTILE in page.text


@pytest.mark.parametrize(
    ("share", "text", "shade"),
    [(0.0, "0", 0), (1e-4, "< 1 %", 0), (0.299, "29 %", 2), (0.9999, "99 %", 9), (1.0, "100 %", 9), (2.5, "2.5 ×", 9),
     (float("inf"), "beyond", 9)],
)  # fmt: skip
def test_a_share_is_never_rounded_to_the_other_side_of_the_limit(share: float, text: str, shade: int) -> None:
    assert (overview.percent(share), overview.shade(share)) == (text, shade)


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
    result = {"case": "nn.ReLU", "setting": {"name": "nn.ReLU"}, "unit": "s", "values": times, "accuracy": {},
              "ratios": {"torch": {"median": ratio, "low": ratio, "high": ratio}}, "limits": [limit], "facts": {},
              "unavailable": {}, "error": "", "reason": HOSTILE}  # fmt: skip
    machine = {"processor": "a processor", "cores": 2, "instructions": "avx2"}
    return {"group": "components", "date": "a date", "commit": "a commit", "machine": machine, "versions": {},
            "quick": False, "results": [result]}  # fmt: skip


def test_speed_is_that_of_the_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed.bench, "RESULTS", tmp_path)
    (tmp_path / "bench-components.json").write_text(json.dumps(bench_report(3.0)))
    page = overview_of(monkeypatch, tmp_path, component("nn.ReLU"), component("nn.ELU"))
    for text in ("3.00", "600 µs", "200 µs", "missed", "a processor", "a commit", "1 of 2 components", HOSTILE):
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


# --- the twins --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run of both engines."""
    return twins.train_digits(tmp_path_factory.mktemp("run"), epochs=1).output


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, the only one in its folder."""
    return Path(shutil.copytree(trained, tmp_path / "runs" / "first"))


def test_the_last_run_of_both_engines_is_shown(run: Path) -> None:
    def later(name: str, seconds: int) -> Path:
        copy = Path(shutil.copytree(run, run.parent / name))
        made = (run / "metrics.json").stat().st_mtime + seconds
        os.utime(copy / "metrics.json", (made, made))
        return copy

    last, alone, old = later("last", 1), later("alone", 2), later("old", 3)
    shutil.rmtree(alone / "torch")
    (old / "config.yaml").write_text("an_option: of another version\n")
    found = twins.last_run(run.parent)
    assert found is not None
    assert found.output == last
    assert twins.last_run(run.parent / "nothing") is None


def test_the_page_of_the_twins_shows_what_the_run_found(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "RUNS", run.parent)
    predictions = run / "scratch" / "predictions.csv"
    lines = predictions.read_text().splitlines()
    image, label, predicted, confidence = lines[1].split(",")
    lines[1] = f"{image},{label},{(int(predicted) + 1) % 10},{confidence}"
    predictions.write_text("\n".join(lines) + "\n")
    for output in ("one", "two"):
        twins.write(Site(run / output, [], ENVIRONMENT))
    one, two = ((run / output / "twins.html").read_text() for output in ("one", "two"))
    assert one == two  # drawings included
    page = Page(run / "one" / "twins.html")
    assert page.tags.count("svg") == 2
    assert "differ on 1 of 360 images" in page.text
    assert "every bit equal" in page.text
    figures = json.loads((run / "metrics.json").read_text())["runs"]["torch"]
    assert f"{100 * figures['test_accuracy']:.2f} %" in page.text


def test_a_matrix_counts_every_image(run: Path) -> None:
    with open(run / "torch" / "predictions.csv", newline="") as file:
        rows = [(int(row["label"]), int(row["predicted"])) for row in csv.DictReader(file)]
    labels, predicted = map(np.array, zip(*rows, strict=True))
    matrix = twins.matrix("torch", predicted, labels)
    counts = np.array([[count for count, *_ in row] for row in matrix["rows"]])
    assert counts.sum() == len(labels)
    assert counts[3, 5] == np.sum((labels == 3) & (predicted == 5))
    shades = np.array([[shade for _, shade, _ in row] for row in matrix["rows"]])
    wrong = counts * ~np.eye(10, dtype=bool)
    assert shades.max() == twins.SHADES
    assert ((shades > 0) == (wrong > 0)).all()


# --- the replays ------------------------------------------------------------------------------------------------------


def replays_of(output: Path) -> Page:
    replays.write(Site(output, [], ENVIRONMENT))
    return Page(output / "replays.html")


def test_findings_are_shown_and_what_is_missing_is_replayed_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = tmp_path / "runs"
    figure = {"what": "accuracy", "article": "0.9", "scratch": "0.5", "torch": "0.9", "ok": False}
    write_replay(known / "gan", ok=False, figures=[figure])
    asked: list[str] = []

    def replayed(names: list[str], output: Path) -> list[str]:
        asked.extend(names)
        for name in names[1:]:
            write_replay(output / name)
        return ["It needs data that are not here: <none>", *[""] * (len(names) - 1)]

    monkeypatch.setattr(replays, "RUNS", known)
    monkeypatch.setattr(replays, "_replayed", replayed)
    page = replays_of(tmp_path / "site")
    assert set(asked) == set(replays.ARTICLES) - {"gan", *replays.SLOW}
    assert f"nn-parity replay {asked[0]} mnist-mlp" in page.text
    assert "FAILED" in page.text
    assert "It does not hold" in Page(tmp_path / "site" / "replays" / "gan.html").text
    assert "needs data that are not here: <none>" in Page(tmp_path / "site" / "replays" / f"{asked[0]}.html").text
    other = Page(tmp_path / "site" / "replays" / f"{asked[1]}.html")
    assert "It holds" in other.text
    assert "caught" in other.text


def test_articles_are_replayed_in_processes_of_their_own(tmp_path: Path) -> None:
    assert replays._replayed(["lstm"], tmp_path) == [""]
    assert json.loads((tmp_path / "lstm" / "replay.json").read_text())["ok"]

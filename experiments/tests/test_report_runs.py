"""The pages of the twin training and of the articles: which runs they show, and that the figures are those of a run."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import webbrowser
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.site import build, overview, replays, runs, twins
from experiments.site.pages import Component, Site
from experiments.tests.report_site import ENVIRONMENT, Page, figure, write_replay
from parity_tests.rule import Result

pytestmark = pytest.mark.usefixtures("no_pictures")

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
    finished = json.loads((run / "scratch" / "finished.json").read_text())
    finished["files"]["predictions.csv"] = hashlib.sha256(predictions.read_bytes()).hexdigest()
    (run / "scratch" / "finished.json").write_text(json.dumps(finished))
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


def test_findings_are_shown_and_what_was_not_replayed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = tmp_path / "runs"
    failed = figure("accuracy", text="0.9", place="a table", scratch="0.5", torch="0.9", ok=False)
    write_replay(known / "gan", ok=False, figures=[failed])
    write_replay(known / "cnn")
    monkeypatch.setattr(replays, "RUNS", known)
    page = replays_of(tmp_path / "site")
    absent = [name for name in replays.ARTICLES if name not in ("gan", "cnn")]
    assert f"nn-parity replay {' '.join(absent)}" in page.text
    assert "FAILED" in page.text
    assert "It does not hold" in Page(tmp_path / "site" / "replays" / "gan.html").text
    assert "It has not been replayed" in Page(tmp_path / "site" / "replays" / f"{absent[0]}.html").text
    other = Page(tmp_path / "site" / "replays" / "cnn.html")
    assert "It holds" in other.text
    assert "caught" in other.text


# --- a report of some components --------------------------------------------------------------------------------------


def test_a_report_of_one_component_trains_and_replays_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("only the whole report does this")

    for module, name in ((twins, "write"), (replays, "write"), (overview, "same_seed")):
        monkeypatch.setattr(module, name, forbidden)
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert build.command(tmp_path, "nn.Tanh", open_page=True)
    page = tmp_path / "components" / "nn.tanh.html"
    assert opened == [page.as_uri()]
    told = capsys.readouterr()
    assert told.out.endswith(f"Open {page}\n")
    assert "report, page 1 of 1: nn.Tanh" in told.out
    header = Page(page).links
    assert not {"../twins.html", "../replays.html"} & {*header}
    assert "same bits from the same seed" not in Page(tmp_path / "index.html").text
    with pytest.raises(AssertionError, match="only the whole report"):
        build.build(tmp_path, "nn.Tanh", whole=True)


def test_no_worker_is_sent_the_results_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece gets a site without results: with those of all before it, packing takes longer than the pages."""
    sent: list[int] = []

    def write(site: Site, name: str) -> Component:
        sent.append(sum(len(one.results) for one in site.components))
        found = next(one for one in site.components if one.name == name)
        return replace(found, results=[Result(name, "output", "float32", 0.0, 4.0)])

    monkeypatch.setattr(build.component, "write", write)
    site = build.build(tmp_path, "latten")
    assert sent == [0, 0]
    assert [(one.name, len(one.results)) for one in site.components] == [("nn.Flatten", 1), ("nn.Unflatten", 1)]


# --- the list of runs -------------------------------------------------------------------------------------------------


def test_every_run_below_the_folder_is_listed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run.parent
    shutil.copytree(run, folder / "deep" / "er")
    for name, text in (
        ("damaged", "{"),
        ("another", '{"results": []}'),
        ("strange", '{"runs": {"a": 1}, "config": {}}'),
    ):
        (folder / name).mkdir()
        (folder / name / "metrics.json").write_text(text)
    (run / "curves.png").touch()
    monkeypatch.setattr(runs, "RUNS", folder)
    site = Site(folder / "report", [], ENVIRONMENT)
    runs.write(site)
    page = Page(folder / "report" / "runs.html")
    assert {"../first", "../deep/er", "../first/curves.png"} <= {*page.links}
    assert "damaged" not in page.text
    metrics = json.loads((run / "metrics.json").read_text())
    for name, figures in metrics["runs"].items():
        shown = f"{name}{100 * figures['test_accuracy']:.2f} %{figures['test_loss']:.4f}"
        assert shown in "".join(page.text.splitlines())
    monkeypatch.setattr(runs, "RUNS", folder / "nowhere")
    runs.write(site)
    assert "nn-parity train" in Page(folder / "report" / "runs.html").text

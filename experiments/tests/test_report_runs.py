"""The pages of the twin training and of the articles: which runs they show, and that the figures are those of a run."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from experiments.site import replays, twins
from experiments.site.pages import Site
from experiments.tests.report_site import ENVIRONMENT, Page, write_replay

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
        return ["It needs data that are missing: <none>", *[""] * (len(names) - 1)]

    monkeypatch.setattr(replays, "RUNS", known)
    monkeypatch.setattr(replays, "_replayed", replayed)
    page = replays_of(tmp_path / "site")
    assert set(asked) == set(replays.ARTICLES) - {"gan", *replays.SLOW}
    assert f"nn-parity replay {asked[0]} mnist-mlp" in page.text
    assert "FAILED" in page.text
    assert "It does not hold" in Page(tmp_path / "site" / "replays" / "gan.html").text
    assert "needs data that are missing: <none>" in Page(tmp_path / "site" / "replays" / f"{asked[0]}.html").text
    other = Page(tmp_path / "site" / "replays" / f"{asked[1]}.html")
    assert "It holds" in other.text
    assert "caught" in other.text


def test_articles_are_replayed_in_processes_of_their_own(tmp_path: Path) -> None:
    assert replays._replayed(["lstm"], tmp_path) == [""]
    assert json.loads((tmp_path / "lstm" / "replay.json").read_text())["ok"]

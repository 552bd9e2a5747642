"""The catalog of mistakes and the numbers of the chapter: every one is computed, and changes with what it is about."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.articles import mistakes
from experiments.articles.article import Replay
from experiments.articles.foundations import printed
from experiments.articles.mistakes import adventure, chapter, math_behind, row, soft
from experiments.articles.texts import TEXTS
from experiments.articles.twin import TWINS


def both(value: float) -> dict[str, float]:
    return {"scratch": value, "torch": value}


@pytest.fixture(scope="module")
def found() -> Replay:
    return mistakes.run(Path())


def test_every_mistake_is_caught_and_every_suspicion_is_cleared(found: Replay) -> None:
    assert [row.what for row in found.figures if row.verdict == "FAILED"] == []
    assert {row.part for row in found.figures} == {*(text.english for text in TEXTS), mistakes.SUSPECTED}
    verdicts = {row.part == mistakes.SUSPECTED: set() for row in found.figures}
    for one in found.figures:
        verdicts[one.part == mistakes.SUSPECTED].add(one.verdict)
    assert verdicts == {True: {"ok"}, False: {"caught"}}
    assert len([row for row in found.figures if row.verdict == "caught"]) >= 34


def test_every_mistake_says_what_is_printed_where_and_what_is_wrong(found: Replay) -> None:
    assert all(row.text and row.place for row in found.figures)
    assert all(row.note for row in found.figures if row.verdict == "caught")
    assert len({(row.part, row.what) for row in found.figures}) == len(found.figures)


def test_what_is_no_mistake_is_not_caught() -> None:
    assert row.mistake("", "2.01", "a heading", 2.01, 2.01, both(2.01), "").verdict == "FAILED"
    assert row.mistake("", "2.01", "a heading", 2.01, 51.35, both(51.35), "").verdict == "caught"
    assert row.mistake("", "2.01", "a heading", 2.01, 51.35, both(51.3), "").verdict == "FAILED"
    assert row.met("", "x", "a heading", "nan", {"scratch": "nan", "torch": "1"}, "").verdict == "FAILED"
    assert row.counted("", "x", "a heading", 0, 1, 0, "").verdict == "FAILED"
    assert row.bounded("", "x", "a heading", "over 1", both(0.5), 1, None, "").verdict == "FAILED"
    assert row.right("", "0.235", "a heading", 0.235294, both(0.235294)).verdict == "ok"
    assert row.right("", "0.236", "a heading", 0.235294, both(0.235294)).verdict == "FAILED"


def test_a_text_that_were_right_would_not_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adventure, "LOSSES", (0.3559, 0.3315, 0.3289))  # a decrease indeed, of 0.0026
    assert [row.what for row in adventure.figures() if row.verdict == "FAILED"] == [
        "change of the loss from iteration 8910 to the next"
    ]
    monkeypatch.setattr(math_behind, "IMPORTED", math_behind.USED)
    wrong = [row.what for row in math_behind._listing() if row.verdict == "FAILED"]
    assert wrong == ["names that the listing uses and does not import"]
    monkeypatch.setattr(soft, "_unshifted", lambda twin: "1.0")
    assert [row.what for row in soft.figures() if row.verdict == "FAILED"] == ["softmax of (1000, 0) as printed"]


def test_the_numbers_of_the_chapter_are_recomputed(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = Replay("", "", "", "")
    printed.replay(replay, Path())
    verdicts = {row.what: row.verdict for row in replay.figures if row.text}
    assert [what for what, verdict in verdicts.items() if verdict == "caught"] == ["the ratio after it"]
    assert {*verdicts.values()} == {"ok", "caught"}
    monkeypatch.setattr(printed, "P", np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.1]))
    assert [row.verdict for row in printed._variable()][:2] == ["FAILED", "FAILED"]


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_polynomial_units_do_not_follow_a_corner(twin: Any) -> None:
    errors = {name: chapter._fit(twin, name) for name in (None, "Tanh", "ReLU")}
    assert errors[None] > 0.15 > 0.02 > max(errors["Tanh"], errors["ReLU"])
    assert chapter._fit(twin, None, 400) == pytest.approx(errors[None], rel=1e-3)

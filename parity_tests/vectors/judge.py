"""`nn-parity vectors check`: a folder of answers against the truth, by the rule of tolerance.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity_tests.tolerance import Result, distance, exactly
from parity_tests.vectors.files import ANSWERS, open_tensors, read_expected
from parity_tests.vectors.vector import Json, VectorsError

Entries = list[dict[str, Json]]


@dataclass(frozen=True)
class Answered:
    """A row of a vectors folder, by its label."""

    label: str


def judge(folder: Path, rows: Iterable[dict[str, str]]) -> list[tuple[Answered, list[Result]]]:
    """The results of the rows that have an answer."""
    return [
        (Answered(row["label"]), judge_row(folder, row["name"], row["label"])) for row in rows if has_answer(folder, row["name"])
    ]


def has_answer(folder: Path, name: str) -> bool:
    path = _answer(folder, name)
    return path.exists() or path.is_symlink()


def judge_row(folder: Path, name: str, label: str) -> list[Result]:
    """An answer that cannot be read is a failure of its row; vectors that cannot be read are an error."""
    expected, truths = read_expected(folder, name)
    random = _random_cases(folder, name)
    try:
        with open_tensors(_answer(folder, name)) as tensors:
            unknown = tensors.kinds.keys() - {entry["name"] for entry in expected}
            results = [exactly(label, f"{what!r}", None, False, "nothing of this name is asked for") for what in sorted(unknown)]
            for entry in _due(expected, tensors.kinds.keys(), random):
                kind = tensors.kinds.get(entry["name"])
                asked = entry["dtype"], tuple(entry["shape"])
                what = f"{entry['case']} {entry['what']}"
                if kind != asked:
                    note = "missing" if kind is None else f"{_text(kind)}, asked for {_text(asked)}"
                    results.append(exactly(label, what, entry["precision"], False, note))
                else:
                    error = distance(tensors.read(entry["name"]), truths[entry["truth"]])
                    results.append(Result(label, what, entry["precision"], error, entry["limit_ulp"]))
    except VectorsError as error:
        return [exactly(label, "answer", None, False, str(error))]
    return results or [exactly(label, "answer", None, False, "it answers nothing")]


def _due(expected: Entries, given: Iterable[str], random: set[str]) -> Entries:
    """A precision that is begun must be complete, but for cases of random numbers of which nothing is given."""
    given = set(given)
    begun = {(e["precision"], e["case"]) for e in expected if e["name"] in given}
    precisions = {precision for precision, _ in begun}
    return [
        e for e in expected if e["precision"] in precisions and (e["case"] not in random or (e["precision"], e["case"]) in begun)
    ]

"""`nn-parity vectors check`: a folder of answers against the truth, by the rule of rule.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from parity_tests.rule import Result, distance, exactly
from parity_tests.vectors.files import ANSWERS, Asked, Tensors, open_tensors, read_asked
from parity_tests.vectors.vector import Json, VectorsError


@dataclass(frozen=True)
class Answered:
    """A row of a vectors folder, by its label."""

    label: str


def judge(
    folder: Path, rows: Iterable[dict[str, str]], all_rows: bool = False
) -> Iterator[tuple[Answered, list[Result]]]:
    """The results of the rows that have an answer; with `all_rows`, a row without one is a failure."""
    for row in rows:
        if all_rows or has_answer(folder, row["name"]):
            yield Answered(row["label"]), judge_row(folder, row["name"], row["label"])


def has_answer(folder: Path, name: str) -> bool:
    path = _answer(folder, name)
    return path.exists() or path.is_symlink()


def judge_row(folder: Path, name: str, label: str) -> list[Result]:
    """An answer that cannot be read is a failure of its row; vectors that cannot be read are an error."""
    asked = read_asked(folder, name)
    try:
        with open_tensors(_answer(folder, name)) as tensors:
            results = list(_results(asked, tensors, label))
    except VectorsError as error:
        return [exactly(label, "answer", None, False, str(error))]
    return results or [exactly(label, "answer", None, False, "it contains no tensors")]


def _results(asked: Asked, answer: Tensors, label: str) -> Iterator[Result]:
    for name in sorted(answer.kinds.keys() - {entry["name"] for entry in asked.expected}):
        yield exactly(label, repr(name), None, False, "no tensor of this name is expected")
    for entry in _due(asked, set(answer.kinds)):
        what, precision = f"{entry['case']} {entry['what']}", entry["precision"]
        wanted, kind = (entry["dtype"], tuple(entry["shape"])), answer.kinds.get(entry["name"])
        if kind != wanted:
            came = "nothing" if kind is None else f"{kind[0]}{list(kind[1])}"
            yield exactly(label, what, precision, False, f"got {came}, expected {wanted[0]}{list(wanted[1])}")
            continue
        error = distance(answer.read(entry["name"]), asked.truths[entry["truth"]])
        yield Result(label, what, precision, error, entry["limit_ulp"])


def _due(asked: Asked, given: set[str]) -> list[dict[str, Json]]:
    """A precision with any answer must be complete, except for random cases without any answer."""
    begun = {(entry["precision"], entry["case"]) for entry in asked.expected if entry["name"] in given}
    precisions = {precision for precision, _ in begun}
    return [
        entry
        for entry in asked.expected
        if entry["precision"] in precisions
        and (entry["case"] not in asked.random or (entry["precision"], entry["case"]) in begun)
    ]


def _answer(folder: Path, name: str) -> Path:
    return folder / ANSWERS / f"{name}.safetensors"

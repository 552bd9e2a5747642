"""`nn-parity vectors check`: a folder of answers against the truth, by the rule of rule.py."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity_tests.rule import BFLOAT16, Result, distance, exactly
from parity_tests.vectors.files import ANSWERS, Asked, Tensors, open_tensors, read_asked
from parity_tests.vectors.vector import Json, VectorsError

SCALE, ZERO = " scale", " zero_point"  # after the name of a tensor of int8


@dataclass(frozen=True)
class Answered:
    """A row of a vectors folder, by its label."""

    label: str


def judge(
    folder: Path, rows: Iterable[dict[str, str]], all_rows: bool = False, partial: bool = False
) -> Iterator[tuple[Answered, list[Result]]]:
    """The results of the rows that have an answer; with `all_rows`, a row without one is a failure.

    `partial` says that an answer may lack numbers, as that to a call of a model may.
    """
    for row in rows:
        if all_rows or has_answer(folder, row["name"]):
            yield Answered(row["label"]), judge_row(folder, row["name"], row["label"], partial and not all_rows)


def has_answer(folder: Path, name: str) -> bool:
    path = _answer(folder, name)
    return path.exists() or path.is_symlink()


def judge_row(folder: Path, name: str, label: str, partial: bool = False) -> list[Result]:
    """An answer that cannot be read is a failure of its row; vectors that cannot be read are an error."""
    asked = read_asked(folder, name)
    try:
        with open_tensors(_answer(folder, name)) as tensors:
            results = list(_results(asked, tensors, label, partial))
    except VectorsError as error:
        return [exactly(label, "answer", None, False, str(error))]
    return results or [exactly(label, "answer", None, False, "it contains no tensors")]


def missing(folder: Path, name: str) -> list[str]:
    """What an answer lacks of the precisions in which it has anything."""
    asked = read_asked(folder, name)
    try:
        with open_tensors(_answer(folder, name)) as tensors:
            given = set(tensors.kinds)
    except VectorsError:  # a failure of its row
        return []
    return [entry["what"] for entry in _due(asked, given) if entry["name"] not in given]


def read_answer(file: Tensors, name: str) -> np.ndarray:
    """One answer. int8 with a scale, and perhaps a zero point, are the numbers scale (q - zero_point)."""
    value = file.read(name)
    if file.kinds[name][0] != "int8" or name + SCALE not in file.kinds:
        return value
    scale, zero = (file.read(name + end) if name + end in file.kinds else np.zeros(()) for end in (SCALE, ZERO))
    try:
        found = np.broadcast_to(scale.astype(np.float64), value.shape) * (value - zero.astype(np.float64))
        return np.broadcast_to(found, value.shape)
    except ValueError:
        shapes = f"{list(scale.shape)} and {list(zero.shape)}"
        raise VectorsError(f"scale and zero_point of {name!r}, {shapes}, do not fit {list(value.shape)}") from None


def kinds_allowed(entry: dict[str, Json]) -> tuple[str, ...]:
    """The dtypes of an answer: numbers of int8 may also come with the scale multiplied, in float32."""
    return ("int8", "float32") if entry["precision"] == entry["dtype"] == "int8" else (entry["dtype"],)


def belongs(name: str, expected: Collection[str]) -> bool:
    """Whether a tensor is the scale or the zero point of an expected one."""
    return any(name.endswith(end) and name.removesuffix(end) in expected for end in (SCALE, ZERO))


def error_of(value: np.ndarray, truth: np.ndarray, precision: str) -> float:
    """The distance in the unit of the answer's precision."""
    return distance(value, truth, precision if precision in (BFLOAT16, "int8") else None)


def _results(asked: Asked, answer: Tensors, label: str, partial: bool) -> Iterator[Result]:
    expected = {entry["name"] for entry in asked.expected}
    for name in sorted(answer.kinds.keys() - expected):
        if not belongs(name, expected):
            yield exactly(label, repr(name), None, False, "no tensor of this name is expected")
    for entry in _due(asked, set(answer.kinds)):
        what, precision = f"{entry['case']} {entry['what']}", entry["precision"]
        if partial and entry["name"] not in answer.kinds:
            continue
        wanted, kind = (entry["dtype"], tuple(entry["shape"])), answer.kinds.get(entry["name"])
        if kind is None or kind[0] not in kinds_allowed(entry) or kind[1] != wanted[1]:
            came = "nothing" if kind is None else f"{kind[0]}{list(kind[1])}"
            yield exactly(label, what, precision, False, f"got {came}, expected {wanted[0]}{list(wanted[1])}")
            continue
        error = error_of(read_answer(answer, entry["name"]), asked.truths[entry["truth"]], precision)
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

"""A page's worked example: numbers as text, each step with what it left, both engines side by side, programs to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from experiments.lessons.example import Example, example
from experiments.lessons.snippet import scratch_program, torch_program
from experiments.lessons.trace import Step, decimal
from experiments.site.source_code import highlighted
from parity_tests.rule import distance

MOST = 48  # numbers of an array that are written out
WIDE = 34  # characters that fit on a phone


@dataclass(frozen=True)
class Quantity:
    """An array with its name as text: its numbers in rows, as NumPy lays them out."""

    name: str
    shape: str
    text: str

    @property
    def wide(self) -> bool:
        return max(map(len, self.text.splitlines()), default=0) > WIDE


@dataclass(frozen=True)
class Line:
    """A step as a page shows it."""

    function: str
    code: Markup
    values: list[Quantity]
    cell: str


@dataclass(frozen=True)
class Both:
    """One result on both engines, and how far they are apart in ulp."""

    scratch: Quantity
    torch: Quantity
    apart: float


@dataclass(frozen=True)
class Lesson:
    inputs: list[Quantity]
    parameters: list[Quantity]
    cotangents: list[Quantity]
    forward: list[Line]
    backward: list[Line]
    results: list[Both]
    programs: tuple[Markup, Markup]
    example: Example


def lesson(name: str) -> Lesson | None:
    """None for what is no layer."""
    from experiments.site.figures.first_row import quietly

    with quietly():
        found = example(name)
    if found is None:
        return None
    return Lesson(
        [quantity(name, array) for name, array in found.inputs.items()],
        [quantity(name, array) for name, array in found.parameters.items()],
        [quantity(name, array) for name, array in found.cotangents.items() if array.ndim],
        list(_lines(found.forward)),
        list(_lines(found.backward)),
        [_both(name, found.scratch[name], found.torch[name]) for name in found.scratch if name in found.torch],
        (highlighted(scratch_program(found)), highlighted(torch_program(found))),
        found,
    )


def _lines(steps: list[Step]) -> Iterator[Line]:
    for step in steps:
        values = [quantity(name, array) for name, array in step.values]
        yield Line(step.function, highlighted(step.code), values, step.cell)


def _both(name: str, ours: np.ndarray, theirs: np.ndarray) -> Both:
    return Both(quantity(name, ours), quantity(name, theirs), distance(ours, theirs))


def quantity(name: str, array: Any) -> Quantity:
    array = np.asarray(array)
    shape = " × ".join(map(str, array.shape)) if array.ndim else ""
    return Quantity(name, shape, numbers(array))


def numbers(array: np.ndarray) -> str:
    """Four significant digits each, columns under each other, an empty line between matrices."""
    shown = array.ravel()[:MOST] if array.size > MOST else array
    rows = shown.reshape(-1, shown.shape[-1]) if shown.ndim > 1 else shown.reshape(1, -1)
    texts = [[decimal(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    height = shown.shape[-2] if shown.ndim > 2 else 0
    lines = []
    for number, row in enumerate(texts):
        if height and number and number % height == 0:
            lines.append("")
        lines.append("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))
    return "\n".join([*lines, "…"] if array.size > MOST else lines)

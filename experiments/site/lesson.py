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
from experiments.lessons.update import update
from experiments.site.figures.first_row import quietly
from experiments.site.pages import Component
from experiments.site.source_code import highlighted
from parity_tests.rule import distance
from parity_tests.table.row import Pair

LINES = 60  # statements of a pass that are shown
MOST = 36  # numbers of an array that are written out
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
class Pass:
    """The statements of forward, of backward, or of a step: the first LINES of all that ran."""

    title: str
    count: int
    lines: list[Line]


@dataclass(frozen=True)
class Both:
    """One result on both engines, and how far they are apart in ulp."""

    scratch: Quantity
    torch: Quantity
    apart: float


@dataclass(frozen=True)
class Lesson:
    """What is given, the statements by the pass they belong to, both engines' results, and the programs of a layer."""

    given: list[Quantity]
    note: str
    passes: list[Pass]
    results: list[Both]
    programs: tuple[Markup, Markup] | None = None


def lesson(component: Component) -> Lesson | None:
    """The worked example of a component; None for what has none, such as a container."""
    row = next((row for row in component.rows if isinstance(row, Pair)), None)
    with quietly():
        found = example(component.name)
        other = update(row) if found is None and row is not None else None
    if found is not None:
        return _of_layer(found)
    if other is not None:
        passes = [_pass("The second step", other.steps)] if other.steps else []
        return Lesson(_quantities(other.given), other.note, passes, list(_results(other.scratch, other.torch)))
    return None


def _of_layer(found: Example) -> Lesson:
    cotangents = {name: array for name, array in found.cotangents.items() if array.ndim}
    if cotangents:
        what = f"{', '.join(cotangents)}: what comes back from the layers after it"
        note = f"{what}, the gradient of the loss with respect to each output."
    else:
        note = "The gradient of a loss with respect to itself is 1, so nothing else is given."
    return Lesson(
        _quantities(found.inputs | found.parameters | cotangents),
        f"{note} Where random numbers are drawn, both engines start from seed 0.",
        [_pass("Forward", found.forward), _pass("Backward", found.backward)],
        list(_results(found.scratch, found.torch)),
        (highlighted(scratch_program(found)), highlighted(torch_program(found))),
    )


def _quantities(arrays: dict[str, np.ndarray]) -> list[Quantity]:
    return [quantity(name, array) for name, array in arrays.items()]


def _results(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> Iterator[Both]:
    for name, array in ours.items():
        if name in theirs:
            yield Both(quantity(name, array), quantity(name, theirs[name]), distance(array, theirs[name]))


def _pass(title: str, steps: list[Step]) -> Pass:
    return Pass(title, len(steps), list(_lines(steps[:LINES])))


def _lines(steps: list[Step]) -> Iterator[Line]:
    for step in steps:
        values = [quantity(name, array) for name, array in step.values]
        yield Line(step.function, highlighted(step.code), values, step.cell)


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

"""A component's page: its documentation typeset, its code on both engines, figures, options, errors, time, traps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from time import perf_counter

from experiments.lessons.exercise import has_exercise
from experiments.site import docstring, figures, lesson, source_code, stopwatch
from experiments.site.conventions import anchor_of
from experiments.site.figures import elementwise, optimizers
from experiments.site.links import Linker
from experiments.site.pages import Component, Site, anchor, severity
from experiments.site.usage import shown, usage
from parity_tests.checks import check
from parity_tests.conventions.results import seen
from parity_tests.conventions.statements import concerning
from parity_tests.rule import FACTOR, FLOOR, Result
from parity_tests.table.row import Inference, Layer, Optimizer, Pair, Refusal, Row
from parity_tests.table.versions import CHANGES

FOR_IMPLEMENTERS = {"Saves", "Numerics", "Cost", "Raises", "Init", "Torch", "State", "Memory", "Layout"}
OF_PARAMETER = re.compile(r" (?:(?:normal|zeros) at gradient .*|late|scalar|never|normal|near zero)$")  # of optimizers


SLIDERS = ("nn.Softmax", "nn.LayerNorm", "nn.CrossEntropyLoss", "optim.lr_scheduler.OneCycleLR")  # of sliders.js


def write(site: Site, name: str) -> Component:
    """Check all rows of a component, write its page, and return it with its results."""
    place = next(number for number, one in enumerate(site.components) if one.name == name)
    start = perf_counter()
    found = site.components[place]
    results = [result for row in found.rows for result in check(row)]
    component = replace(found, results=results, seconds=perf_counter() - start)
    documents = [docstring.parse(title, text) for title, text in source_code.documents(name)]
    taught = lesson.lesson(found)
    passes = source_code.forward_and_backward(name)
    calls = None if taught and taught.programs else usage(component.rows)
    table = elementwise.table(component) if component.family == "activation" else None
    playground = optimizers.playground(component)
    site.render(
        "component.html",
        component.page,
        title=name,
        component=component,
        before=site.components[place - 1] if place else None,
        after=site.components[place + 1] if place + 1 < len(site.components) else None,
        documents=documents,
        taught=[section for section in documents[0].sections if section.title not in FOR_IMPLEMENTERS],
        built=[section for section in documents[0].sections if section.title in FOR_IMPLEMENTERS],
        linked=Linker(site.components, name, "../"),
        lesson=taught,
        exercise=has_exercise(name),
        usage=calls and [source_code.highlighted(side) for side in calls],
        passes=passes and source_code.highlighted(passes),
        scratch_source=source_code.highlighted(source_code.scratch_source(name)),
        torch_source=source_code.highlighted(source_code.torch_source(name)),
        pictures=figures.draw(component),
        table=table,
        playground=playground,
        script="elementwise.js" if table else "optimizer.js" if playground else "sliders.js" if name in SLIDERS else "",
        rows=list(lines(component)),
        errors=list(errors(results)),
        exact=list(exact(results)),
        exceptions=exceptions(component.rows),
        speed=stopwatch.speed(component),
        traps=[(one, anchor_of(one), seen(one)) for one in concerning(name)],
        history=[change.history for change in CHANGES if change.component == name],
    )
    return component


# --- results of the checks --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One row of the table, and the worst of its results."""

    label: str
    anchor: str
    case: str
    refuses: bool
    configuration: str
    results: int
    worst: Result | None
    ok: bool


def lines(component: Component) -> Iterator[Line]:
    of_row = {label: list(part) for label, part in groupby(component.results, key=lambda result: result.row)}
    for row in component.rows:
        results = of_row.get(row.label, [])
        yield Line(
            row.label,
            anchor(row.label),
            row.case or "default",
            not isinstance(row, Pair),
            configuration(row),
            len(results),
            max(results, key=severity, default=None),
            all(result.ok for result in results),
        )


def configuration(row: Row) -> str:
    """The arguments of a row and the shapes of its inputs."""
    arguments = [*map(shown, row.args), *(f"{key}={shown(value)}" for key, value in row.kwargs.items())]
    call = (
        row.call
        if isinstance(row, Layer | Inference | Refusal)
        else row.second_group
        if isinstance(row, Optimizer)
        else {}
    )
    given = [f"{key}={shown(value)}" for key, value in call.items()]
    return ", ".join(arguments) + (f"; {', '.join(given)}" if given else "")


@dataclass(frozen=True)
class Error:
    """One quantity over all rows: its worst result in either precision, and torch's own error, which sets the limit."""

    what: str
    float32: Result | None
    float64: Result | None

    @property
    def of_torch(self) -> float:
        return (self.float32.limit - FLOOR) / FACTOR if self.float32 else 0.0


def errors(results: list[Result]) -> Iterator[Error]:
    """The measurements, quantity by quantity; gradients after outputs, as the checks name them."""
    measured = [result for result in results if result.limit >= FLOOR]
    found: dict[str, dict[str, Result]] = {}
    for result in measured:
        worst = found.setdefault(_quantity(result), {})
        worst[result.dtype] = max(worst.get(result.dtype, result), result, key=severity)
    for what, worst in found.items():
        yield Error(what, worst.get("float32"), worst.get("float64"))


def _quantity(result: Result) -> str:
    """The compared quantity without its conditions: the mode, the layout, an optimizer's parameter, a shape."""
    what = result.what
    if "→" in what:
        return "after changing engines"
    what = what.rpartition(": ")[2]
    for circumstance in ("eval ", "unbatched ", "empty "):
        what = what.removeprefix(circumstance)
    if what.startswith("finite differences"):
        return "finite differences"
    if result.row.startswith("optim."):
        what = OF_PARAMETER.sub("", what.partition(" after ")[0])
    return what.partition(" [")[0]


@dataclass(frozen=True)
class Exact:
    """A check without a tolerance, over all rows."""

    what: str
    passed: int
    of: int


def exact(results: list[Result]) -> Iterator[Exact]:
    counted: dict[str, list[bool]] = {}
    for result in results:
        if result.limit < FLOOR:
            counted.setdefault(_quantity(result), []).append(result.ok)
    for what, oks in counted.items():
        yield Exact(what, sum(oks), len(oks))


def exceptions(rows: list[Row]) -> dict[tuple[str, str], list[str]]:
    """(check, reason) of everything that is skipped on purpose, with the rows that skip it."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for what, reason in getattr(row, "notes", {}).items():
            found.setdefault((what, reason), []).append(row.label)
    return found

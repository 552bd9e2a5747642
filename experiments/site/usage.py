"""How a component's first row of the table is written with either engine."""

from __future__ import annotations

from typing import Any, NamedTuple

from parity_tests.table.recipe import Recipe
from parity_tests.table.row import Averaging, Clipping, Initialiser, Layer, Optimizer, Pair, Program, Row, Scheduler


class Usage(NamedTuple):
    scratch: str
    torch: str


def usage(rows: list[Row]) -> Usage | None:
    """Both sides' lines; None for a component that has only rows of bad input, or programs of its own."""
    row = next((row for row in rows if isinstance(row, Pair)), None)
    if row is None or isinstance(row, Program):
        return None
    if isinstance(row, Initialiser):
        return _both("{}.manual_seed(0)\n{}." + _call(row, "w"))
    if isinstance(row, Clipping):
        return _both("{}." + _call(row, "gradients" if row.name.endswith("total_norm") else "model.parameters()"))
    if isinstance(row, Scheduler):
        first = () if "schedulers" in row.kwargs and row.name.endswith("Chained") else ("optimizer",)
        return _both("schedule = {}." + _call(row, *first) + "\nschedule.step()")
    if isinstance(row, Averaging):
        return _both("{}." + _call(row, *(["batches"] if row.name.endswith("update_bn") else []), "model"))
    if isinstance(row, Optimizer):
        return _both("optimizer = {}." + _call(row, "model.parameters()") + "\noptimizer.step()")
    built = "layer = {}." + _call(row)
    if not isinstance(row, Layer) or not row.inputs:
        return _both(built)
    inputs = ", ".join(_names(row))
    return Usage(
        f"{built.format('scratch')}\ny = layer({inputs})\ndx = layer.backward(dy)",
        f"{built.format('torch')}\ny = layer({inputs})\ny.backward(dy)  # into .grad",
    )


def _both(line: str) -> Usage:
    return Usage(line.replace("{}", "scratch"), line.replace("{}", "torch"))


def _names(row: Layer) -> list[str]:
    count = len(row.inputs)
    if "Loss" in row.name:
        return ["x", "target", "lengths", "target_lengths"][:count]
    return ["x"] if count == 1 else [f"x{i + 1}" for i in range(count)]


def _call(row: Pair, *first: str) -> str:
    arguments = [*first, *map(shown, row.args), *(f"{key}={shown(value)}" for key, value in row.kwargs.items())]
    return f"{row.name}({', '.join(arguments)})"


def shown(value: Any) -> str:
    """An argument as code; drawn arrays are named, built components are an ellipsis."""
    if isinstance(value, Recipe):
        return "array"
    if callable(value) or type(value).__module__.startswith("parity_tests"):
        return "..."
    if isinstance(value, dict):
        items = f"{{{', '.join(f'{key!r}: {shown(one)}' for key, one in value.items())}}}"
        return items if type(value) is dict else f"{type(value).__name__}({items})"
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))}{',' if len(value) == 1 else ''})"
    return repr(value)

"""The check of whatever one function computes in one draw: clipping, averaged weights, a forward without gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parity_tests.checks.sides import Numbers
from parity_tests.engine import Engine
from parity_tests.rule import DRAWS, Ledger, Result, exactly

Run = Callable[[Any, Engine, str, int], Numbers]  # of a row, by an engine, in a precision, for a draw


def over_draws(row: Any, dtypes: tuple[str, ...], ours: Engine, theirs: Engine, run: Run) -> list[Result]:
    """The numbers of all draws against the rule, in each precision; their names must be the same, in the same order."""
    ledgers = {dtype: Ledger(row.label, dtype) for dtype in dtypes}
    named: dict[str, Result] = {}  # the precisions in which the names differ
    for number in range(DRAWS):
        truth, rough = (run(row, theirs, kind, number) for kind in ("float64", "float32"))
        u: dict[str, float] = {}
        for dtype in ledgers.keys() - named.keys():
            numbers = run(row, ours, dtype, number)
            if list(numbers) != list(truth):
                named[dtype] = exactly(row.label, "names", dtype, False, f"{list(numbers)}, torch {list(truth)}")
                continue
            for what in truth:
                u[what] = ledgers[dtype].record(what, numbers[what], rough[what], truth[what], u.get(what))
    return [
        result
        for dtype, ledger in ledgers.items()
        for result in ([named[dtype]] if dtype in named else ledger.results())
    ]

"""Check a program of a few lines: everything that it returns, and the random numbers that it took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from parity_tests.checks.sides import Numbers, generator
from parity_tests.engine import Engine
from parity_tests.nests import map_nest, numbered
from parity_tests.rule import DRAWS, Ledger, Result, exactly
from parity_tests.table.row import Program


def check_program(row: Program, dtypes: tuple[str, ...], ours: Engine, theirs: Engine) -> list[Result]:
    expected = [
        {kind: returned(row, theirs, kind, number) for kind in ("float64", "float32")} for number in range(DRAWS)
    ]
    return [result for dtype in dtypes for result in _results(row, dtype, ours, expected)]


def _results(
    row: Program, dtype: str, engine: Engine, expected: list[dict[str, tuple[str, Numbers]]]
) -> Iterator[Result]:
    """Arrays of floats by the rule; other arrays, how all are nested, and everything else, are equal."""
    ledger, apart = Ledger(row.label, dtype), ""
    for number, theirs in enumerate(expected):
        (_, truth), (_, rough), (plain, like) = theirs["float64"], theirs["float32"], theirs[dtype]
        ours, numbers = returned(row, engine, dtype, number)
        if ours != plain:
            apart = f"scratch {ours}, torch {plain}"
        for what, array in like.items():
            floats = array.dtype.kind == "f"
            ledger.record(what, numbers.get(what), *((rough[what], truth[what]) if floats else (array, array)))
    yield exactly(row.label, "all but the arrays", dtype, not apart, apart)
    yield from ledger.results()


def returned(row: Program, engine: Engine, dtype: str, number: int) -> tuple[str, Numbers]:
    """What the program returns from one draw, as text with the arrays left out, and the arrays; with the state of the
    stream afterwards.
    """
    arrays: list[np.ndarray] = []

    def without_arrays(leaf: Any) -> Any:
        if not hasattr(leaf, "shape"):
            return leaf
        arrays.append(engine.array(leaf))
        return ...

    engine.seed(number)
    plain = repr(map_nest(without_arrays, row.run(engine, dtype, generator(row, number))))
    numbers = {numbered("array", i): array for i, array in enumerate(arrays)}
    return plain, numbers | {"state of the generator": engine.state()}

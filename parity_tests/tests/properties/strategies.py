"""How examples are drawn: from the table's rows, and from the component's own signature."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from parity_tests.checks.sides import draw, generator
from parity_tests.nests import leaves
from parity_tests.table.row import Layer
from parity_tests.table.signatures import ADDED, LEFT_OUT
from parity_tests.tests.properties.example import (
    FLOAT_VALUES,
    INTEGER_VALUES,
    LAYOUTS,
    SEED,
    Cut,
    Departure,
    Dtype,
    Example,
    Layout,
    Option,
    Plant,
    Rank,
    Resize,
    Scale,
    rows,
    signature,
)

LARGEST = 4000  # elements of an input: more make an example slow, and show nothing that fewer do not
SIZES = (1, 0, 2, 3, 4, 5, 8, 9, 16, 17)
DTYPES = ("other", "float16", "int64", "int32", "uint8", "bool", "complex64")
ORDER = (Option, Resize, Cut, Rank, Scale, Plant, Dtype, Layout)
MORE = {bool: (False, True), int: (0, 1, 2, 3, -1), float: (0.0, 0.5, 2.0, -1.0), str: ("no such",)}


def components() -> list[str]:
    """The layers, activations and losses of the table."""
    return list(dict.fromkeys(row.name for row in rows().values() if isinstance(row, Layer)))


def examples(name: str) -> st.SearchStrategy[Example]:
    """Examples of one component: a row, up to three departures, a precision, a mode."""
    labels = [row.label for row in rows().values() if row.name == name and is_small(row)]
    return st.sampled_from(labels).flatmap(_examples_of_a_row)


@cache  # making and validating a strategy anew takes longer than drawing from it
def _examples_of_a_row(label: str) -> st.SearchStrategy[Example]:
    return st.builds(
        Example,
        st.just(label),
        st.lists(_departures(label), max_size=3, unique_by=_subject).map(_in_order),
        st.sampled_from(("float32", "float64")),
        st.booleans(),
    )


def _subject(departure: Departure) -> tuple[Any, ...]:
    """What a departure changes; one example changes it once."""
    return type(departure), *(getattr(departure, name, None) for name in ("i", "name", "size", "axis", "place"))


def _in_order(departures: list[Departure]) -> tuple[Departure, ...]:
    """Options first, strides last: what a departure changes is not changed back by the next."""
    return tuple(sorted(departures, key=lambda departure: ORDER.index(type(departure))))


@cache
def _departures(label: str) -> st.SearchStrategy[Departure]:
    row = rows()[label]
    arrays = {i: x for i, x in enumerate(_leaves(row)) if isinstance(x, np.ndarray)}
    kinds: list[st.SearchStrategy[Departure]] = []
    sizes = sorted({size for x in arrays.values() for size in x.shape})
    if sizes:
        kinds.append(st.builds(Resize, st.sampled_from(sizes), st.sampled_from(SIZES), st.booleans()))
    for i, x in arrays.items():
        floating = x.dtype.kind == "f"
        special = st.sampled_from(FLOAT_VALUES if floating else INTEGER_VALUES)
        kinds.append(st.builds(Plant, st.just(i), st.sampled_from(PLACES), special))
        if x.ndim:
            kinds.append(st.builds(Layout, st.just(i), st.sampled_from(list(LAYOUTS))))
            kinds.append(st.builds(Cut, st.just(i), st.integers(0, x.ndim - 1), st.sampled_from(SIZES)))
        kinds.append(st.builds(Dtype, st.just(i), st.sampled_from(DTYPES)))
        if floating:
            kinds.append(st.builds(Scale, st.just(i), st.sampled_from(SCALES)))
    if arrays:
        which = st.sampled_from([-1, *arrays])
        kinds.append(st.builds(Rank, which, st.sampled_from(("less", "more"))))
    kinds += [_option(row.name)] if choices(row.name) else []
    return st.one_of(kinds) if kinds else st.nothing()


PLACES = (0.0, 0.3, 0.6, 0.999)
SCALES = ("root", "large", "tiny", "subnormal", "0", "equal", "max")


def _option(name: str) -> st.SearchStrategy[Departure]:
    offered = [Option(argument, value) for argument, values in choices(name).items() for value in values]
    return st.sampled_from(offered)


@cache
def choices(name: str) -> dict[str, list[Any]]:
    """For every argument of the constructor: what the component's rows give it, its default, and others like it."""
    values: dict[str, list[Any]] = {}
    parameters = {
        key: parameter
        for key, parameter in signature(name).parameters.items()
        if key not in LEFT_OUT.keys() | ADDED.keys()
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    if any(p.kind is p.VAR_POSITIONAL for p in signature(name).parameters.values()):
        return {}
    for row in rows().values():
        if row.name == name:
            for key, value in signature(name).bind_partial(*row.args, **row.kwargs).arguments.items():
                if key in parameters:
                    values.setdefault(key, []).append(value)
    for key, parameter in parameters.items():
        seen = values.setdefault(key, [])
        if parameter.default is not inspect.Parameter.empty:
            seen.append(parameter.default)
        for kind in {type(value) for value in seen}:
            seen += MORE.get(kind, ())
    return {key: list({repr(value): value for value in seen}.values()) for key, seen in values.items()}


def is_small(row: Layer) -> bool:
    return all(x.size <= LARGEST for x in _leaves(row) if isinstance(x, np.ndarray))


def _leaves(row: Layer) -> list[Any]:
    return list(leaves(draw(row.inputs, generator(row, SEED, 0), np.float32)))

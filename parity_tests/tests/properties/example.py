"""An example: a row of the table, and how it departs from it.

A departure is a small value whose repr can be pasted into a test, so that what Hypothesis found can be kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from typing import Any

import numpy as np

import scratch
from parity_tests.checks.sides import draw, generator
from parity_tests.engine import find
from parity_tests.nests import map_nest
from parity_tests.table import TABLE
from parity_tests.table.recipe import Recipe, fixed
from parity_tests.table.row import Layer, Pair

SEED = 11  # of the numbers that stand for the row's draw


class Departure:
    """One change: of the row, before anything is built from it, or of an array that forward gets."""

    may_be_refused = True

    def row(self, row: Layer) -> Layer:
        return row

    def array(self, i: int, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        return x


@dataclass(frozen=True)
class Option(Departure):
    """Another value of a constructor's argument."""

    name: str
    value: Any

    def row(self, row: Layer) -> Layer:
        bound = signature(row.name).bind_partial(*row.args, **row.kwargs).arguments
        return replace(row, args=(), kwargs={**bound, self.name: self.value})


@dataclass(frozen=True)
class Resize(Departure):
    """Every axis of this size, in all inputs, gets another one; with `everywhere` so do the constructor's arguments.

    Sizes in the table are distinct primes, so equal sizes mostly mean the same thing.
    """

    size: int
    to: int
    everywhere: bool = False

    def row(self, row: Layer) -> Layer:
        def argument(leaf: Any) -> Any:
            if isinstance(leaf, Recipe):
                return replace(leaf, draw=lambda rng: self._resized(np.asarray(leaf.draw(rng))))
            return self.to if type(leaf) is int and leaf == self.size else leaf

        return replace(
            row, **{k: map_nest(argument, getattr(row, k)) for k in ("args", "kwargs")} if self.everywhere else {}
        )

    def array(self, i: int, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        return self._resized(x)

    def _resized(self, x: np.ndarray) -> np.ndarray:
        for axis in range(x.ndim):
            if x.shape[axis] == self.size:
                x = cut(x, axis, self.to)
        return x


@dataclass(frozen=True)
class Cut(Departure):
    """One axis of one input gets another size, so that inputs do not fit each other or the layer."""

    i: int
    axis: int
    to: int

    def array(self, i: int, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        return cut(x, self.axis % x.ndim, self.to) if i == self.i and x.ndim else x


@dataclass(frozen=True)
class Rank(Departure):
    """A dimension less or more at the front: of one input, or of all (i = -1)."""

    i: int
    how: str

    def array(self, i: int, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        if self.i not in (-1, i):
            return x
        if self.how == "more":
            return x[None]
        return x[0] if x.ndim and x.shape[0] else x.reshape(x.shape[1:]) if x.ndim and x[:0].size else x


@dataclass(frozen=True)
class Scale(Departure):
    """All numbers of an input become huge, tiny or equal."""

    i: int
    by: str
    may_be_refused = False

    def array(self, i: int, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        if i != self.i or x.dtype.kind != "f":
            return x
        with np.errstate(all="ignore"):
            if self.by == "equal":
                return x * 0 + x.dtype.type(0.75)
            return x * (special(self.by, x.dtype) / x.dtype.type(16 if self.by == "max" else 1))


@dataclass(frozen=True)
class Plant(Departure):
    """A special value at some place of an input."""

    i: int
    place: float
    value: str

    def array(self, i: int, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        if i == self.i and x.size:
            x = x.copy()
            x.flat[int(self.place * x.size) % x.size] = special(self.value, x.dtype)
        return x


@dataclass(frozen=True)
class Dtype(Departure):
    """An input of another dtype; "other" is float64 for float32, and float32 for float64."""

    i: int
    dtype: str

    def row(self, row: Layer) -> Layer:
        number = count()
        plain = not self.dtype.startswith(("float", "other"))
        change = lambda leaf: fixed(leaf) if next(number) == self.i and plain and isinstance(leaf, Recipe) else leaf  # noqa: E731
        return replace(row, inputs=map_nest(change, row.inputs))

    def array(self, i: int, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        with np.errstate(all="ignore"):
            other = np.float32 if dtype == np.float64 else np.float64
            return x.astype(other if self.dtype == "other" else self.dtype) if i == self.i else x


@dataclass(frozen=True)
class Layout(Departure):
    """The same numbers in another place of memory."""

    i: int
    how: str
    may_be_refused = False

    def array(self, i: int, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        return LAYOUTS[self.how](x) if i == self.i and x.ndim else x


def _gaps(x: np.ndarray) -> np.ndarray:
    """A gap after every element; in the gaps stands NaN, or the largest integer."""
    fill = np.nan if x.dtype.kind in "fc" else True if x.dtype.kind == "b" else np.iinfo(x.dtype).max
    wide = np.full((*x.shape, 2), fill, x.dtype)
    wide[..., 0] = x
    return wide[..., 0]


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Fortran": np.asfortranarray,
    "first axis last": lambda x: np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0),
    "gaps": _gaps,
    "reversed": lambda x: np.flip(np.flip(x).copy()),
    "reversed rows": lambda x: x[::-1].copy()[::-1],
    "sliced": lambda x: np.pad(x, [(1, 2)] * x.ndim, mode="edge")[(slice(1, -2),) * x.ndim] if x.size else x,
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
}


@dataclass(frozen=True)
class Example:
    """A row, by its label, with departures, in one precision and mode."""

    label: str
    departures: tuple[Departure, ...] = ()
    dtype: str = "float32"
    training: bool = True

    def pair(self) -> Layer:
        row = rows()[self.label]
        for departure in self.departures:
            row = departure.row(row)
        return row

    def inputs(self, pair: Layer, dtype: Any, sibling: int = 0) -> tuple[Any, Any]:
        """Inputs and forward's keyword arguments, read-only. Siblings differ in the numbers alone."""
        inputs, call = draw((pair.inputs, pair.call), generator(pair, SEED, sibling), np.dtype(dtype))
        for departure in self.departures:
            number = count()
            change = lambda x, d=departure, n=number: changed(d, next(n), x, dtype)  # noqa: E731
            inputs, call = map_nest(change, (inputs, call))
        return map_nest(frozen, inputs), map_nest(frozen, call)

    def has_value(self, *values: str) -> bool:
        """Whether numbers of these sizes, "max" or "root", are among the inputs."""
        special = (d.by if isinstance(d, Scale) else d.value for d in self.departures if isinstance(d, Scale | Plant))
        return any(name.endswith(values) for name in special)

    def has_departure(self, *kinds: type[Departure]) -> bool:
        return any(isinstance(departure, kinds) for departure in self.departures)


def changed(departure: Departure, i: int, x: Any, dtype: Any) -> Any:
    return departure.array(i, x, np.dtype(dtype)) if isinstance(x, np.ndarray) else x


def frozen(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        x = x.view()
        x.flags.writeable = False
    return x


def cut(x: np.ndarray, axis: int, size: int) -> np.ndarray:
    """The axis repeated or cut to a size."""
    old = x.shape[axis]
    if not old:
        return np.zeros((*x.shape[:axis], size, *x.shape[axis + 1 :]), x.dtype)
    return x.take(np.arange(size) % old, axis)


FLOAT_VALUES = ["nan", "inf", "-inf", "max", "-max", "root", "-root", "large", "-large"]
FLOAT_VALUES += ["tiny", "-tiny", "subnormal", "-subnormal", "0", "-0.0", "1", "-1"]
INTEGER_VALUES = ["0", "1", "-1", "-100", "5", "13", "imax", "imin"]


def special(value: str, dtype: np.dtype) -> Any:
    """The same kind of number for either precision: `root` has a square, `large` an exponential that overflows."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        named = {"imax": int(info.max), "imin": int(info.min)}
        return dtype.type(named[value] if value in named else max(int(float(value)), int(info.min)))
    if dtype.kind == "b":
        return value != "0"
    sign, name = (-1, value[1:]) if value[0] == "-" and value[1].isalpha() else (1, value)
    limits = np.finfo(dtype)
    named = {
        "max": limits.max,
        "root": 2 * np.sqrt(limits.max),
        "large": np.log(limits.max) * dtype.type(1.1),
        "tiny": limits.smallest_normal,
        "subnormal": limits.smallest_subnormal,
    }
    return dtype.type(sign * (named[name] if name in named else float(name)))


@cache
def rows() -> dict[str, Any]:
    return {row.label: row for row in TABLE if isinstance(row, Pair)}


@cache
def signature(name: str) -> inspect.Signature:
    return inspect.signature(find(scratch, name))

"""Nested values: tuples, lists and dicts of arrays, as layers take and return them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def map_nest(fn: Callable[[Any], Any], nest: Any) -> Any:
    """Apply fn to the leaves of nested tuples, lists and dicts."""
    if isinstance(nest, dict):
        return {key: map_nest(fn, value) for key, value in nest.items()}
    if isinstance(nest, tuple) and hasattr(nest, "_fields"):
        return type(nest)(*(map_nest(fn, part) for part in nest))
    if isinstance(nest, tuple | list):
        return type(nest)(map_nest(fn, part) for part in nest)
    return fn(nest)


def leaves(nest: Any) -> Iterator[Any]:
    """The leaves of nested tuples and lists, in order."""
    if isinstance(nest, tuple | list):
        for part in nest:
            yield from leaves(part)
    else:
        yield nest


def numbered(what: str, i: int) -> str:
    """The name of leaf i: what, what 1, what 2 ..."""
    return f"{what} {i}" if i else what

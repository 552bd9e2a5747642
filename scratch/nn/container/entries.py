"""What the containers share: which keys and values they take, and where the pairs come from."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from scratch.nn.module import Module, Parameter


def check_key(container: Module, key: Any, taken: Iterable[str]) -> None:
    """A key becomes an attribute and a part of the dotted names in state_dict, so not every string is allowed."""
    name = type(container).__name__
    if not isinstance(key, str):
        raise TypeError(f"{name}: keys must be strings, got {key!r}.")
    if key not in taken and hasattr(container, key):
        raise KeyError(f"{name}: {key!r} is an attribute of every {name}. Choose another key.")
    if not key or "." in key:
        raise KeyError(f"{name}: a key must not be empty or contain a dot, got {key!r}.")


def pairs(container: Module, source: Any, sort: bool = False) -> Iterator[tuple[Any, Any]]:
    """The pairs of a mapping, of a dictionary container, or of an iterable of pairs; a plain dict can be sorted."""
    name = type(container).__name__
    if not isinstance(source, Iterable):
        raise TypeError(f"{name}.update: expected a mapping or an iterable of pairs, got {type(source).__name__}.")
    if isinstance(source, Mapping) or hasattr(source, "items"):
        ordered = not sort or isinstance(source, OrderedDict | Module)
        yield from source.items() if ordered else sorted(source.items())
        return
    for i, pair in enumerate(source):
        if not isinstance(pair, Iterable):
            raise TypeError(f"{name}.update: element {i} must be a pair, got {type(pair).__name__}.")
        entries = tuple(pair)
        if len(entries) != 2:
            raise ValueError(f"{name}.update: element {i} must be a pair of key and value, got {len(entries)} entries.")
        yield entries


def register(container: Module, name: str, value: Any) -> None:
    """Make the value an attribute. An array becomes a Parameter, which only another array or None may replace."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "f":
            raise RuntimeError(
                f"{type(container).__name__}: only floating point arrays can be trained, got {value.dtype}."
            )
        value = Parameter(value)
    elif isinstance(vars(container).get(name), Parameter) and not isinstance(value, Parameter | None):
        raise TypeError(
            f"{type(container).__name__}: {name!r} is a parameter, so it can only become another array, a Parameter or "
            f"None, got {type(value).__name__}."
        )
    setattr(container, name, value)


def describe(value: Any) -> str:
    """A container's value in its repr."""
    return f"{value.dtype}{list(value.shape)}" if isinstance(value, Parameter) else type(value).__name__

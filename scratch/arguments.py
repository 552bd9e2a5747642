"""Checks of arguments that the packages share: what must be a number, or true or false, is that."""

import inspect
from functools import cache
from numbers import Integral, Real
from typing import Any

import numpy as np


def check_numbers(call: str, **arguments: Any) -> None:
    """Refuse the first argument that is no number, before arithmetic does it in words of its own.

    Raises    TypeError that names the call and the argument.
    """
    for name, value in arguments.items():
        if not isinstance(value, Real):
            raise TypeError(f"{call}: {name} must be a number, got {value!r}.")


def check_annotated(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse an argument of a constructor that is annotated as an int, a float or a bool, and is none.

    Raises    TypeError that names the class and the argument.
    """
    positions, kinds = _annotated(cls)
    given = {**dict(zip(positions, args, strict=False)), **kwargs}
    for name in given.keys() & kinds.keys():
        kind, optional = kinds[name]
        if not isinstance(given[name], kind) and not (optional and given[name] is None):
            expected = {Integral: "an int", Real: "a number"}.get(kind, "True or False")
            raise TypeError(f"{cls.__name__}: {name} must be {expected}, got {given[name]!r}.")


@cache
def _annotated(cls: type) -> tuple[list[str], dict[str, tuple[Any, bool]]]:
    """The names of the positional arguments, and of what is annotated: its kind, and whether None will do."""
    parameters = inspect.signature(cls).parameters.values()
    annotated = {p.name: getattr(p.annotation, "__name__", str(p.annotation)) for p in parameters}
    known: dict[str, Any] = {"int": Integral, "float": Real, "bool": (bool, np.bool_)}
    kinds = {
        name: (known[words[0]], words[1:] == ["None"])
        for name, annotation in annotated.items()
        if (words := annotation.split(" | "))[0] in known and words[1:] in ([], ["None"])
    }
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)], kinds

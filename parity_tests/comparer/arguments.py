"""What a layer is called with, except floating numbers, which are measured; everything else is equal or not."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from parity_tests.comparer.nests import named_leaves
from parity_tests.comparer.values import array, is_float, precision

ABSENT = object()
SIMPLE = (bool, int, float, complex, str, bytes, type(None))


def differences(left: Any, right: Any, ours: Any, theirs: Any) -> Iterator[tuple[str, str, Any, Any]]:
    """The arguments (args, kwargs) that differ between two calls of one layer: the name, both in words, and both."""
    names = _parameters(left), _parameters(right)
    by_name = names[0] == names[1] and names[0] is not None
    mine, other = (_bound(module, call, by_name) for module, call in ((left, ours), (right, theirs)))
    for name in dict.fromkeys((*other, *mine)):
        if not by_name and (name not in mine or name not in other):
            continue  # another signature: it need not take this argument
        a, b = (dict(named_leaves(nest.get(name, ABSENT))) for nest in (mine, other))
        for path in dict.fromkeys((*b, *a)):
            why = _difference(a.get(path, ABSENT), b.get(path, ABSENT))
            if why:
                yield f"{name}.{path}" if path else str(name), why, a.get(path, ABSENT), b.get(path, ABSENT)
                break


def _parameters(module: Any) -> list[str] | None:
    """The names of the parameters of a layer's forward; None where it accepts any arguments."""
    forward = getattr(type(module), "forward", None)
    try:
        found = list(inspect.signature(forward).parameters.values())[1:] if forward is not None else []
    except (TypeError, ValueError):
        return None
    open_ = any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in found)
    return None if open_ or not found else [p.name for p in found]


def _bound(module: Any, call: Any, by_name: bool) -> dict[Any, Any]:
    """The arguments by name with the defaults filled in, or by position and keyword as they were given."""
    args, kwargs = call
    if by_name:
        try:
            bound = inspect.signature(type(module).forward).bind(module, *args, **kwargs)
            bound.apply_defaults()
            return dict(list(bound.arguments.items())[1:])
        except TypeError:
            pass
    return {f"argument {i}": value for i, value in enumerate(args)} | kwargs


def _difference(ours: Any, theirs: Any) -> str:
    """Why two leaves are not the same; empty for two floating arrays, which are measured elsewhere."""
    a, b = (np.asarray(x) if isinstance(x, np.ndarray | np.generic) else array(x) for x in (ours, theirs))
    if is_float(a) and is_float(b):
        return ""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.shape != b.shape or a.dtype.kind != b.dtype.kind:
            return f"{precision(a)} on the left, {precision(b)} on the right"
        if np.array_equal(a, b):
            return ""
        place = tuple(int(i) for i in np.argwhere(a != b)[0]) if a.ndim else ()
        at = f"[{', '.join(map(str, place))}]" if a.ndim else ""
        return f"{int((a != b).sum())} of {a.size} differ, first {at} {a[place]} on the left, {b[place]} on the right"
    if _same(a, b):
        return ""
    return f"{_says(a)} on the left, {_says(b)} on the right"


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):  # an array of one number, and that number
        return a is not ABSENT and b is not ABSENT and np.size(a) == np.size(b) == 1 and bool(np.all(a == b))
    if isinstance(a, SIMPLE) and isinstance(b, SIMPLE):
        return a == b or (a != a and b != b)
    return (a is ABSENT) == (b is ABSENT)  # an object of the user's own


def _says(value: Any) -> str:
    if value is ABSENT:
        return "absent"
    return precision(value) if isinstance(value, np.ndarray) else repr(value)[:60]

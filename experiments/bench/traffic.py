"""How many bytes NumPy reads and writes: arrays that count, element by element, the memory that every operation
touches.

    with counted() as traffic:
        layer.backward(layer(counting(x)))
    traffic.bytes

An operation reads its array operands and writes its result, each once, whatever lies in between. The effect of the
cache is not known here. A function moves at least its inputs and outputs, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

MAKERS = ("empty", "zeros", "ones", "full", "arange")  # arrays that are made while it is counted count as well
COPIES = ("astype", "copy", "flatten", "ravel", "repeat", "reshape", "take", "__getitem__")  # or views


@dataclass
class Traffic:
    bytes: int = 0
    operations: int = 0

    def add(self, *operands: Any) -> None:
        self.operations += 1
        self.bytes += sum(touched(operand) for operand in operands)


class Counting(np.ndarray):
    """An array whose operations are counted in `Counting.traffic`."""

    traffic: Traffic | None = None

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        if "where" in options:
            options["where"] = _plain(options["where"])
        result = getattr(ufunc, method)(*_plain(inputs), **({"out": _plain(out)} if out else {}), **options)
        written = out if out else result if isinstance(result, tuple) else (result,)
        if method == "at":
            written = inputs[:1]
        self._count(*inputs, *written)
        if out:
            return out[0] if len(out) == 1 else out
        return _counting(result)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        before = Counting.traffic
        Counting.traffic = None
        try:
            result = function(*_plain(args), **_plain(kwargs))
        finally:
            Counting.traffic = before
        if kwargs.get("out") is not None:
            self._count(*args, kwargs["out"])
            return kwargs["out"]
        views = isinstance(result, np.ndarray) and any(np.may_share_memory(result, a) for a in _arrays(_plain(args)))
        if not views:
            self._count(*args, result)
        return _counting(result)

    def __setitem__(self, key: Any, value: Any) -> None:
        plain = self.view(np.ndarray)
        plain[_plain(key)] = _plain(value)
        self._count(value, plain[_plain(key)])

    def _count(self, *operands: Any) -> None:
        if Counting.traffic is not None:
            Counting.traffic.add(*operands)


def _copying(name: str) -> Callable[..., Any]:
    """A method that returns a view or a copy: for a copy, both the reads and the writes count."""

    def method(self: Counting, *args: Any, **kwargs: Any) -> Any:
        plain = self.view(np.ndarray)
        result = getattr(plain, name)(*_plain(args), **_plain(kwargs))
        if isinstance(result, np.ndarray) and not np.may_share_memory(result, plain):
            self._count(result, result)
        return _counting(result)

    return method


for _name in COPIES:
    setattr(Counting, _name, _copying(_name))


@contextmanager
def counted() -> Iterator[Traffic]:
    """Count inside this block. Arrays made from nothing in it count as well."""
    traffic = Counting.traffic = Traffic()
    with ExitStack() as patches:
        for name in MAKERS:
            patches.enter_context(mock.patch.object(np, name, _counting_maker(getattr(np, name))))
        try:
            yield traffic
        finally:
            Counting.traffic = None


def _counting_maker(make: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda *args, **kwargs: _counting(make(*args, **kwargs))


def counting(nest: Any) -> Any:
    """The arrays of a nest as arrays that count, sharing memory."""
    return _mapped(_counting, nest)


def touched(operand: Any) -> int:
    """The bytes of an operand that exist: an axis of stride 0 repeats what is already there."""
    if isinstance(operand, tuple | list):
        return sum(map(touched, operand))
    if not isinstance(operand, np.ndarray):
        return 0
    distinct = 1
    for size, stride in zip(operand.shape, operand.strides, strict=True):
        distinct *= size if stride else min(size, 1)
    return distinct * operand.itemsize


def _counting(value: Any) -> Any:
    return value.view(Counting) if isinstance(value, np.ndarray) else value


def _plain(nest: Any) -> Any:
    return _mapped(lambda value: value.view(np.ndarray) if isinstance(value, Counting) else value, nest)


def _mapped(function: Callable[[Any], Any], nest: Any) -> Any:
    if isinstance(nest, dict):
        return {key: _mapped(function, value) for key, value in nest.items()}
    if type(nest) in (tuple, list):
        return type(nest)(_mapped(function, value) for value in nest)
    return function(nest)


def _arrays(nest: Any) -> Iterator[np.ndarray]:
    if isinstance(nest, tuple | list):
        for part in nest:
            yield from _arrays(part)
    elif isinstance(nest, np.ndarray):
        yield nest

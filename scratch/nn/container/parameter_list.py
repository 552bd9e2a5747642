"""ParameterList: parameters by number."""

import operator
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from scratch.nn.container.entries import describe, register
from scratch.nn.module import Module


class ParameterList(Module):
    """A list whose parameters are found by parameters() and state_dict(). Arrays that enter it become parameters.

    It has no forward: the module that holds it computes with its elements, and accumulates their gradients.

    Torch     torch.nn.ParameterList; elements are named "0", "1", ... Values that are not arrays are kept unchanged.
    Raises    TypeError for values that are not iterable, or one array for many; IndexError for an index that does not
              exist; RuntimeError for an array of integers, or if it is called.
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        self._size = 0
        if values is not None:
            self.extend(values)

    def append(self, value: Any) -> "ParameterList":
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values: Iterable[Any]) -> "ParameterList":
        if not isinstance(values, Iterable) or isinstance(values, np.ndarray):
            raise TypeError(f"ParameterList.extend: expected an iterable of arrays, got {type(values).__name__}.")
        for value in values:
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> "ParameterList":
        return self.extend(values)

    def __setitem__(self, index: int, value: Any) -> None:
        register(self, self._name(index), value)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return ParameterList(self[i] for i in range(*index.indices(len(self))))
        return getattr(self, self._name(index))

    def _name(self, index: int) -> str:
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"ParameterList: index {number} is out of range, there are {len(self)} elements.")
        return str(number % len(self))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        raise RuntimeError("ParameterList cannot be called. Call the module that computes with its elements.")

    def extra_repr(self) -> str:
        return ", ".join(describe(value) for value in self)

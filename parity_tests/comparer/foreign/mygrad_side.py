"""A function or object of MyGrad as a side: functools.partial(function, parameters), or an object with tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mygrad
import numpy as np

from parity_tests.comparer.foreign.held import HeldSide
from parity_tests.comparer.foreign.pullback import Gradients, Pull
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.side import Given
from parity_tests.comparer.values import Numbers, is_float

Tensor: Any = mygrad.Tensor


class MyGradSide(HeldSide):
    """Its backward is Tensor.backward. An object's tensors are replaced for the length of a call."""

    framework = "mygrad"

    def __init__(self, model: Any, given: Given, loss: Any = None) -> None:
        self.places: dict[str, tuple[Any, str]] = {}
        super().__init__(model, given, loss, lambda x: isinstance(x, Tensor | np.ndarray))
        self.places = {} if self.values else {name: (owner, key) for name, owner, key in _tensors(model)}
        if self.places:
            self.title = type(model).__name__
        self.values |= {name: np.array(getattr(owner, key).data) for name, (owner, key) in self.places.items()}

    def pulled(self, given: Given, training: bool) -> tuple[Any, Pull]:
        tensors = {name: Tensor(value) for name, value in self.values.items()}
        xs: list[Any] = []

        def taken(x: Any) -> Any:
            xs.append(Tensor(x))
            return xs[-1]

        args, kwargs = map_nest(lambda x: taken(x) if is_float(x) else x, tuple(given))
        before = {place: getattr(*place) for place in self.places.values()}
        for own, (owner, key) in self.places.items():
            setattr(owner, key, tensors[own])
        try:
            output = self.held.call(tensors, args, kwargs, training)
        finally:
            for (owner, key), tensor in before.items():
                setattr(owner, key, tensor)
        ys: list[Any] = []
        shown = _arrays(output, ys)

        def pull(dys: Gradients) -> tuple[Gradients, Numbers]:
            found = [(y * dy).sum() for y, dy in zip(ys, dys, strict=True) if dy is not None]
            if found:
                sum(found[1:], start=found[0]).backward()
            gradients = {name: _gradient(tensor) for name, tensor in tensors.items()}
            return [_gradient(x) for x in xs], gradients

        return shown, pull


def _arrays(nest: Any, found: list[Any]) -> Any:
    """The output in arrays; its tensors are appended to `found`. A tensor is no nest, though it has attributes."""
    if isinstance(nest, Tensor):
        found.append(nest)
        return nest.data
    if isinstance(nest, dict):
        return {key: _arrays(nest[key], found) for key in sorted(nest, key=str)}
    return type(nest)([_arrays(part, found) for part in nest]) if isinstance(nest, list | tuple) else nest


def _gradient(tensor: Any) -> np.ndarray:
    return np.zeros_like(tensor.data) if tensor.grad is None else np.asarray(tensor.grad)


def _tensors(held: Any, path: str = "") -> Iterator[tuple[str, Any, str]]:
    """The tensors among an object's attributes, and those of the objects that it holds."""
    for key, value in vars(held).items() if hasattr(held, "__dict__") else ():
        name = f"{path}.{key}" if path else key
        if isinstance(value, Tensor):
            yield name, held, key
        elif hasattr(value, "__dict__") and callable(value):
            yield from _tensors(value, name)
        elif isinstance(value, list | tuple):
            for i, part in enumerate(value):
                yield from _tensors(part, f"{name}.{i}")


def side(model: Any, given: Given, loss: Any) -> MyGradSide:
    return MyGradSide(model, given, loss)

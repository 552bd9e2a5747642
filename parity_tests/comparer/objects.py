"""Objects made of arrays: the layers below one, its arrays, and where their gradients are kept."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

import scratch


class Slot:
    """An array of an object: where it is, and where its gradient will be."""

    def __init__(self, owner: Any, attribute: str, buffer: bool) -> None:
        self.owner, self.attribute, self.buffer = owner, attribute, buffer

    def _holder(self) -> Any:
        value = self.owner[self.attribute] if isinstance(self.owner, dict) else getattr(self.owner, self.attribute)
        return value

    def value(self) -> np.ndarray:
        holder = self._holder()
        return holder.data if hasattr(holder, "grad") else holder

    def cast(self, dtype: Any) -> None:
        holder = self._holder()
        value = self.value()
        if value.dtype.kind != "f":
            return
        if hasattr(holder, "grad"):
            holder.data = value.astype(dtype)
        elif isinstance(self.owner, dict):
            self.owner[self.attribute] = value.astype(dtype)
        else:
            setattr(self.owner, self.attribute, value.astype(dtype))

    def _gradient_places(self) -> Iterator[tuple[Any, str]]:
        owner, name = self.owner, self.attribute
        for table in ("grads", "gradients", "grad"):
            if isinstance(getattr(owner, table, None), dict):
                yield getattr(owner, table), name
        for spelled in (f"d{name}", f"grad_{name}", f"{name}_grad", f"d_{name}"):
            yield owner, spelled

    def clear(self) -> None:
        holder = self._holder()
        if hasattr(holder, "grad"):
            holder.grad = None
            return
        if self.buffer or isinstance(self.owner, dict):
            return
        for place, name in self._gradient_places():
            kept = place.get(name) if isinstance(place, dict) else vars(place).get(name)
            if isinstance(kept, np.ndarray):
                kept[...] = 0

    def gradient(self) -> np.ndarray | None:
        holder = self._holder()
        if hasattr(holder, "grad"):
            return np.zeros_like(holder.data) if holder.grad is None else np.array(holder.grad)
        if self.buffer or isinstance(self.owner, dict):
            return None
        for place, name in self._gradient_places():
            kept = place.get(name) if isinstance(place, dict) else vars(place).get(name)
            if kept is not None and np.shape(kept) == np.shape(self.value()):
                return np.array(kept)
        return None


def walk(obj: Any, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """An object and the objects with a forward below it, by dotted name; lists and dicts count as levels."""
    if isinstance(obj, scratch.nn.Module):
        yield from obj.named_modules(path)
        return
    seen = set() if seen is None else seen
    if id(obj) in seen:
        return
    seen.add(id(obj))
    yield path, obj
    for name, value in list(vars(obj).items()) if hasattr(obj, "__dict__") else []:
        yield from _walk_value(f"{path}.{name}" if path else name, value, seen)


def _walk_value(path: str, value: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from _walk_value(f"{path}.{i}", part, seen)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _walk_value(f"{path}.{name}", part, seen)
    elif callable(getattr(value, "forward", None)) and not inspect.isclass(value) and hasattr(value, "__dict__"):
        yield from walk(value, path, seen)


def slots(path: str, module: Any) -> Iterator[tuple[str, Slot]]:
    """The arrays of one layer: Parameters, buffers, or, in a plain object, every floating array it was built with."""
    dot = f"{path}." if path else ""
    own = getattr(module, "parameters", None)
    if isinstance(own, dict):
        yield from ((f"{dot}{name}", Slot(own, name, False)) for name in own)
        return
    buffers = getattr(module, "_buffer_names", ())
    for name, value in list(vars(module).items()):
        if isinstance(value, scratch.nn.Parameter):
            yield f"{dot}{name}", Slot(module, name, False)
        elif not isinstance(value, np.ndarray):
            continue
        elif name in buffers:
            yield f"{dot}{name}", Slot(module, name, True)
        elif not isinstance(module, scratch.nn.Module) and not name.startswith("_") and not _is_gradient(name, module):
            yield f"{dot}{name}", Slot(module, name, name.startswith("running_") or value.dtype.kind != "f")


def _is_gradient(name: str, module: Any) -> bool:
    """DW beside W is the gradient of W."""
    bare = [name[1:], name.removeprefix("d_"), name.removeprefix("grad_"), name.removesuffix("_grad")]
    return any(other != name and isinstance(vars(module).get(other), np.ndarray) for other in bare)

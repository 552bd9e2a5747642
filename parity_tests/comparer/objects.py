"""Objects made of arrays: the layers below one, its arrays, and where their gradients are kept."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import scratch

TABLES = ("parameters", "params", "weights")  # dicts of parameters by name
GRADIENTS = ("grads", "gradients", "grad", "dparams")  # dicts of gradients beside them
SPELLINGS = ("d{}", "grad_{}", "{}_grad", "d_{}", "grads_{}", "{}_grads", "g{}")


class Slot:
    """An array of an object: where it is, and where its gradient will be."""

    def __init__(self, owner: Any, attribute: Any, buffer: bool, module: Any = None, table: str = "") -> None:
        """`owner` is the layer itself, or a dict or list of its arrays, which it keeps as the attribute `table`."""
        self.owner, self.attribute, self.buffer = owner, attribute, buffer
        self.module, self.table = owner if module is None else module, table

    def holder(self) -> Any:
        inside = isinstance(self.owner, dict | list)
        return self.owner[self.attribute] if inside else getattr(self.owner, self.attribute)

    def value(self) -> np.ndarray:
        holder = self.holder()
        return holder.data if hasattr(holder, "grad") else holder

    def cast(self, dtype: Any) -> None:
        holder = self.holder()
        value = self.value()
        if value.dtype.kind != "f":
            return
        if hasattr(holder, "grad"):
            holder.data = value.astype(dtype)
        elif isinstance(self.owner, dict | list):
            self.owner[self.attribute] = value.astype(dtype)
        else:
            setattr(self.owner, self.attribute, value.astype(dtype))

    def kept_gradient(self) -> Any:
        """The array in which a plain object keeps the gradient, or None."""
        held = vars(self.module)
        if not isinstance(self.owner, list):
            tables = [held[name] for name in GRADIENTS if isinstance(held.get(name), Mapping)]
            places = [(table, self.attribute) for table in tables]
            places += [(held, spelled.format(self.attribute)) for spelled in SPELLINGS]
            places += [(table, spelled.format(self.attribute)) for table in tables for spelled in SPELLINGS]
            found = [place[name] for place, name in places if name in place]
        else:
            lists = [held.get(name) for name in (*GRADIENTS, *(s.format(self.table) for s in SPELLINGS))]
            found = [part[self.attribute] for part in lists if isinstance(part, list) and len(part) == len(self.owner)]
        shape = np.shape(self.value())
        kept = sorted((k for k in found if isinstance(k, np.ndarray)), key=lambda k: k.shape != shape)
        if kept and _without_ones(kept[0].shape) == _without_ones(shape):
            return kept[0].reshape(shape)  # a bias of (n,) and a gradient of (1, n)
        return kept[0] if kept else None  # of another shape altogether: that is a finding

    def clear(self) -> None:
        holder = self.holder()
        if hasattr(holder, "grad"):
            holder.grad = None
        elif not self.buffer and (kept := self.kept_gradient()) is not None and kept.flags.writeable:
            kept[...] = 0

    def gradient(self) -> np.ndarray | None:
        holder = self.holder()
        if hasattr(holder, "grad"):
            return np.zeros_like(holder.data) if holder.grad is None else np.array(holder.grad)
        kept = None if self.buffer else self.kept_gradient()
        return None if kept is None else np.array(kept)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


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
    if not hasattr(module, "__dict__"):
        return
    plain = not isinstance(module, scratch.nn.Module)
    buffers = getattr(module, "_buffer_names", ())
    tables = [name for name in TABLES if plain and _holds_arrays(vars(module).get(name), dict)]
    for table in tables:
        owner = vars(module)[table]
        for name, value in owner.items():
            if isinstance(value, np.ndarray):
                yield f"{dot}{name}", Slot(owner, name, _is_buffer(str(name), value), module, table)
    for name, value in list(vars(module).items()) if not tables else []:
        if isinstance(value, scratch.nn.Parameter):
            yield f"{dot}{name}", Slot(module, name, False)
        elif (
            plain
            and isinstance(value, list)
            and _holds_arrays(value, list)
            and not name.startswith("_")
            and not _is_gradient(name, module)
        ):
            for i, part in enumerate(list(value)):
                yield f"{dot}{name}.{i}", Slot(value, i, _is_buffer(name, part), module, name)
        elif not isinstance(value, np.ndarray):
            continue
        elif name in buffers:
            yield f"{dot}{name}", Slot(module, name, True)
        elif plain and not name.startswith("_") and not _is_gradient(name, module):
            yield f"{dot}{name}", Slot(module, name, _is_buffer(name, value))


def _holds_arrays(value: Any, kind: type[list[Any]] | type[dict[str, Any]]) -> bool:
    """A dict with arrays among its values; a list of arrays and nothing else."""
    if not isinstance(value, kind) or not value:
        return False
    if isinstance(value, dict):
        return any(isinstance(part, np.ndarray) for part in value.values())
    return all(isinstance(part, np.ndarray) for part in value)


def _is_buffer(name: str, value: np.ndarray) -> bool:
    return name.startswith(("running_", "moving_")) or value.dtype.kind != "f"


def _is_gradient(name: str, module: Any) -> bool:
    """DW beside W is the gradient of W."""
    bare = [name[1:], *(name.removeprefix(p) for p in ("d_", "grad_", "grads_"))]
    bare += [name.removesuffix(s) for s in ("_grad", "_grads")]
    return name in GRADIENTS or any(
        other != name and isinstance(vars(module).get(other), np.ndarray | list) for other in bare
    )

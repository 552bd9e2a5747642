"""Nests: the inputs and outputs of a layer, in whatever structure its author has packed them.

Tuples and lists go by position; dicts, dataclasses, named objects and PackedSequences by key, in any order.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from scratch.nn.utils.rnn import PackedSequence

PACKED = torch.nn.utils.rnn.PackedSequence, PackedSequence


def parts(nest: Any) -> list[tuple[Any, Any]] | None:
    """The parts of a nest by position or sorted key; None for a leaf."""
    if isinstance(nest, tuple | list) and not isinstance(nest, torch.Size):
        names = getattr(nest, "_fields", None)
        return list(zip(names, nest, strict=True)) if names else list(enumerate(nest))
    if isinstance(nest, Mapping):
        return sorted(nest.items(), key=lambda item: str(item[0]))
    if _has_parts(nest):
        return sorted((key, value) for key, value in vars(nest).items() if not key.startswith("_"))
    return None


def _has_parts(nest: Any) -> bool:
    """An object made to hold values: a dataclass, a namespace, or a plain object with tensors among its attributes."""
    if isinstance(nest, type | torch.nn.Module | torch.Tensor | np.ndarray | np.generic) or not hasattr(
        nest, "__dict__"
    ):
        return False
    if dataclasses.is_dataclass(nest):
        return True
    return not callable(nest) and any(isinstance(v, torch.Tensor | np.ndarray) for v in vars(nest).values())


def leaves(nest: Any) -> Iterator[Any]:
    """The leaves of a nest, in order."""
    found = parts(nest)
    if found is None:
        yield nest
    else:
        for _, part in found:
            yield from leaves(part)


def named_leaves(nest: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves with their paths, such as `logits` or `0.hidden`; a bare leaf has the path ''."""
    found = parts(nest)
    if found is None:
        yield path, nest
    else:
        for key, part in found:
            yield from named_leaves(part, f"{path}.{key}" if path else str(key))


def map_nest(fn: Callable[[Any], Any], nest: Any) -> Any:
    """The same nest, of the same classes, with fn applied to the leaves in the order of `leaves`."""
    found = parts(nest)
    if found is None:
        return fn(nest)
    values = {key: map_nest(fn, part) for key, part in found}
    if isinstance(nest, Mapping):
        if type(nest) is dict:
            return {key: values[key] for key in nest}
        twin = copy.copy(nest)
        for key, value in values.items():
            twin[key] = value  # type: ignore[index]
        return twin
    if isinstance(nest, tuple) and hasattr(nest, "_fields"):
        return tuple.__new__(type(nest), tuple(values.values()))
    if isinstance(nest, tuple | list):
        return type(nest)(list(values.values()))
    twin = copy.copy(nest)
    for key, value in values.items():
        object.__setattr__(twin, key, value)
    return twin


def keyed(nest: Any) -> bool:
    """Whether the outermost nest goes by key."""
    return isinstance(nest, Mapping) or (not isinstance(nest, tuple | list) and _has_parts(nest))


def packed_for(engine: str, nest: Any) -> Any:
    """PackedSequences as those of the engine: torch's for torch, scratch's for arrays."""
    kind = PACKED[0] if engine == "torch" else PACKED[1]
    if isinstance(nest, PACKED):
        return nest if type(nest) is kind else tuple.__new__(kind, tuple(nest))
    if isinstance(nest, tuple | list) and not hasattr(nest, "_fields"):
        return type(nest)([packed_for(engine, part) for part in nest])
    return nest

"""Nests of arrays and tensors: what goes into a layer, what comes out, and the conversions between the two kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from parity_tests.nests import map_nest

RELATIVE_MOVE = 2.0**-12  # how far a further draw moves each number: other roundings, the same neighborhood


def leaves(nest: Any) -> Iterator[Any]:
    """The leaves of nested tuples, lists and dicts, in order."""
    if isinstance(nest, tuple | list):
        for part in nest:
            yield from leaves(part)
    elif isinstance(nest, dict):
        for part in nest.values():
            yield from leaves(part)
    else:
        yield nest


def is_float(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.is_floating_point()
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f"


def floats(nest: Any) -> list[Any]:
    """The floating leaves: those that can have a gradient."""
    return [leaf for leaf in leaves(nest) if is_float(leaf)]


def array(value: Any) -> Any:
    """A tensor as the array that shares its memory where it can; anything else as it is."""
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach()
    value = (value.to_dense() if value.is_sparse else value).cpu().resolve_conj().resolve_neg()
    return value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()


def arrays(nest: Any) -> Any:
    return map_nest(array, nest)


def copied(nest: Any) -> Any:
    return map_nest(lambda x: np.array(x) if isinstance(x, np.ndarray) else x, nest)


def tensors(nest: Any, device: Any = "cpu") -> Any:
    """The arrays of a nest as tensors of their own memory."""
    return map_nest(
        lambda x: torch.tensor(np.asarray(x), device=device) if isinstance(x, np.ndarray | np.generic) else x, nest
    )


def cast(nest: Any, dtype: Any) -> Any:
    """The floating arrays of a nest in another precision."""
    return map_nest(lambda x: np.asarray(x).astype(dtype, copy=False) if is_float(x) else x, nest)


def moved(nest: Any, rng: np.random.Generator, size: float = RELATIVE_MOVE) -> Any:
    """Every floating number a little nearer to zero, so that what lies in [0, 1] stays there."""
    return map_nest(
        lambda x: (x * (1 - size * rng.random(np.shape(x)))).astype(x.dtype) if is_float(x) and np.size(x) else x, nest
    )


def fill(nest: Any, values: Iterator[Any]) -> Any:
    """The nest with its floating leaves replaced one by one."""
    return map_nest(lambda x: next(values) if is_float(x) else x, nest)


def precision(value: Any) -> str:
    """Dtype and shape in words."""
    return f"{value.dtype}{list(np.shape(value))}" if hasattr(value, "dtype") else type(value).__name__

"""The two engines by name, and values carried from one to the other."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

import scratch
import torch_impl

ENGINES: dict[str, Any] = {"scratch": scratch, "torch": torch_impl}


def to_engine(engine: str, nest: Any) -> Any:
    """A copy of nested values, with arrays and tensors as arrays for scratch and as tensors for torch."""
    if isinstance(nest, dict):
        return {key: to_engine(engine, value) for key, value in nest.items()}
    if type(nest) is list:
        return [to_engine(engine, value) for value in nest]
    if isinstance(nest, np.ndarray | torch.Tensor):
        return torch.tensor(array_of(nest)) if engine == "torch" else np.array(array_of(nest))
    return copy.deepcopy(nest)


def array_of(value: Any) -> np.ndarray:
    """The numbers of a tensor, a parameter, an array or a number; of tensors and parameters without a copy."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy()
    return value.data if isinstance(value, scratch.nn.Parameter) else np.asarray(value)


def start(lib: Any, *shapes: tuple[int, ...], dtype: str = "float32") -> list[Any]:
    """Parameters of a package, scratch or torch_impl, with the same values on both engines."""
    rng = np.random.default_rng(3)
    values = [np.asarray(rng.normal(size=shape), np.float32).astype(dtype) for shape in shapes]
    return [lib.nn.Parameter(to_engine(name_of(lib), value)) for value in values]


def give_gradients(lib: Any, parameters: Iterable[Any], seed: int = 0) -> None:
    """Random gradients, the same on both engines."""
    rng = np.random.default_rng(seed)
    for parameter in parameters:
        gradient = np.asarray(rng.normal(size=tuple(parameter.shape)), np.float32)
        parameter.grad = to_engine(name_of(lib), gradient.astype(array_of(parameter).dtype))


def name_of(lib: Any) -> str:
    return "scratch" if lib is scratch else "torch"


def assert_refused_alike(call: Callable[[Any], Any], name: str) -> None:
    """Both packages raise, of one class, and scratch's text names the component."""
    ours, theirs = (_error(call, lib) for lib in ENGINES.values())
    assert theirs is not None, "torch accepts it"
    assert ours is not None, f"scratch accepts it; torch: {theirs!r}"
    assert isinstance(ours, type(theirs)), f"scratch: {ours!r}; torch: {theirs!r}"
    assert name in str(ours), f"the text names no component: {ours!r}"


def _error(call: Callable[[Any], Any], lib: Any) -> Exception | None:
    try:
        call(lib)
    except Exception as error:
        return error
    return None

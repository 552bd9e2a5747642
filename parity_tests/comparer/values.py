"""The leaves of nests as arrays and as tensors, and operations on all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from parity_tests.comparer.nests import keyed, leaves, map_nest, named_leaves
from parity_tests.nests import numbered

Numbers = dict[str, np.ndarray]
RELATIVE_MOVE = 2.0**-12  # how far a further draw moves each number: different roundings, nearly the same values
NO_ARRAY = {torch.bfloat16: torch.float32}  # dtypes that NumPy does not have, and the one that holds their numbers


def is_float(value: Any) -> bool:
    """Whether this can have a gradient: real or complex floating numbers."""
    if isinstance(value, torch.Tensor):
        return value.is_floating_point() or value.is_complex()
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fc"


def floats(nest: Any) -> list[Any]:
    """The floating leaves: those that can have a gradient."""
    return [leaf for leaf in leaves(nest) if is_float(leaf)]


def array(value: Any) -> Any:
    """A tensor as an array that shares its memory if possible; anything else unchanged."""
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach()
    value = (value.to_dense() if value.layout != torch.strided else value).cpu().resolve_conj().resolve_neg()
    if value.dtype in NO_ARRAY or (value.is_floating_point() and value.element_size() == 1):
        value = value.to(NO_ARRAY.get(value.dtype, torch.float32))
    return value.numpy()


def arrays(nest: Any) -> Any:
    return map_nest(array, nest)


def kept(nest: Any) -> Any:
    """As `arrays`, except that tensors of a dtype that NumPy does not have stay tensors."""
    return map_nest(lambda x: x.detach() if isinstance(x, torch.Tensor) and x.dtype in NO_ARRAY else array(x), nest)


def copied(nest: Any) -> Any:
    return map_nest(
        lambda x: np.array(x) if isinstance(x, np.ndarray) else x.clone() if isinstance(x, torch.Tensor) else x, nest
    )


def tensors(nest: Any, device: Any = "cpu") -> Any:
    """The arrays of a nest as tensors of their own memory, and copies of its tensors."""

    def one(x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            return x.detach().clone().to(device)
        known = isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "biufc"
        return torch.tensor(_plain(np.asarray(x)), device=device) if known else x

    return map_nest(one, nest)


def _plain(x: np.ndarray) -> np.ndarray:
    """An array as torch takes it: no axis backwards, the bytes of a number in the machine's order."""
    x = x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))
    return x.copy() if min(x.strides, default=0) < 0 else x


def cast(nest: Any, dtype: Any) -> Any:
    """The floating arrays and tensors of a nest in another precision, as arrays; complex ones stay complex."""
    both = np.dtype(dtype), np.result_type(dtype, np.complex64)

    def one(x: Any) -> Any:
        if not is_float(x):
            return x
        x = np.asarray(array(x))
        return x.astype(both[x.dtype.kind == "c"], copy=False)

    return map_nest(one, nest)


def moved(nest: Any, rng: np.random.Generator, size: float = RELATIVE_MOVE) -> Any:
    """Every floating number a little nearer to zero, so that what lies in [0, 1] stays there."""

    def one(x: Any) -> Any:
        if not is_float(x) or not np.size(array(x)):
            return x
        if isinstance(x, torch.Tensor):
            least = max(size, 2 * torch.finfo(x.dtype).eps)
            return x * (1 - least * torch.from_numpy(rng.random(tuple(x.shape)))).to(x.dtype)
        least = max(size, 2 * float(np.finfo(x.dtype).eps)) if x.dtype == np.float16 else size
        return (x * (1 - least * rng.random(np.shape(x)))).astype(x.dtype)

    return map_nest(one, nest)


def fill(nest: Any, values: Iterator[Any]) -> Any:
    """The nest with its floating leaves replaced one by one."""
    return map_nest(lambda x: next(values) if is_float(x) else x, nest)


def precision(value: Any) -> str:
    """Dtype and shape in words."""
    return f"{value.dtype}{list(np.shape(value))}" if hasattr(value, "dtype") else type(value).__name__


def named_numbers(head: str, nest: Any) -> dict[str, Any]:
    """The numbers of an output by name: `output`, `output 1` by position, `output logits` by key.

    A dtype that NumPy does not have is a separate entry: `dtype of output`.
    """
    found = {path: leaf for path, leaf in named_leaves(nest) if leaf is not None}
    names = [f"{head} {path}" if path else head for path in found] if keyed(nest) else [
        numbered(head, i) for i in range(len(found))]  # fmt: skip
    return dict(zip(names, found.values(), strict=True))


def named_outputs(output: Any, head: str = "output") -> Numbers:
    """The same as arrays."""
    numbers: Numbers = {}
    for name, leaf in named_numbers(head, output).items():
        if isinstance(leaf, torch.Tensor) and leaf.dtype in NO_ARRAY:
            numbers[f"dtype of {name}"] = np.array(str(leaf.dtype))
        numbers[name] = np.asarray(array(leaf))
    return numbers

"""A list of items made into one batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack the items of a batch, as torch.utils.data.default_collate does, into arrays.

    Arrays are stacked along a new first axis; numbers become an array, Python floats one of float64; strings stay a
    list; mappings, tuples and lists are collated part by part. A tuple of parts becomes a list, as in torch.

    Raises    RuntimeError if the items differ in length, or their arrays in shape; IndexError if there are none;
              TypeError for anything else.
    """
    if not batch:
        raise IndexError("default_collate: the batch is empty. Leave empty batches out of the sampler.")
    first = batch[0]
    if isinstance(first, np.ndarray | np.generic):
        shapes = [np.shape(item) for item in batch]
        if any(shape != first.shape for shape in shapes):
            raise RuntimeError(
                f"default_collate: the arrays of a batch must have the same shape, got {shapes}. "
                "Pad them, or pass your own collate_fn."
            )
        return np.stack(batch)
    if isinstance(first, float):
        return np.array(batch, dtype=np.float64)
    if isinstance(first, int):
        return np.array(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return {key: default_collate([item[key] for item in batch]) for key in first}
    if isinstance(first, Sequence):
        if any(len(item) != len(first) for item in batch):
            raise RuntimeError(
                f"default_collate: the items of a batch must have the same length, got {[len(item) for item in batch]}."
            )
        parts = [default_collate(part) for part in zip(*batch, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    raise TypeError(
        f"default_collate: items must be arrays, numbers, strings, mappings or sequences, got {type(first).__name__}. "
        "Pass a collate_fn that handles it."
    )


def default_convert(data: Any) -> Any:
    """What a DataLoader makes of an item that it does not collate: tuples become lists, at every depth.

    Torch     torch.utils.data.default_convert, which turns arrays into tensors; here arrays stay arrays.
    """
    if isinstance(data, Mapping):
        return type(data)({key: default_convert(value) for key, value in data.items()})  # type: ignore[call-arg]
    if isinstance(data, tuple | list):
        parts = [default_convert(part) for part in data]
        return type(data)(*parts) if hasattr(data, "_fields") else parts
    return data

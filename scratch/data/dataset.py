"""What a loader reads from: items by number."""

import math
import warnings
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from scratch.random import Generator, randperm


class Dataset:
    """Items by number: define `__getitem__(index)` and `__len__()`."""

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: define __getitem__(self, index).")


class TensorDataset(Dataset):
    """Arrays side by side: item i is the tuple of their i-th rows.

    Torch     torch.utils.data.TensorDataset. A list of numbers as index gathers a whole batch, as with torch's tensors.
    Raises    AssertionError if the arrays differ in length, TypeError for anything but arrays, IndexError for 0-d ones.
    """

    def __init__(self, *tensors: np.ndarray) -> None:
        for tensor in tensors:
            if not isinstance(tensor, np.ndarray):
                raise TypeError(f"TensorDataset: takes NumPy arrays, got {type(tensor).__name__}. Use np.asarray.")
            if tensor.ndim == 0:
                raise IndexError("TensorDataset: an array without dimensions has no rows. Reshape it to (1,).")
        if len({len(tensor) for tensor in tensors}) > 1:
            shapes = ", ".join(str(tensor.shape) for tensor in tensors)
            raise AssertionError(f"TensorDataset: all arrays must have the same number of rows, got shapes {shapes}.")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[np.ndarray, ...]:
        try:
            return tuple(tensor[index] for tensor in self.tensors)
        except IndexError:
            raise IndexError(f"TensorDataset: no item {index} among {len(self)}; items count from 0.") from None

    def __len__(self) -> int:
        return len(self.tensors[0])


class Subset(Dataset):
    """Some items of a dataset: item i is the dataset's item indices[i]."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, idx: Any) -> Any:
        try:
            index = [self.indices[i] for i in idx] if isinstance(idx, list) else self.indices[idx]
        except IndexError:
            raise IndexError(f"Subset: no item {idx} among {len(self)}; items count from 0.") from None
        return self.dataset[index]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """Deal the items of a dataset at random into parts of these lengths, or of these fractions if they sum to 1.

    One randperm of all items is drawn and cut into consecutive pieces. A fraction f gets floor(f * n) items; what
    remains is dealt one by one, beginning with the first part.

    Torch     torch.utils.data.random_split; same draws, same order.
    Raises    ValueError if the lengths do not sum to the dataset's, or a fraction is outside [0, 1].
    """
    n, total = len(dataset), sum(lengths)
    if math.isclose(total, 1) and total <= 1:
        lengths = _whole_lengths(n, lengths)
    if sum(lengths) != n:
        raise ValueError(
            f"random_split: the lengths must sum to the dataset's {n} items, got {list(lengths)}, sum {sum(lengths)}. "
            "Fractions must sum to 1 and not exceed it."
        )
    order = randperm(n, generator=generator).tolist()
    ends = accumulate(int(length) for length in lengths)
    return [Subset(dataset, order[end - int(length) : end]) for end, length in zip(ends, lengths, strict=True)]


def _whole_lengths(n: int, fractions: Sequence[float]) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"random_split: fraction {i} must be between 0 and 1, got {fraction}.")
    lengths = [math.floor(n * fraction) for fraction in fractions]
    for i in range(n - sum(lengths)):
        lengths[i % len(lengths)] += 1
    for i, length in enumerate(lengths):
        if length == 0:
            warnings.warn(f"random_split: part {i} is empty: {fractions[i]} of {n} items.", stacklevel=3)
    return lengths

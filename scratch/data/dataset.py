"""What a loader reads from: items by number."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from scratch.arrays import check_own_rules
from scratch.random import Generator, randperm


class Dataset:
    """Items by number: define `__getitem__(index)` and `__len__()`."""

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: define __getitem__(self, index).")

    def __add__(self, other: Any) -> Dataset:
        """The ConcatDataset of both."""
        return ConcatDataset([self, other])


class TensorDataset(Dataset):
    """Arrays side by side: item i is the tuple of their i-th rows.

    Torch     torch.utils.data.TensorDataset. A list of numbers as index gathers a whole batch, as with torch's tensors.
    Raises    AssertionError if the arrays differ in length, TypeError for anything but arrays, IndexError for 0-d ones.
    """

    def __init__(self, *tensors: np.ndarray) -> None:
        for tensor in tensors:
            if not isinstance(tensor, np.ndarray):
                raise TypeError(f"TensorDataset: takes NumPy arrays, got {type(tensor).__name__}. Use np.asarray.")
            check_own_rules("TensorDataset", "each tensor", tensor)
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


class IterableDataset(Dataset):
    """Items that come one after another: define `__iter__`. A DataLoader reads them in their order, as batches.

    Torch     torch.utils.data.IterableDataset. `a + b` is the ChainDataset of both.
    """

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{type(self).__name__}: define __iter__(self), which yields the items.")

    def __add__(self, other: Any) -> ChainDataset:
        return ChainDataset([self, other])


class ChainDataset(IterableDataset):
    """Iterable datasets one after another; each starts when the previous one has ended.

    Torch     torch.utils.data.ChainDataset.
    Raises    AssertionError, when it is read, for a dataset that is not an IterableDataset.
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            self._check(dataset)
            yield from dataset

    def __len__(self) -> int:
        total = 0
        for dataset in self.datasets:
            self._check(dataset)
            total += len(dataset)
        return total

    def _check(self, dataset: Any) -> None:
        if not isinstance(dataset, IterableDataset):
            raise AssertionError(
                f"ChainDataset: chains IterableDatasets, got {type(dataset).__name__}. Use ConcatDataset for datasets "
                "with numbered items."
            )


class ConcatDataset(Dataset):
    """Datasets one after another, their items numbered consecutively.

    Torch     torch.utils.data.ConcatDataset; `a + b` of two datasets makes one.
    Raises    AssertionError for no datasets, or an IterableDataset; ValueError for a negative index below the first
              item; for an index past the end, what the last dataset raises.
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("ConcatDataset: needs at least one dataset, got none.")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset: an IterableDataset has no numbered items. Use ChainDataset.")
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int) -> Any:
        if idx < -len(self):
            raise ValueError(f"ConcatDataset: no item {idx} among {len(self)}; the first is also item {-len(self)}.")
        idx = idx + len(self) if idx < 0 else idx
        i = bisect_right(self.cumulative_sizes, idx)
        if i == len(self.datasets):
            raise IndexError(f"ConcatDataset: no item {idx} among {len(self)}; items count from 0.")
        return self.datasets[i][idx - self.cumulative_sizes[i - 1] if i else idx]


class StackDataset(Dataset):
    """Datasets side by side: item i is the tuple of their i-th items, or a dict if they are given by name.

    Torch     torch.utils.data.StackDataset.
    Raises    ValueError for no datasets, some with names and some without, or datasets of different lengths.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            got = "both" if args else "none"
            raise ValueError(f"StackDataset: takes datasets either by position or by name, got {got}.")
        self.datasets: tuple[Any, ...] | dict[str, Any] = args or kwargs
        lengths = [len(dataset) for dataset in args or kwargs.values()]
        if len(set(lengths)) > 1:
            raise ValueError(f"StackDataset: all datasets must have the same number of items, got {lengths}.")
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __len__(self) -> int:
        return self._length


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """Split a dataset at random into parts of these lengths, or of these fractions if they sum to 1.

    One randperm of all items is drawn and cut into consecutive pieces. A fraction f gets floor(f * n) items; the
    remaining items are added one by one, beginning with the first part.

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

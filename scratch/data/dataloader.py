"""DataLoader: the batches of an epoch."""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from scratch.data.collate import default_collate, default_convert
from scratch.data.dataset import IterableDataset, Subset, TensorDataset
from scratch.data.sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed
from scratch.random import Generator


class DataLoader:
    """The batches of a dataset, epoch after epoch, in torch's order.

        for images, labels in DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True):

    A batch of a TensorDataset, or of a Subset of one, is gathered with one indexing statement per array. Any other
    dataset is read item by item and collated. `batch_size=None` yields the dataset's item for each index of the
    sampler. An IterableDataset has no indices and so no sampler: its items are taken in their own order.

    Options   dataset; batch_size and shuffle, or a sampler; batch_sampler, which yields whole batches of numbers;
              collate_fn makes a batch of a list of items; drop_last leaves a short last batch out; generator.
    Draws     Every `iter(loader)` takes one 64-bit number from `generator` (None: the global stream), even where
              nothing is shuffled; torch seeds its workers with it. Then the sampler draws, at the first batch.
    Torch     torch.utils.data.DataLoader; same arguments, except those of execution.
    Raises    ValueError for mutually exclusive arguments, IndexError for an index outside the dataset.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        collate_fn: Callable[[Any], Any] | None = None,
        drop_last: bool = False,
        generator: Generator | None = None,
    ) -> None:
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: shuffle=True makes its own sampler. Pass either shuffle or sampler.")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("DataLoader: a batch_sampler excludes batch_size, shuffle, sampler and drop_last.")
        if batch_size is None and drop_last:
            raise ValueError("DataLoader: batch_size=None makes no batches, so drop_last must be False.")
        streamed = isinstance(dataset, IterableDataset)
        if streamed and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError(
                "DataLoader: an IterableDataset has its own order and takes no shuffle, sampler or batch_sampler. "
                "Shuffle within its __iter__."
            )
        if streamed:
            sampler = ()
        elif sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.generator = generator

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.dataset, IterableDataset):
            draw_seed(self.generator)
            return self._stream(iter(self.dataset))
        numbers = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        draw_seed(self.generator)
        return map(self._fetch_one if self.batch_sampler is None else self._fetch, numbers)

    def _stream(self, items: Iterator[Any]) -> Iterator[Any]:
        if self.batch_size is None:
            yield from map(self._converted, items)
            return
        while batch := list(islice(items, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield (self.collate_fn or default_collate)(batch)

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            n, size = len(self.dataset), self.batch_size or 1  # type: ignore[arg-type]
            return n // size if self.drop_last else math.ceil(n / size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]

    def _fetch(self, numbers: list[Any]) -> Any:
        if self.collate_fn is None:
            source, rows = _rows(self.dataset, numbers)
            if source is not None:
                return _gather(source, rows)
        if hasattr(self.dataset, "__getitems__"):
            return (self.collate_fn or default_collate)(self.dataset.__getitems__(numbers))
        return (self.collate_fn or default_collate)([self.dataset[i] for i in numbers])

    def _fetch_one(self, number: Any) -> Any:
        return self._converted(self.dataset[number])

    def _converted(self, item: Any) -> Any:
        return (self.collate_fn or default_convert)(item)


def _gather(source: TensorDataset, rows: list[int]) -> list[np.ndarray]:
    try:
        return [tensor[rows] for tensor in source.tensors]
    except IndexError:
        n = len(source)
        outside = next(row for row in rows if not -n <= row < n)
        raise IndexError(f"DataLoader: the sampler asked for item {outside} of a dataset with {n} items.") from None


def _rows(dataset: Any, numbers: list[Any]) -> tuple[TensorDataset | None, list[Any]]:
    """The TensorDataset under nested Subsets, and its rows for these indices; None for any other kind of dataset.

    A subclass with its own `__getitem__` counts as another kind: its items must be read one by one.
    """
    while type(dataset) is Subset:
        dataset, numbers = dataset.dataset, [dataset.indices[i] for i in numbers]
    plain = isinstance(dataset, TensorDataset) and type(dataset).__getitem__ is TensorDataset.__getitem__
    return (dataset if plain else None), numbers

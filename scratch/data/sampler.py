"""The order in which items are read. Every sampler draws what torch's sampler draws, at the same moment.

The moment matters as much as the draw: a sampler draws when its first number is asked for, not when the loop begins,
so that other draws from the same generator fall between the same two numbers as in torch.
"""

import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any

import numpy as np

from scratch.random import Generator, multinomial, randint, random_, randperm

CHUNK = 32  # the number of draws that torch makes at once when it samples with replacement


class Sampler:
    """An order of items: define `__iter__` to yield their numbers, and `__len__`."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__}: define __iter__(self).")


class SequentialSampler(Sampler):
    """0, 1, 2, ..., n - 1.

    Options   data_source, the dataset.
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """A random order of all items, or `num_samples` items drawn at random.

    Without replacement: a randperm for every full round of the n items, then one more randperm, cut to what is left.
        So one epoch of n items draws two permutations: the second contributes no items but advances the stream.
    With replacement: randint in chunks of 32, then one for the rest.
    Without a generator: the global stream gives one 64-bit number, which seeds a generator for this epoch alone.

    Options   data_source, the dataset; replacement; num_samples; generator.
    Torch     torch.utils.data.RandomSampler.
    Raises    TypeError if replacement is not a bool, ValueError if num_samples is not a positive integer.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement must be True or False, got {replacement!r}.")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            hint = " The dataset is empty." if num_samples is None else ""
            raise ValueError(f"RandomSampler: num_samples must be a positive integer, got {self.num_samples!r}.{hint}")

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, generator = len(self.data_source), self.generator
        if generator is None:
            generator = Generator().manual_seed(draw_seed(None))
        if self.replacement:
            chunks, rest = divmod(self.num_samples, CHUNK)
            for size in [CHUNK] * chunks + [rest]:
                yield from randint(n, (size,), generator=generator).tolist()
        else:
            rounds, rest = divmod(self.num_samples, n)
            for _ in range(rounds):
                yield from randperm(n, generator=generator).tolist()
            yield from randperm(n, generator=generator)[:rest].tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given numbers in random order: one randperm of their count.

    Options   indices, the numbers; generator (None: the global one).
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """`num_samples` numbers drawn with these weights, which need not sum to 1: one multinomial in float64.

    Options   weights; num_samples; replacement; generator (None: the global one).
    Torch     torch.utils.data.WeightedRandomSampler.
    Raises    ValueError if num_samples is not a positive integer, replacement not a bool, or weights not 1-D.
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(f"WeightedRandomSampler: num_samples must be a positive integer, got {num_samples!r}.")
        if not isinstance(replacement, bool):
            raise ValueError(f"WeightedRandomSampler: replacement must be True or False, got {replacement!r}.")
        self.weights = np.asarray(weights, dtype=np.float64)
        if self.weights.ndim != 1:
            raise ValueError(f"WeightedRandomSampler: weights must be 1-D, got shape {self.weights.shape}.")
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        yield from multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator).tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Another sampler's numbers in lists of `batch_size`; a last short list is dropped if `drop_last`.

    Torch     torch.utils.data.BatchSampler.
    Raises    ValueError if batch_size is not a positive integer or drop_last not a bool.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"BatchSampler: batch_size must be a positive integer, got {batch_size!r}.")
        if not isinstance(drop_last, bool):
            raise ValueError(f"BatchSampler: drop_last must be True or False, got {drop_last!r}.")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        numbers = iter(self.sampler)
        while batch := list(islice(numbers, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else math.ceil(n / self.batch_size)


class DistributedSampler(Sampler):
    """Every `num_replicas`-th item of a common order, beginning at `rank`, so that each process reads its own share.

    The order is randperm(n) of a generator seeded with seed + epoch (call `set_epoch` before each epoch), the same in
    every process, and the global stream is not touched. To make the shares equal, the order is repeated from its
    beginning, or cut if `drop_last`.

    Options   dataset; num_replicas, the number of processes; rank, the number of this process; shuffle; seed;
              drop_last.
    Torch     torch.utils.data.DistributedSampler. Without process groups, num_replicas and rank must be given.
    Raises    ValueError if they are not given, or rank is outside [0, num_replicas).
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise ValueError("DistributedSampler: pass num_replicas and rank, since there is no process group.")
        if not 0 <= rank < num_replicas:
            raise ValueError(f"DistributedSampler: rank must lie in [0, {num_replicas - 1}], got {rank}.")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.num_samples = len(dataset) // num_replicas if drop_last else math.ceil(len(dataset) / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        if self.shuffle:
            order = randperm(n, generator=Generator().manual_seed(self.seed + self.epoch))
        else:
            order = np.arange(n)
        return iter(np.resize(order, self.total_size)[self.rank :: self.num_replicas].tolist())

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


def draw_seed(generator: Generator | None) -> int:
    """A 63-bit seed from the generator, None meaning the global one: two words of its stream."""
    return int(random_(np.empty((), np.int64), generator=generator))

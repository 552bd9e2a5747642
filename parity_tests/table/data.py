"""Rows: data sets, samplers and the loader, each in a few lines; what they draw at random is compared too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from parity_tests.table.recipe import single
from parity_tests.table.row import Program, Row

if TYPE_CHECKING:
    from parity_tests.engine import Engine

Make = Callable[[Any, Callable[[int], Any]], Any]


def of_dataset(make: Make, engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    """The length, every item, and two epochs in batches of 3, one in order and one shuffled."""
    data = engine.lib.data
    dataset = make(data, partial(side_by_side, engine, dtype, rng))
    loaders = [data.DataLoader(dataset, batch_size=3, shuffle=shuffle) for shuffle in (False, True)]
    items = [dataset[i] for i in range(len(dataset))]
    return {"length": len(dataset), "items": items, "epochs": [list(loader) for loader in loaders]}


def of_stream(make: Make, engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    """The length, the items, and epochs in batches of 3, in batches of 3 without the last, and item by item."""
    data = engine.lib.data
    stream = make(data, partial(one_by_one, engine, dtype, rng))
    options: list[dict[str, Any]] = [{"batch_size": 3}, {"batch_size": 3, "drop_last": True}, {"batch_size": None}]
    return {
        "length": len(stream),
        "items": list(stream),
        "epochs": [list(data.DataLoader(stream, **option)) for option in options],
    }


def of_loader(options: dict[str, Any], engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    """The number of batches, and three epochs."""
    loader = engine.lib.data.DataLoader(side_by_side(engine, dtype, rng, 11), **options)
    return {"length": len(loader), "epochs": [list(loader) for _ in range(3)]}


def of_sampler(make: Callable[[Any], Any], engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    """Its length, and the numbers of three epochs."""
    sampler = make(engine.lib.data)
    return {"length": len(sampler), "epochs": [list(sampler) for _ in range(3)]}


def of_split(lengths: list[float], engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    """The items of every part."""
    parts = engine.lib.data.random_split(range(17), lengths)
    return [list(part) for part in parts]


def of_nest(name: str, engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    """Arrays, numbers, words and their nests, joined or converted."""
    arrays = single(rng.normal(size=(3, 2, 3))).astype(dtype)
    items = [{"x": engine.native(x), "pair": (i, 0.5 * i), "name": str(i), "on": i > 1} for i, x in enumerate(arrays)]
    return engine.find(f"data.{name}")(items)


def side_by_side(engine: Engine, dtype: str, rng: np.random.Generator, n: int) -> Any:
    """A data set of n rows and their labels."""
    rows, labels = single(rng.normal(size=(n, 2, 3))), rng.integers(0, 10, n)
    return engine.lib.data.TensorDataset(engine.native(rows.astype(dtype)), engine.native(labels))


def one_by_one(engine: Engine, dtype: str, rng: np.random.Generator, n: int) -> Any:
    """A stream of n items, which draws as it goes."""
    values = single(rng.normal(size=n)).astype(dtype)

    class Stream(engine.lib.data.IterableDataset):  # type: ignore[name-defined]
        def __iter__(self) -> Iterator[Any]:
            for i, value in enumerate(values):
                yield {"number": i, "value": engine.native(value), "noise": engine.random.rand(2)}

        def __len__(self) -> int:
            return n

    return Stream()


def dataset(name: str, case: str, make: Make) -> Program:
    return Program(f"data.{name}", partial(of_dataset, make), case)


def stream(name: str, case: str, make: Make) -> Program:
    return Program(f"data.{name}", partial(of_stream, make), case)


def sampler(name: str, case: str, make: Callable[[Any], Any]) -> Program:
    return Program(f"data.{name}", partial(of_sampler, make), case)


WEIGHTS = [0.1, 3.0, 0.0, 1.0, 0.4]

ROWS: list[Row] = [
    dataset("TensorDataset", "", lambda data, rows: rows(7)),
    dataset("Subset", "", lambda data, rows: data.Subset(rows(7), [5, 0, 5, 2])),
    dataset("ConcatDataset", "", lambda data, rows: data.ConcatDataset([rows(5), rows(1), rows(7)])),
    dataset("ConcatDataset", "an empty one", lambda data, rows: data.ConcatDataset([rows(0), rows(3), rows(0)])),
    dataset("ConcatDataset", "a sum", lambda data, rows: rows(5) + rows(3)),
    dataset("StackDataset", "", lambda data, rows: data.StackDataset(rows(5), rows(5))),
    dataset("StackDataset", "by name", lambda data, rows: data.StackDataset(image=rows(5), text=list("abcde"))),
    stream("IterableDataset", "", lambda data, items: items(7)),
    stream("IterableDataset", "empty", lambda data, items: items(0)),
    stream("ChainDataset", "", lambda data, items: data.ChainDataset([items(3), items(0), items(5)])),
    stream("ChainDataset", "a sum", lambda data, items: items(3) + items(2)),
    Program("data.DataLoader", partial(of_loader, {})),
    Program("data.DataLoader", partial(of_loader, {"batch_size": 4}), "batches"),
    Program("data.DataLoader", partial(of_loader, {"batch_size": 4, "drop_last": True}), "without the last"),
    Program("data.DataLoader", partial(of_loader, {"batch_size": 4, "shuffle": True}), "shuffled"),
    Program("data.DataLoader", partial(of_loader, {"batch_size": None}), "item by item"),
    sampler("SequentialSampler", "", lambda data: data.SequentialSampler(range(7))),
    sampler("RandomSampler", "", lambda data: data.RandomSampler(range(7))),
    sampler("RandomSampler", "replacement", lambda data: data.RandomSampler(range(7), True, 70)),
    sampler("RandomSampler", "more than there are", lambda data: data.RandomSampler(range(7), num_samples=17)),
    sampler("SubsetRandomSampler", "", lambda data: data.SubsetRandomSampler([3, 1, 4, 1, 5, 9])),
    sampler("WeightedRandomSampler", "", lambda data: data.WeightedRandomSampler(WEIGHTS, 50)),
    sampler("WeightedRandomSampler", "no replacement", lambda data: data.WeightedRandomSampler(WEIGHTS, 4, False)),
    sampler("BatchSampler", "", lambda data: data.BatchSampler(data.RandomSampler(range(11)), 4, False)),
    sampler("BatchSampler", "drop_last", lambda data: data.BatchSampler(data.SequentialSampler(range(11)), 4, True)),
    sampler("DistributedSampler", "", lambda data: data.DistributedSampler(range(11), 3, 1)),
    sampler("DistributedSampler", "in order", lambda data: data.DistributedSampler(range(11), 3, 2, False)),
    sampler("DistributedSampler", "drop_last", lambda data: data.DistributedSampler(range(11), 3, 0, True, 5, True)),
    Program("data.random_split", partial(of_split, [5, 0, 12])),
    Program("data.random_split", partial(of_split, [0.3, 0.3, 0.4]), "fractions"),
    Program("data.default_collate", partial(of_nest, "default_collate")),
    Program("data.default_convert", partial(of_nest, "default_convert")),
]

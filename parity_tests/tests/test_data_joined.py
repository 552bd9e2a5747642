"""Datasets of datasets and streams: the same items, batches, lengths, errors and draws as torch's."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data

import scratch
import scratch.data

TORCH: Any = torch.utils.data
SCRATCH: Any = scratch.data


def rows(d: Any, n: int, start: int = 0) -> Any:
    x = np.arange(start, start + 6 * n, dtype=np.float32).reshape(n, 2, 3)
    y = np.arange(start, start + n)
    return d.TensorDataset(*((x, y) if d is SCRATCH else map(torch.from_numpy, (x, y))))


def stream(d: Any, n: int, draws: bool = False, length: bool = True) -> Any:
    """A stream of n items of several kinds; it may draw as it goes."""
    lib = scratch if d is SCRATCH else torch

    class Stream(d.IterableDataset):
        def __iter__(self) -> Any:
            for i in range(n):
                noise = lib.rand(2) if draws else 0.5 * i
                yield {"number": i, "noise": noise, "name": str(i)}

    class Measured(Stream):
        def __len__(self) -> int:
            return n

    return (Measured if length else Stream)()


class Gathered:
    """Items by number, and many at once."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, i: int) -> Any:
        raise AssertionError("one by one")

    def __getitems__(self, numbers: list[int]) -> list[Any]:
        return [2 * number for number in numbers]


DATASETS = {
    "concat": lambda d: d.ConcatDataset([rows(d, 5), rows(d, 1, 100), rows(d, 7, 200)]),
    "sum": lambda d: rows(d, 5) + rows(d, 3, 100) + rows(d, 2, 200),
    "concat of an empty one": lambda d: d.ConcatDataset([rows(d, 0), rows(d, 3), rows(d, 0), rows(d, 2, 50)]),
    "concat of subsets": lambda d: d.ConcatDataset([d.Subset(rows(d, 5), [4, 0]), rows(d, 2, 50)]),
    "subset of concat": lambda d: d.Subset(d.ConcatDataset([rows(d, 5), rows(d, 3, 100)]), [7, 0, 5]),
    "stack": lambda d: d.StackDataset(rows(d, 5), rows(d, 5, 100)),
    "stack by name": lambda d: d.StackDataset(image=rows(d, 5), text=list("abcde")),
    "stack of concat": lambda d: d.StackDataset(d.ConcatDataset([rows(d, 2), rows(d, 3)]), range(5)),
    "many at once": lambda _: Gathered(),
}
STREAMS = {
    "stream": lambda d: stream(d, 7),
    "stream that draws": lambda d: stream(d, 7, draws=True),
    "empty stream": lambda d: stream(d, 0),
    "chain": lambda d: d.ChainDataset([stream(d, 3), stream(d, 0), stream(d, 5, draws=True)]),
    "sum of streams": lambda d: stream(d, 3) + stream(d, 2),
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"batch_size": 3},
    {"batch_size": 3, "drop_last": True},
    {"batch_size": None},
    {"batch_size": 2, "collate_fn": len},
]


def plain(value: Any) -> Any:
    """Arrays and tensors as lists with their dtype."""
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return str(value.dtype).removeprefix("torch."), np.asarray(value).tolist()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return type(value), [plain(part) for part in value] if isinstance(value, list | tuple) else value


def read(d: Any, make: Any, options: dict[str, Any]) -> list[Any]:
    """Three epochs through a loader, its length, and the state of the global stream."""
    lib = scratch if d is SCRATCH else torch
    lib.manual_seed(3)
    loader = d.DataLoader(make(d), **options)
    said = [len(loader), *(plain(list(loader)) for _ in range(3))]
    return [*said, np.asarray(lib.get_rng_state()).tobytes()]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("make", [*DATASETS.values(), *STREAMS.values()], ids=[*DATASETS, *STREAMS])
def test_the_same_batches_and_draws(make: Any, options: dict[str, Any]) -> None:
    if make is DATASETS["many at once"] and options.get("batch_size", 1) is None:
        make = DATASETS["sum"]
    assert read(SCRATCH, make, options) == read(TORCH, make, options)


@pytest.mark.parametrize("make", DATASETS.values(), ids=DATASETS)
def test_shuffled(make: Any) -> None:
    options = {"batch_size": 3, "shuffle": True}
    assert read(SCRATCH, make, options) == read(TORCH, make, options)


@pytest.mark.parametrize("make", [make for name, make in DATASETS.items() if name != "many at once"])
def test_items_and_lengths(make: Any) -> None:
    ours, theirs = make(SCRATCH), make(TORCH)
    assert len(ours) == len(theirs)
    for i in range(len(ours)):
        assert plain(ours[i]) == plain(theirs[i])


def test_concat_counts_from_the_end() -> None:
    ours, theirs = (DATASETS["concat"](d) for d in (SCRATCH, TORCH))
    for i in range(-len(ours), 0):
        assert plain(ours[i]) == plain(theirs[i])
    assert ours.cumulative_sizes == theirs.cumulative_sizes


BAD = {
    "concat of none": lambda d: d.ConcatDataset([]),
    "concat of a stream": lambda d: d.ConcatDataset([rows(d, 2), stream(d, 2)]),
    "concat beyond its end": lambda d: DATASETS["concat"](d)[13],
    "concat before its beginning": lambda d: DATASETS["concat"](d)[-14],
    "stack of none": lambda d: d.StackDataset(),
    "stack of both kinds": lambda d: d.StackDataset(rows(d, 2), text=rows(d, 2)),
    "stack of two lengths": lambda d: d.StackDataset(rows(d, 2), rows(d, 3)),
    "stack of two lengths by name": lambda d: d.StackDataset(a=rows(d, 2), b=rows(d, 3)),
    "chain of rows": lambda d: list(d.ChainDataset([rows(d, 2)])),
    "length of a chain of rows": lambda d: len(d.ChainDataset([rows(d, 2)])),
    "length of a stream without one": lambda d: len(d.DataLoader(stream(d, 3, length=False))),
    "shuffled stream": lambda d: d.DataLoader(stream(d, 3), shuffle=True),
    "stream with a sampler": lambda d: d.DataLoader(stream(d, 3), sampler=[0]),
    "stream with a batch_sampler": lambda d: d.DataLoader(stream(d, 3), batch_sampler=[[0]]),
    "stream without __iter__": lambda d: list(d.DataLoader(type("Empty", (d.IterableDataset,), {})())),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_the_same_error(call: Any) -> None:
    with pytest.raises(Exception) as theirs:
        call(TORCH)
    with pytest.raises(theirs.type) as ours:
        call(SCRATCH)
    assert type(ours.value) is theirs.type
    assert "\n" not in str(ours.value)

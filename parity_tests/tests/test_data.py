"""scratch.data reads in torch's order, and leaves every stream where torch leaves it, after every batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data

import scratch
import scratch.data

TORCH: Any = torch.utils.data
SCRATCH: Any = scratch.data
EPOCHS = 3
WEIGHTS = [0.1, 0.9, 0.4, 0.7, 3.0, 0.6, 0.0]

# name -> loader of dataset `ds` with generator `g`, made by either library `d`
LOADERS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "in order": lambda d, ds, g: d.DataLoader(ds, batch_size=7),
    "in order, own generator": lambda d, ds, g: d.DataLoader(ds, batch_size=7, generator=g),
    "shuffled": lambda d, ds, g: d.DataLoader(ds, batch_size=7, shuffle=True),
    "shuffled, own generator": lambda d, ds, g: d.DataLoader(ds, batch_size=7, shuffle=True, generator=g),
    "shuffled, drop_last": lambda d, ds, g: d.DataLoader(ds, 7, True, drop_last=True, generator=g),
    "shuffled, one by one": lambda d, ds, g: d.DataLoader(ds, batch_size=None, shuffle=True, generator=g),
    "replacement": lambda d, ds, g: d.DataLoader(ds, 7, sampler=d.RandomSampler(ds, True, 100, g)),
    "replacement, global": lambda d, ds, g: d.DataLoader(ds, 7, sampler=d.RandomSampler(ds, replacement=True)),
    "several rounds": lambda d, ds, g: d.DataLoader(ds, 7, sampler=d.RandomSampler(ds, num_samples=2 * len(ds) + 1)),
    "subset": lambda d, ds, g: d.DataLoader(ds, 2, sampler=d.SubsetRandomSampler(range(0, len(ds), 2), g)),
    "subset, global": lambda d, ds, g: d.DataLoader(ds, 2, sampler=d.SubsetRandomSampler([0, 0, 0, 0])),
    "weighted": lambda d, ds, g: d.DataLoader(ds, 3, sampler=d.WeightedRandomSampler(WEIGHTS[: len(ds)], 20, True, g)),
    "weighted, distinct": lambda d, ds, g: d.DataLoader(
        ds, 3, sampler=d.WeightedRandomSampler(WEIGHTS[: len(ds)], min(len(ds), 6), False)
    ),
    "batch_sampler": lambda d, ds, g: d.DataLoader(ds, batch_sampler=d.BatchSampler(d.RandomSampler(ds), 3, True)),
    "batches as a sampler": lambda d, ds, g: d.DataLoader(
        ds, batch_size=None, sampler=d.BatchSampler(d.RandomSampler(ds, generator=g), 7, False), generator=g
    ),
}


def pair(n: int) -> tuple[Any, Any]:
    """The same dataset on both sides: rows that tell where they come from, and their numbers."""
    x, y = np.arange(n * 6, dtype=np.float32).reshape(n, 2, 3), np.arange(n)
    return TORCH.TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), SCRATCH.TensorDataset(x, y)


def seeded(seed: int) -> tuple[torch.Generator, scratch.Generator]:
    """Seed both global streams with `seed`, and return generators of the next seed."""
    torch.manual_seed(seed)
    scratch.manual_seed(seed)
    return torch.Generator().manual_seed(seed + 1), scratch.Generator().manual_seed(seed + 1)


def assert_same_streams(tg: torch.Generator, sg: scratch.Generator) -> None:
    assert torch.get_rng_state().numpy().tobytes() == scratch.get_rng_state().tobytes()
    assert tg.get_state().numpy().tobytes() == sg.get_state().tobytes()


def assert_same_batch(theirs: Any, ours: Any) -> None:
    assert len(theirs) == len(ours)
    for tensor, array in zip(theirs, ours, strict=True):
        expected = tensor.numpy()
        assert (expected.dtype, expected.shape) == (array.dtype, array.shape)
        assert expected.tobytes() == array.tobytes()


@pytest.mark.parametrize("n", [1, 2, 7, 64, 65])
@pytest.mark.parametrize("name", LOADERS)
def test_order_and_streams(name: str, n: int) -> None:
    for seed in (0, 2**31 + 5):
        tg, sg = seeded(seed)
        theirs, ours = pair(n)
        theirs, ours = LOADERS[name](TORCH, theirs, tg), LOADERS[name](SCRATCH, ours, sg)
        assert len(theirs) == len(ours)
        for _ in range(EPOCHS):
            for a, b in zip(theirs, ours, strict=True):
                assert_same_batch(a, b)
                assert_same_streams(tg, sg)
            assert_same_streams(tg, sg)


@pytest.mark.parametrize("name", LOADERS)
def test_draws_in_between_and_epochs_broken_off(name: str) -> None:
    """Draws of one's own between batches, and an epoch left after two of them, meet the stream at the same place."""
    tg, sg = seeded(3)
    theirs, ours = pair(30)
    theirs, ours = LOADERS[name](TORCH, theirs, tg), LOADERS[name](SCRATCH, ours, sg)
    for stop in (2, 1, None):
        batches = zip(theirs, ours, strict=True)
        for i, (a, b) in enumerate(batches):
            assert_same_batch(a, b)
            assert torch.rand(3).numpy().tobytes() == scratch.rand(3).tobytes()
            assert torch.rand(2, generator=tg).numpy().tobytes() == scratch.rand(2, generator=sg).tobytes()
            if i + 1 == stop:
                break
        assert_same_streams(tg, sg)


def test_sixty_thousand_items() -> None:
    tg, sg = seeded(1)
    theirs, ours = TORCH.TensorDataset(torch.arange(60000)), SCRATCH.TensorDataset(np.arange(60000))
    numbers = TORCH.BatchSampler(TORCH.RandomSampler(theirs, generator=tg), 64, False)  # spares torch its item loop
    theirs = TORCH.DataLoader(theirs, batch_size=None, sampler=numbers, generator=tg)
    ours = SCRATCH.DataLoader(ours, 64, shuffle=True, generator=sg)
    for _ in range(2):
        for a, b in zip(theirs, ours, strict=True):
            assert_same_batch(a, b)
        assert_same_streams(tg, sg)


@pytest.mark.parametrize("lengths", [[3, 7, 13], [23], [0.3, 0.3, 0.4], [0.5, 0.5], [1.0], [0.2, 0.2, 0.2, 0.2, 0.2]])
def test_random_split(lengths: list[float]) -> None:
    tg, sg = seeded(11)
    theirs, ours = pair(23)
    for of_torch, of_scratch in (({}, {}), ({"generator": tg}, {"generator": sg})):
        for a, b in zip(
            TORCH.random_split(theirs, lengths, **of_torch),
            SCRATCH.random_split(ours, lengths, **of_scratch),
            strict=True,
        ):
            assert a.indices == b.indices
            nested = TORCH.Subset(a, range(len(a))), SCRATCH.Subset(b, range(len(b)))
            for x, y in zip(TORCH.DataLoader(nested[0], 4), SCRATCH.DataLoader(nested[1], 4), strict=True):
                assert_same_batch(x, y)
        assert_same_streams(tg, sg)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("n", "replicas"), [(23, 1), (23, 4), (24, 4), (3, 7), (0, 2)])
def test_distributed_sampler(n: int, replicas: int, shuffle: bool, drop_last: bool) -> None:
    tg, sg = seeded(0)
    for rank in range(replicas):
        arguments = (range(n), replicas, rank, shuffle, 5, drop_last)
        theirs, ours = TORCH.DistributedSampler(*arguments), SCRATCH.DistributedSampler(*arguments)
        assert len(theirs) == len(ours)
        for epoch in range(EPOCHS):
            theirs.set_epoch(epoch)
            ours.set_epoch(epoch)
            assert list(theirs) == list(ours)
    assert_same_streams(tg, sg)


@pytest.mark.parametrize(
    "items",
    [
        [1, 2, 3],
        [1.5, 2.5, 3.5],
        [True, False, True],
        [np.float32(1), np.float32(2), np.float32(3)],
        [np.arange(4), np.arange(4), np.arange(4)],
        [(np.zeros(2, np.float32), 1)] * 3,
        [{"x": np.ones(2), "y": (1, 2.0)}] * 3,
        [[1, "a"], [2, "b"], [3, "c"]],
    ],
    ids=str,
)
def test_items_of_any_other_dataset_are_collated(items: list[Any]) -> None:
    for theirs, ours in zip(TORCH.DataLoader(items, 2), SCRATCH.DataLoader(items, 2), strict=True):
        assert_same_nest(theirs, ours)


def assert_same_nest(theirs: Any, ours: Any) -> None:
    if isinstance(theirs, torch.Tensor):
        assert_same_batch([theirs], [ours])
    elif isinstance(theirs, dict):
        assert theirs.keys() == ours.keys()
        for key in theirs:
            assert_same_nest(theirs[key], ours[key])
    elif isinstance(theirs, list):
        assert len(theirs) == len(ours)
        for a, b in zip(theirs, ours, strict=True):
            assert_same_nest(a, b)
    else:
        assert theirs == ours


def test_a_dataset_with_items_of_its_own_is_asked_for_each() -> None:
    class Doubled(SCRATCH.TensorDataset):
        def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
            return tuple(2 * item for item in super().__getitem__(index))

    (batch,) = SCRATCH.DataLoader(SCRATCH.Subset(Doubled(np.arange(5)), [1, 3]), 2)
    assert batch[0].tolist() == [2, 6]


def test_collate_fn() -> None:
    for d, ds in zip((TORCH, SCRATCH), pair(4), strict=True):
        assert list(d.DataLoader(ds, 3, collate_fn=len)) == [3, 1]
        assert list(d.DataLoader(ds, None, collate_fn=len)) == [2, 2, 2, 2]


# Bad input: the same class of error on both sides. `d` is the library, `array` makes its arrays.
REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "arrays of different lengths": lambda d, array: d.TensorDataset(array([1, 2]), array([1, 2, 3])),
    "an array without dimensions": lambda d, array: d.TensorDataset(array(1)),
    "an undefined item": lambda d, array: d.Dataset()[0],
    "an undefined order": lambda d, array: iter(d.Sampler()),
    "nothing to sample": lambda d, array: d.RandomSampler([]),
    "nothing to shuffle": lambda d, array: d.DataLoader([], shuffle=True),
    "replacement=1": lambda d, array: d.RandomSampler([1, 2], replacement=1),
    "num_samples=2.5": lambda d, array: d.RandomSampler([1, 2], num_samples=2.5),
    "lengths that miss the total": lambda d, array: d.random_split([1, 2, 3], [1, 1]),
    "a negative fraction": lambda d, array: d.random_split([1, 2, 3], [0.5, -0.5, 1.0]),
    "a negative weight": lambda d, array: list(d.WeightedRandomSampler([1, -1.0], 3)),
    "more distinct samples than weights": lambda d, array: list(d.WeightedRandomSampler([1, 2.0], 3, False)),
    "weights in two dimensions": lambda d, array: d.WeightedRandomSampler([[1, 2.0]], 3),
    "weighted num_samples=0": lambda d, array: d.WeightedRandomSampler([1, 2.0], 0),
    "weighted replacement=1": lambda d, array: d.WeightedRandomSampler([1, 2.0], 1, 1),
    "batch_size=0": lambda d, array: d.DataLoader([1, 2], batch_size=0),
    "batch_size=2.0": lambda d, array: d.BatchSampler([1], 2.0, True),
    "drop_last=1": lambda d, array: d.BatchSampler([1], 2, 1),
    "shuffle and sampler": lambda d, array: d.DataLoader([1], sampler=[0], shuffle=True),
    "batch_size and batch_sampler": lambda d, array: d.DataLoader([1], batch_size=2, batch_sampler=[[0]]),
    "drop_last without batches": lambda d, array: d.DataLoader([1], batch_size=None, drop_last=True),
    "an item outside": lambda d, array: list(d.DataLoader(d.TensorDataset(array([1, 2])), sampler=[5])),
    "items of different lengths": lambda d, array: list(d.DataLoader([(1, 2), (1,)], batch_size=2)),
    "arrays of different shapes": lambda d, array: list(d.DataLoader([array([1]), array([1, 2])], batch_size=2)),
    "items of no known kind": lambda d, array: list(d.DataLoader([None])),
    "rank outside": lambda d, array: d.DistributedSampler(range(5), 2, 2),
    "no process group": lambda d, array: d.DistributedSampler(range(5)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    with pytest.raises(Exception) as theirs:
        REFUSED[name](TORCH, torch.tensor)
    with pytest.raises(theirs.type):
        REFUSED[name](SCRATCH, np.asarray)


def test_an_empty_part_is_warned_of() -> None:
    for d in (TORCH, SCRATCH):
        with pytest.warns(UserWarning, match="0|empty"):
            assert [len(part) for part in d.random_split([1], [0.5, 0.5])] == [1, 0]

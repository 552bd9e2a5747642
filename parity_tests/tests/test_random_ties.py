"""What multinomial draws without replacement, to the index, where race times tie; and topk's order of ties itself."""

import numpy as np
import pytest
import torch

import scratch
from scratch.random import topk


def drawn(weights, count, seed=0):
    scratch.manual_seed(seed)
    torch.manual_seed(seed)
    theirs = torch.multinomial(torch.from_numpy(weights), count).numpy()
    return scratch.multinomial(weights, count), theirs


def test_weights_of_0_come_last_in_torchs_order():
    ours, theirs = drawn(np.array([0, 1, 0, 0], np.float32), 3)
    assert ours.tolist() == theirs.tolist() == [1, 3, 0]


def test_as_many_samples_as_weights():
    ours, theirs = drawn(np.random.default_rng(0).random(60000).astype(np.float32), 60000)
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("zeros", [0, 0.5, 0.99], ids="{:.0%} of 0".format)
@pytest.mark.parametrize("n", [2, 3, 16, 17, 64, 65, 1000, 4096, 60000, 10**6])
def test_many_weights_of_0(n, zeros, dtype):
    rng = np.random.default_rng(n)
    weights = (rng.random(n) * (rng.random(n) >= zeros)).astype(dtype)
    weights[n // 2] = 1
    for count in {1, n // 64, n // 64 + 1, n // 2, n} - {0} if n < 10**6 else {n // 64, n // 2}:
        ours, theirs = drawn(weights, count, seed=count)
        assert np.array_equal(ours, theirs), count


def test_rows_are_ordered_each_on_its_own_and_on_any_number_of_threads():
    weights = (np.random.default_rng(0).random((50, 300)) > 0.7).astype(np.float32)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            ours, theirs = drawn(weights, 250)
            assert np.array_equal(ours, theirs)
    finally:
        torch.set_num_threads(threads)


SHAPES = {
    "random": lambda v: v,
    "sorted": np.sort,
    "reversed": lambda v: np.sort(v)[::-1],
    "organ pipe": lambda v: np.concatenate([np.sort(v[::2]), np.sort(v[1::2])[::-1]]),
    "with NaN and infinity": lambda v: np.where(v == v[0], np.nan, np.where(v == v[-1], np.inf, v)),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 15, 16, 17, 18, 33, 63, 64, 65, 127, 128, 129, 200, 1000, 5000])
def test_ties_of_topk(n, shape):
    rng = np.random.default_rng(n)
    for distinct in (1, 2, 3, 10, n // 2 + 1, 3 * n):
        values = shape(rng.integers(0, distinct, n).astype(np.float32)).copy()
        for k in sorted({1, 2, n // 64, n // 64 + 1, n // 3 + 1, n - 1, n} & set(range(1, n + 1))):
            theirs = torch.topk(torch.from_numpy(values), k).indices.numpy()
            assert np.array_equal(topk.topk_indices(values, k), theirs), (distinct, k)


def killer(n):
    """Musser's sequence, whose medians of three all are next to the least, in pairs of ties."""
    half = n // 2
    values = np.empty(n, np.float32)
    odd = np.arange(1, half + 1, 2)
    values[odd - 1], values[odd] = odd, half + odd
    values[half:] = 2 * np.arange(1, n - half + 1)
    return -(values // 2)


def test_ranges_that_part_badly_are_sorted_by_a_heap(monkeypatch):
    values, used = killer(4000), []
    heap = topk.partial_sort
    monkeypatch.setattr(topk, "partial_sort", lambda *a: used.append(len(a[0])) or heap(*a))
    theirs = torch.topk(torch.from_numpy(values), 4000).indices.numpy()
    assert np.array_equal(topk.topk_indices(values, 4000), theirs)
    assert used

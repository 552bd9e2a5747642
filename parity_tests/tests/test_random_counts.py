"""poisson and binomial, to the bit and the state, over rates, counts and probabilities of every size."""

import numpy as np
import pytest
import torch

from parity_tests.checks.streams import same_bits, same_state, seed_both
from scratch import random

N = 3000
EDGES = [-1.0, -0.0, 0.0, 1e-30, 0.5, 0.5000001, 1 - 1e-7, 1.0, 2.0, np.nan]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("top", [1, 3, 7, 15])
def test_counts_of_every_size(top: int, dtype: str) -> None:
    rng = np.random.default_rng(top)
    rates = (10.0 ** rng.uniform(-2, top, N)).astype(dtype)
    counts = np.floor(10.0 ** rng.uniform(0, top, N)).astype(dtype)
    for probs in (rng.uniform(-0.02, 1.02, N), rng.random(N) ** 9, 1 - rng.random(N) ** 9):
        p = probs.astype(dtype)
        seed_both(top)
        assert same_bits(torch.poisson(torch.from_numpy(rates)).numpy(), random.poisson(rates))
        theirs = torch.binomial(torch.from_numpy(counts), torch.from_numpy(p)).numpy()
        assert same_bits(theirs, random.binomial(counts, p))
        assert same_state()


def test_edges() -> None:
    counts, probs = (grid.ravel() for grid in np.meshgrid([-3.0, 0.0, 0.5, 1.0, 19.5, 1e3], EDGES))
    rates = np.array([0.0, 1e-300, 9.999999999, 10.0, 10.00001])
    seed_both(0)
    theirs = torch.binomial(torch.from_numpy(counts), torch.from_numpy(probs)).numpy()
    assert same_bits(theirs, random.binomial(counts, probs))
    assert same_bits(torch.poisson(torch.from_numpy(rates)).numpy(), random.poisson(rates))
    assert same_state()


def test_the_cached_normal_and_a_generator_of_ones_own_are_kept() -> None:
    mine, its = random.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    rates = np.linspace(0, 40, 101)
    for _ in range(2):
        random.randn(3, generator=mine)
        torch.randn(3, generator=its)
        assert same_bits(torch.poisson(torch.from_numpy(rates), generator=its).numpy(), random.poisson(rates, mine))
    assert np.array_equal(mine.get_state(), its.get_state().numpy())


def test_halves_are_drawn_as_torchs() -> None:
    rates = np.linspace(0, 40, 101).astype(np.float16)
    seed_both(0)
    assert same_bits(torch.poisson(torch.from_numpy(rates)).numpy(), random.poisson(rates))


def test_shapes_broadcast() -> None:
    seed_both(0)
    counts, probs = np.full((3, 1), 30.0), np.array([0.1, 0.5])
    theirs = torch.binomial(*torch.broadcast_tensors(torch.from_numpy(counts), torch.from_numpy(probs)))
    assert same_bits(theirs.numpy(), random.binomial(counts, probs))

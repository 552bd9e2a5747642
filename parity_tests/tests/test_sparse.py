"""What rows cannot express about embeddings."""

import numpy as np
import pytest
import torch

from parity_tests.table.versions import RELEASE
from scratch import nn
from scratch.nn.sparse import scatter
from scratch.nn.sparse.scatter import BLOCK, add_rows


@pytest.mark.parametrize("block", [BLOCK, 1, 10])  # elements: all rows at once, one row, three rows
def test_add_rows_adds_in_the_order_of_a_loop(block, monkeypatch):
    monkeypatch.setattr(scatter, "BLOCK", block)
    rng = np.random.default_rng(0)
    index, rows = rng.integers(0, 7, 97, dtype=np.int32), rng.normal(size=(97, 3)).astype(np.float32)
    looped, table = np.zeros((7, 3), np.float32), np.zeros((7, 3), np.float32)
    for v, row in zip(index, rows, strict=True):
        looped[v] += row
    add_rows(table, index, rows)
    assert np.array_equal(table, looped)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_a_bag_divides_each_gradient_by_its_own_frequency(mode):
    """Where torch before 2.14 takes another index's."""
    x = np.array([[1, 3, 1, 0], [2, 2, 2, 1], [0, 4, 3, 3]])
    dy = np.array([[1.0], [10.0], [100.0]], np.float32)
    plain, scaled = (nn.EmbeddingBag(5, 1, mode=mode, scale_grad_by_freq=scale) for scale in (False, True))
    for bag in (plain, scaled):
        bag(x)
        bag.backward(dy)
    frequency = np.bincount(x.ravel())[:, np.newaxis]
    np.testing.assert_allclose(scaled.weight.grad, plain.weight.grad / frequency, rtol=1e-6)
    twin = torch.nn.EmbeddingBag(5, 1, mode=mode, scale_grad_by_freq=True)
    twin(torch.tensor(x)).backward(torch.tensor(dy))
    assert np.allclose(twin.weight.grad.numpy(), scaled.weight.grad) == (RELEASE >= (2, 14))


def test_from_pretrained_is_frozen():
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    layer = nn.Embedding.from_pretrained(table)
    assert np.array_equal(layer(np.array([2, 0])), table[[2, 0]])
    layer.backward(np.ones((2, 2), np.float32))
    assert layer.weight.grad is None

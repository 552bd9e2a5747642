"""Plain relations, layouts, lefts that show their output alone, and which cause is the report's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from parity_tests import compare
from parity_tests.comparer.relations import argument, permutation, relation
from parity_tests.tests.plants import normal, own

T = torch.nn
X = normal(5, 8)


def test_a_factor_must_leave_nothing():
    truth = normal(40).astype(np.float64)
    assert relation((2 * truth).astype(np.float32), truth, 4.0).name == "factor"
    other = (truth + 1e-3 * normal(40, seed=1)).astype(np.float32)
    assert relation(other, truth, 4.0) is None
    assert relation((2 * truth).astype(np.float32), truth, 3e7) is None  # within the limit nothing is known
    rows = truth.reshape(8, 5)
    assert "0.125 (1 / 8, one over the batch) times" in relation((rows / 8).astype(np.float32), rows, 4.0).text
    assert "is 3 times" in relation((rows * 3).astype(np.float32), rows, 4.0).text


@pytest.mark.parametrize(
    ("own_shape", "wanted", "order"),
    [((3, 3, 4, 8), (8, 4, 3, 3), (3, 2, 0, 1)), ((5, 4, 8), (8, 4, 5), (2, 1, 0)), ((7, 5), (5, 7), (1, 0))],
)
def test_a_layout_is_a_permutation(own_shape, wanted, order):
    """HWIO beside OIHW keeps height before width."""
    assert permutation(own_shape, wanted) == order
    assert np.zeros(own_shape).transpose(order).shape == wanted


def test_no_permutation_of_other_shapes():
    assert permutation((3, 4), (4, 4)) is None
    assert permutation((4, 4), (4, 4)) is None


def test_indices_and_masks():
    ids = np.array([[3, 1, 4]])
    assert argument("input", ids + 1, ids).name == "index-shift"
    assert argument("input", np.arange(5) + 1, np.arange(5)).name == "position-shift"
    assert argument("input", ids[:, ::-1], ids).name == "flip"
    assert argument("input", ids * 2, ids) is None
    mask = np.triu(np.ones((4, 4), bool), 1)
    assert argument("attn_mask", ~mask, mask).name == "mask-polarity"
    assert argument("attn_mask", np.triu(np.ones((4, 4), bool), 2), mask).name == "causal-diagonal"
    assert argument("attn_mask", None, mask).name == "mask-missing"
    assert argument("attn_mask", mask, None).name == "mask-extra"


class File:
    """What is seen of a file or a compiled function: its output, in eval mode, with parameters of its own."""

    frozen = True

    def __init__(self, network):
        self._network = network.eval()

    def forward(self, x):
        with torch.no_grad():
            return self._network(torch.tensor(x)).numpy()


def encoder(eps=1e-5, gelu="none"):
    torch.manual_seed(0)
    return T.Sequential(T.Linear(8, 8), T.LayerNorm(8, eps=eps), T.GELU(gelu), T.Linear(8, 3))


@pytest.mark.parametrize(
    ("options", "name", "text"),
    [
        ({"eps": 1e-3}, "eps-value", "1: with eps=0.001"),
        ({"gelu": "tanh"}, "gelu-tanh", "2: with approximate='tanh'"),
        ({"eps": 1e-3, "gelu": "tanh"}, "eps-value + gelu-tanh", "and 2: with approximate='tanh'"),
    ],
)
def test_a_file_has_a_place_and_a_cause(options, name, text):
    report = compare(File(encoder(**options)), encoder(), X)
    assert report.cause is not None, str(report)
    assert report.cause.name == name
    assert text in report.cause.text


def test_a_later_cause_is_not_the_first_divergence_s():
    noise = torch.from_numpy(normal(5, 8, seed=3))
    right = T.Sequential(T.Linear(8, 8), T.GELU(), T.Linear(8, 2))
    first = own(right[0], lambda s, x: F.linear(x, s.weight, s.bias) + 1e-3 * noise)
    report = compare(T.Sequential(first, T.GELU("tanh"), T.Linear(8, 2)), right, X)
    assert report.first_divergence.where == "0"
    assert report.cause is None
    assert "no known convention explains it" in str(report)
    assert "also 1 (GELU)" in str(report)

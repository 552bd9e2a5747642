"""What happens inside a model counts as far as it reaches the end: noise, writes to inputs, names shared by chance."""

import numpy as np
import pytest
import torch
from torch import nn

from parity_tests import compare
from parity_tests.tests.test_compare_soundness import RNG, X, seeded


class Noisy(nn.Module):
    """A little noise of its own: the float64 twin draws other numbers, which is no rounding error."""

    def __init__(self, skips, size):
        super().__init__()
        self.a, self.skips, self.size = nn.Linear(8, 4), skips, size

    def forward(self, x):
        for _ in range(self.skips):
            torch.rand(4)
        return self.a(x) + self.size * torch.rand(4)


@pytest.mark.parametrize("size", [0.1, 1e-3])
def test_other_random_numbers_are_not_taken_for_roundings(size):
    assert compare(seeded(Noisy, 0, size), seeded(Noisy, 0, size), X).ok
    report = compare(seeded(Noisy, 1, size), seeded(Noisy, 0, size), X)
    assert "output" in {m.what for m in report.divergences}
    assert report.first_divergence.what == "random state of a"


class ZeroesItsInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 4)

    def forward(self, x):
        y = self.a(x.clone())
        with torch.no_grad():
            x.mul_(0)
        return y


def test_a_model_that_writes_to_its_input_under_no_grad():
    """The values around such a write can be watched, and the model agrees with itself."""
    assert compare(seeded(ZeroesItsInput), seeded(ZeroesItsInput), X).ok


class Mean(nn.Module):
    """The mean over the positions of an image, in one layer."""

    def forward(self, x):
        return x.mean((-1, -2))


def test_layers_that_have_a_name_in_common_by_chance():
    """What matters is the end: `1` is a mean on the left, and on the right a pool whose result is flattened by `2`."""
    images = RNG.normal(size=(2, 3, 6, 6)).astype(np.float32)
    ours = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), Mean()))
    theirs = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    report = compare(ours, theirs, images)
    assert report.ok, report
    assert any("it makes no difference at the end" in note for note in report.notes)
    ours[1].forward = lambda x: x.mean((-1, -2)) * 1.001
    assert not compare(ours, theirs, images).ok

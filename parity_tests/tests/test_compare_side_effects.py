"""The place of what a layer does besides its result: numbers it draws, modes it sets, arrays it writes into."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from parity_tests import compare
from parity_tests.tests.plants import normal
from parity_tests.tests.ports import seeded


def nothing(*args):
    return None


class Block(nn.Module):
    def __init__(self, extra):
        super().__init__()
        self.fc, self.dropout, self.extra = nn.Linear(6, 6), nn.Dropout(0.5), extra

    def forward(self, x):
        y = self.dropout(self.fc(x))
        self.extra()
        return y


class Noisy(nn.Module):
    """Two blocks that draw; `noise` is drawn after them."""

    def __init__(self, extra=nothing, noise=lambda: 0.0):
        super().__init__()
        self.blocks, self.noise = nn.Sequential(Block(extra), Block(nothing)), noise

    def forward(self, x):
        return self.blocks(x) + self.noise()


DRAWN = {
    "torch": (lambda: torch.rand(3), lambda: torch.rand(1)),
    "NumPy": (lambda: np.random.rand(3), lambda: float(np.random.rand())),
    "Python": (random.random, random.random),
}


@pytest.mark.parametrize("generator", DRAWN)
def test_a_random_number_more_is_found_where_the_next_call_begins_with_another_state(generator):
    extra, noise = DRAWN[generator]
    report = compare(seeded(Noisy, extra, noise), seeded(Noisy, nothing, noise), normal(3, 6))
    assert report.first_divergence.where == "blocks.0", str(report)
    assert report.first_divergence.what == "random state at the end of blocks.0"


class TwoDraws(nn.Dropout):
    def forward(self, x):
        y = super().forward(x)
        torch.rand(1)
        return y


def test_a_layer_that_draws_more_itself():
    report = compare(*(seeded(lambda k=k: nn.Sequential(nn.Linear(6, 6), k(0.5), nn.Linear(6, 6), nn.Dropout(0.5)))
                       for k in (TwoDraws, nn.Dropout)), normal(3, 6))  # fmt: skip
    assert (report.first_divergence.where, report.first_divergence.what) == ("1", "random state")


def test_random_numbers_that_nothing_depends_on_are_a_note():
    class Last(Noisy):
        def forward(self, x):
            y = super().forward(x)
            torch.rand(3)
            return y

    assert compare(seeded(Last), seeded(Noisy), normal(3, 6)).ok
    report = compare(seeded(Noisy, extra=lambda: torch.rand(3)).eval(), seeded(Noisy), normal(3, 6), mode="eval")
    assert report.ok, str(report)
    assert any("random state" in note for note in report.notes)


class Features(nn.Module):
    def __init__(self, switched=False):
        super().__init__()
        self.features, self.switched = nn.Sequential(nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5))), switched

    def forward(self, x):
        if self.switched:
            self.features.train()
        return self.features(x)


def test_the_outermost_layer_with_another_mode_is_called_by_the_code_that_set_it():
    first = compare(seeded(Features, True), seeded(Features), normal(3, 6), mode="eval").first_divergence
    assert (first.where, first.what) == ("", "state of features")


class Doubles(nn.Module):
    """May double what it was given, or what its dropout was given, after it has used it."""

    def __init__(self, which=""):
        super().__init__()
        self.fc, self.dropout, self.which = nn.Linear(6, 6), nn.Dropout(0.5), which

    def forward(self, x):
        h = self.fc(x.clone())
        y = self.dropout(h)
        with torch.no_grad():
            (x if self.which == "x" else h if self.which == "h" else y.clone()).mul_(2)
        return y


class Around(nn.Module):
    def __init__(self, which=""):
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(6, 6), Doubles(which), nn.Linear(6, 2)

    def forward(self, x):
        h = self.first(x)
        return self.last(self.inner(h) + h)


@pytest.mark.parametrize(("which", "what"), [("x", "argument of inner at its end"), ("h", "output of inner")])
def test_writing_into_what_a_layer_was_given(which, what):
    """In eval mode dropout gives back what it is given: writing into one changes the other."""
    report = compare(seeded(Around, which), seeded(Around), normal(3, 6), mode="eval")
    assert not report.ok
    assert (report.first_divergence.where, report.first_divergence.what) == ("inner", what), str(report)

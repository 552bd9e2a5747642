"""Equinox: dropout, which needs a key for each sample; BatchNorm, which has a state; transposed convolutions."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest
import torch

from parity_tests.comparer.comparison import compare
from parity_tests.comparer.findings import CompareError
from parity_tests.tests.foreign.blocks import drawn

X = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
KEY = jax.random.key(0)


class Left(eqx.Module):
    fc1: Any
    drop: Any
    fc2: Any

    def __init__(self, p: float = 0.2) -> None:
        self.fc1, self.fc2 = eqx.nn.Linear(8, 8, key=KEY), eqx.nn.Linear(8, 4, key=KEY)
        self.drop = eqx.nn.Dropout(p)

    def __call__(self, x: Any, key: Any = None) -> Any:
        return self.fc2(self.drop(self.fc1(x), key=key))


class Right(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.drop, self.fc2 = torch.nn.Linear(8, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.drop(self.fc1(x)))


def test_other_random_numbers_are_no_difference():
    report = compare(Left(), Right(), X)
    assert report.ok, str(report)
    assert any("other random numbers" in note for note in report.notes)


def test_another_share_is_one():
    report = compare(Left(0.5), Right(), X)
    assert report.first_divergence.where == "drop", str(report)


class Up(eqx.Module):
    """(N, 3, 6, 6) to (N, 4, 12, 12), with a state."""

    norm: Any
    up: Any

    def __init__(self, eps: float = 1e-5, mode: Any = "batch", padding: Any = 1, extra: int = 1) -> None:
        self.norm = eqx.nn.BatchNorm(3, "batch", eps=eps, momentum=0.9, mode=mode)
        self.up = eqx.nn.ConvTranspose2d(3, 4, 3, 2, padding=padding, output_padding=extra, key=KEY)

    def __call__(self, x: Any, state: Any) -> Any:
        h, state = self.norm(x, state)
        return self.up(h), state


def right() -> torch.nn.Module:
    """The numbers are away from zero and one."""
    parts = [("norm", torch.nn.BatchNorm2d(3)), ("up", torch.nn.ConvTranspose2d(3, 4, 3, 2, 1, 1))]
    return drawn(lambda: torch.nn.Sequential(OrderedDict(parts)))


IMAGES = np.random.default_rng(0).normal(size=(4, 3, 6, 6)).astype(np.float32)


def with_state(**options: Any) -> Any:
    return eqx.nn.make_with_state(Up)(**options)


def test_a_model_with_state_agrees_and_its_state_stays_usable():
    model, state = with_state()
    report = compare((model, state), right(), IMAGES, mode="eval")
    assert report.ok, str(report)
    assert report.left == "Up (equinox)"
    assert {line.name for line in report.layers} == {"norm", "up"}
    assert state.get(model.norm.batch_state_index)[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("options", "mode", "where", "cause", "says"),
    [
        ({}, "train", "norm", "running-var-biased", "the biased variance in var (running_var on the right)"),
        ({"eps": 1e-3}, "eval", "norm", "eps-value", "with eps=0.001"),
        ({"mode": "ema"}, "train", "norm", "smoothed-statistics", "mode='ema'"),
        ({"padding": "SAME", "extra": 0}, "eval", "up", "padding-side", "cropped at its end"),
    ],
)
def test_what_is_otherwise_is_named(options, mode, where, cause, says):
    report = compare(lambda: with_state(**options), right(), IMAGES, mode=mode)
    assert report.first_divergence.where == where, str(report)
    assert report.cause.name == cause, str(report)
    assert says in str(report.cause)


def test_a_model_without_its_state_is_told_of_it():
    with pytest.raises(CompareError, match=r"is given as the pair \(model, state\)"):
        compare(with_state()[0], right(), IMAGES, mode="eval")


def test_a_model_with_state_as_the_right_has_a_twin_in_float64():
    """The same layers in torch's layout: BatchNorm alone, whose arrays are torch's."""

    class Norm(eqx.Module):
        norm: Any

        def __init__(self) -> None:
            self.norm = eqx.nn.BatchNorm(3, "batch", momentum=0.9, mode="batch")

        def __call__(self, x: Any, state: Any) -> Any:
            return self.norm(x, state)

    left = torch.nn.Sequential(OrderedDict([("norm", torch.nn.BatchNorm2d(3))]))
    report = compare(left, eqx.nn.make_with_state(Norm), IMAGES, mode="eval")
    assert report.ok, str(report)
    assert not any("float64" in note for note in report.notes), report.notes

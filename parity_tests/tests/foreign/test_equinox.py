"""Equinox's dropout, which needs a key for each sample in training mode."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np
import torch

from parity_tests.comparer.comparison import compare

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

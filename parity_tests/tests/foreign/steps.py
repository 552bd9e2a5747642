"""Optimizers of other libraries beside torch's: what compare says of the first step that differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from parity_tests.comparer.comparison import compare
from parity_tests.comparer.report import Report

X = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)


class Linear:
    """A layer in NumPy."""

    def __init__(self) -> None:
        self.weight, self.bias = np.zeros((4, 8), np.float32), np.zeros(4, np.float32)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._x = x
        return x @ self.weight.T + self.bias

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dweight, self.dbias = dy.T @ self._x, dy.sum(0)
        return dy @ self.weight


def steps(left: Any, right: Any, model: Any = Linear) -> Report:
    torch.manual_seed(0)
    return compare(model(), nn.Linear(8, 4), X, optimizer=(left, right), steps=6)


def check(left: Any, right: Any, cause: str, model: Any = Linear) -> None:
    """`cause` is empty for one that is torch's."""
    report = steps(left, right, model)
    if not cause:
        assert report.ok, str(report)
        return
    assert not report.ok
    assert report.cause is not None, str(report)
    assert cause in report.cause.name, str(report.cause)

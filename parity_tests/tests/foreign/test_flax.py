"""Flax: transposed convolutions in both layouts, and what a report calls its parameters."""

from __future__ import annotations

from typing import Any

import flax.linen as linen
import numpy as np
import pytest
import torch
from flax import nnx

from parity_tests.comparer.comparison import compare
from parity_tests.tests.foreign.blocks import drawn

IMAGES = np.random.default_rng(0).normal(size=(2, 3, 5, 5)).astype(np.float32)
ROWS = np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)


class Linen(linen.Module):
    turned: bool
    padding: Any = ((1, 2), (1, 2))

    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.ConvTranspose(4, (3, 3), (2, 2), self.padding, transpose_kernel=self.turned)(x)


class Nnx(nnx.Module):
    def __init__(self, turned: bool, padding: Any = ((1, 2), (1, 2))) -> None:
        options = {"padding": padding, "transpose_kernel": turned, "rngs": nnx.Rngs(0)}
        self.up = nnx.ConvTranspose(4 if turned else 3, 3 if turned else 4, (3, 3), (2, 2), **options)

    def __call__(self, x: Any) -> Any:
        return self.up(x)


def right() -> torch.nn.Module:
    return drawn(lambda: torch.nn.Sequential(torch.nn.ConvTranspose2d(3, 4, 3, 2, 1, 1)))


@pytest.mark.parametrize("turned", [False, True])
def test_a_transposed_convolution_agrees(turned):
    report = compare(Linen(turned), right(), IMAGES)
    assert report.ok, str(report)


def test_one_of_nnx_does_too():
    report = compare(Nnx(False), right(), IMAGES)
    assert report.ok, str(report)


@pytest.mark.parametrize("make", [Linen, Nnx])
def test_padding_on_one_side_is_named(make):
    report = compare(make(False, "SAME"), right(), IMAGES)
    assert report.first_divergence.where == "0", str(report)
    assert report.cause.name == "padding-side", str(report)


class Net(linen.Module):
    epsilon: float = 1e-5
    momentum: float = 0.9

    @linen.compact
    def __call__(self, x: Any, train: bool) -> Any:
        norm = linen.BatchNorm(not train, momentum=self.momentum, epsilon=self.epsilon)
        return norm(linen.Dense(8)(x))


def net() -> torch.nn.Module:
    return drawn(lambda: torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8)))


def test_a_report_speaks_of_flaxs_parameters():
    text = str(compare(Net(), net(), ROWS, mode="train"))
    assert "BatchNorm_0 (1 on the right, BatchNorm1d), train mode: buffer var (running_var on the right)" in text
    assert "with the biased variance in var of BatchNorm_0 (running_var of 1 on the right)" in text
    assert "Dense_0 ↔ 0 (Linear)" in text
    assert "with epsilon=0.001" in str(compare(Net(1e-3), net(), ROWS, mode="eval"))

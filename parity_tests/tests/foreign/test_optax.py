"""optax's optimizers step by step: which agree with torch's, and what is otherwise in those that do not."""

from __future__ import annotations

import numpy as np
import optax
import pytest
import torch

import scratch
from parity_tests.comparer.comparison import compare

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 8)).astype(np.float32)
T = torch.optim


def report_of(left, right):
    pair = (left, right)
    return compare(scratch.nn.Linear(8, 4), torch.nn.Linear(8, 4), X, optimizer=pair, steps=6, mode="train")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(optax.sgd(1e-2), lambda p: T.SGD(p, 1e-2), id="SGD"),
        pytest.param(optax.sgd(1e-2, momentum=0.9), lambda p: T.SGD(p, 1e-2, momentum=0.9), id="momentum"),
        pytest.param(
            optax.sgd(1e-2, momentum=0.9, nesterov=True),
            lambda p: T.SGD(p, 1e-2, momentum=0.9, nesterov=True),
            id="nesterov",
        ),
        pytest.param(
            optax.rmsprop(1e-3, decay=0.99, eps_in_sqrt=False), lambda p: T.RMSprop(p, 1e-3), id="RMSprop as torch's"
        ),
        pytest.param(optax.adamax(1e-3), lambda p: T.Adamax(p, 1e-3), id="Adamax"),
        pytest.param(lambda parameters: optax.sgd(1e-2), lambda p: T.SGD(p, 1e-2), id="made by a function"),
        pytest.param(
            optax.inject_hyperparams(optax.sgd)(learning_rate=1e-2, momentum=0.9),
            lambda p: T.SGD(p, 1e-2, momentum=0.9),
            id="injected",
        ),
    ],
)
def test_it_agrees(left, right):
    report = report_of(left, right)
    assert report.ok, str(report)
    assert report.steps


@pytest.mark.parametrize(
    ("left", "right", "cause"),
    [
        pytest.param(optax.adam(1e-3), lambda p: T.Adam(p, 1e-3), "float32-correction", id="Adam"),
        pytest.param(
            optax.adamw(1e-3, weight_decay=1e-2), lambda p: T.AdamW(p, 1e-3), "float32-correction", id="AdamW"
        ),
        pytest.param(optax.adamw(5e-2), lambda p: T.AdamW(p, 5e-2), "decay-value", id="AdamW's own decay"),
        pytest.param(optax.nadam(1e-3), lambda p: T.NAdam(p, 1e-3), "nadam-schedule", id="NAdam"),
        pytest.param(optax.rmsprop(1e-3), lambda p: T.RMSprop(p, 1e-3), "alpha", id="RMSprop"),
        pytest.param(optax.adagrad(1e-2), lambda p: T.Adagrad(p, 1e-2), "accumulator-start", id="Adagrad"),
        pytest.param(optax.sgd(1e-2), lambda p: T.SGD(p, 1e-2, momentum=0.9), "momentum-missing", id="no momentum"),
        pytest.param(optax.rprop(1e-2), lambda p: T.Rprop(p, 1e-2), "late-step", id="Rprop"),
        pytest.param(
            optax.inject_hyperparams(optax.adam)(learning_rate=1e-3),
            lambda p: T.Adam(p, 1e-3),
            "float32-betas",
            id="Adam with injected betas",
        ),
        pytest.param(
            optax.inject_hyperparams(optax.sgd)(learning_rate=1e-2, momentum=0.5),
            lambda p: T.SGD(p, 1e-2, momentum=0.9),
            "momentum",
            id="another injected momentum",
        ),
    ],
)
def test_what_is_otherwise_is_named(left, right, cause):
    report = report_of(left, right)
    assert report.cause is not None, str(report)
    assert cause in report.cause.name.split(" + "), str(report)


def test_states_have_torchs_names():
    report = report_of(optax.sgd(1e-2, momentum=0.9), lambda p: T.SGD(p, 1e-2, momentum=0.9))
    assert any(m.what.startswith("momentum_buffer") for m in report.measurements)
    assert not any("momentum_buffer" in text for text in report.uncompared)


def test_a_torch_module_may_be_stepped_by_optax():
    pair = (optax.sgd(1e-2, momentum=0.9), lambda p: T.SGD(p, 1e-2, momentum=0.9))
    left, right = torch.nn.Linear(8, 4), torch.nn.Linear(8, 4)
    left.unused = torch.nn.Parameter(torch.ones(()))
    right.unused = torch.nn.Parameter(torch.ones(()))
    report = compare(left, right, X, optimizer=pair, steps=3)
    assert report.ok, str(report)
    assert len(report.steps) == 3

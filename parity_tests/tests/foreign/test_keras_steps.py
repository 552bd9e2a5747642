"""Keras' optimizers, step by step: what each does otherwise than torch's."""

import keras
import numpy as np
import pytest
import torch
from keras import layers as K
from torch import nn

from parity_tests.comparer.comparison import compare
from parity_tests.tests.foreign.steps import X, check

T, O = torch.optim, keras.optimizers
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # of Keras on torch itself
CASES = {
    "SGD": (O.SGD(1e-2), lambda ps: T.SGD(ps, 1e-2), ""),
    "momentum": (O.SGD(1e-2, momentum=0.9), lambda ps: T.SGD(ps, 1e-2, momentum=0.9), "sgd-lr-inside"),
    "Adam": (O.Adam(1e-3), lambda ps: T.Adam(ps, 1e-3), "adam-eps-hat"),
    "AdamW": (O.AdamW(1e-3, weight_decay=0.01), lambda ps: T.AdamW(ps, 1e-3), "adam-eps-hat"),
    "correction": (O.Adam(1e-3, epsilon=1e-8), lambda ps: T.Adam(ps, 1e-3), "float32-correction"),
    "rho": (O.RMSprop(1e-3), lambda ps: T.RMSprop(ps, 1e-3), "alpha"),
    "RMSprop": (O.RMSprop(1e-3, rho=0.99, epsilon=1e-8), lambda ps: T.RMSprop(ps, 1e-3), "eps-inside"),
    "Adagrad": (O.Adagrad(1e-2), lambda ps: T.Adagrad(ps, 1e-2), "accumulator-start"),
    "Adadelta": (O.Adadelta(1.0), lambda ps: T.Adadelta(ps, 1.0, rho=0.95), "eps-value"),
    "Nadam": (O.Nadam(1e-3), lambda ps: T.NAdam(ps, 1e-3), "eps-value + nadam-schedule + float32-correction"),
    "Nadam's schedule": (O.Nadam(1e-3, epsilon=1e-8), lambda ps: T.NAdam(ps, 1e-3), "nadam-schedule"),
    "Nadam's correction": (
        O.Nadam(1e-3, epsilon=1e-8),
        lambda ps: T.NAdam(ps, 1e-3, momentum_decay=1.0),
        "float32-correction",
    ),
    "Adamax": (O.Adamax(2e-3), lambda ps: T.Adamax(ps, 2e-3), "eps"),
}


@pytest.mark.parametrize("name", CASES)
def test_steps(name):
    left, right, cause = CASES[name]
    check(left, right, cause)


def test_a_function_may_make_it():
    check(lambda parameters: O.SGD(1e-2), lambda ps: T.SGD(ps, 1e-2), "")


def test_training_of_a_keras_model():
    """Its own gradients, its own optimizer, kernels as Keras has them."""
    torch.manual_seed(0)
    model = keras.Sequential([keras.Input((8,)), K.Dense(6, activation="tanh"), K.Dense(4)])
    right = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 4))
    sgd = O.SGD(1e-2), lambda ps: T.SGD(ps, 1e-2)
    report = compare(model, right, X, np.ones((5, 4), np.float32), "MSELoss", sgd, 5)
    assert report.ok, str(report)
    assert len(report.steps) == 5
    assert sgd[0].built is False
    model.layers[-1].kernel.assign(model.layers[-1].kernel * 2)
    report = compare(model, right, X, np.ones((5, 4), np.float32), "MSELoss", (O.SGD(2e-2), sgd[1]), 5)
    assert report.cause.name == "lr", str(report)

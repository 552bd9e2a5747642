"""scikit-learn's optimizers of its neural networks, step by step."""

import pytest
import torch
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from parity_tests.tests.foreign.steps import check

T = torch.optim


def arrays(parameters):
    return [p.data for p in parameters]


@pytest.mark.parametrize(
    ("left", "right", "cause"),
    [
        (lambda ps: AdamOptimizer(arrays(ps), 1e-3), lambda ps: T.Adam(ps, 1e-3), "adam-eps-hat"),
        (lambda ps: SGDOptimizer(arrays(ps), 1e-2, momentum=0.9, nesterov=False),
         lambda ps: T.SGD(ps, 1e-2, momentum=0.9), "sgd-lr-inside"),
        (lambda ps: SGDOptimizer(arrays(ps), 1e-2, momentum=0.0, nesterov=False), lambda ps: T.SGD(ps, 1e-2), ""),
    ],
    ids=["Adam", "momentum", "SGD"],
)  # fmt: skip
def test_steps(left, right, cause):
    check(left, right, cause)

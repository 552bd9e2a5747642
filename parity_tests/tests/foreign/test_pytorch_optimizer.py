"""Optimizers of the package pytorch-optimizer beside torch's."""

import pytest
import pytorch_optimizer
import torch
from torch import nn

from parity_tests.tests.foreign.steps import check, steps

T = torch.optim
pytestmark = pytest.mark.filterwarnings("ignore")


def test_sgd_is_torchs():
    check(lambda ps: pytorch_optimizer.SGDW(ps, 1e-2, weight_decay=0.0), lambda ps: T.SGD(ps, 1e-2), "",
          lambda: nn.Linear(8, 4))  # fmt: skip


def test_adam_p_adds_epsilon_to_the_uncorrected_root():
    check(lambda ps: pytorch_optimizer.AdamP(ps, 1e-3), lambda ps: T.Adam(ps, 1e-3), "adam-eps-hat",
          lambda: nn.Linear(8, 4))  # fmt: skip


def test_radam_makes_no_step_before_it_is_rectified():
    check(lambda ps: pytorch_optimizer.RAdam(ps, 1e-3), lambda ps: T.RAdam(ps, 1e-3), "radam-early",
          lambda: nn.Linear(8, 4))  # fmt: skip


def test_another_algorithm_diverges_at_the_first_step():
    report = steps(lambda ps: pytorch_optimizer.AdaBelief(ps, 1e-3), lambda ps: T.Adam(ps, 1e-3),
                   lambda: nn.Linear(8, 4))  # fmt: skip
    assert not report.ok
    assert "after step 1" in report.first_divergence.what

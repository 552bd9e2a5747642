"""The truth of each mode: a float64 twin, where it can be run and gives the same again."""

import numpy as np
import pytest
import torch
from torch import nn

from parity_tests import compare
from parity_tests.tests.plants import normal
from parity_tests.tests.ports import seeded


class Single(nn.Module):
    """In training it computes in float32 alone, or gives something else each time."""

    def __init__(self, how="", factor=1.0):
        super().__init__()
        self.fc, self.how, self.factor = nn.Linear(6, 6), how, factor

    def forward(self, x):
        y = self.fc(x)
        if self.training and self.how == "single":
            assert x.dtype == torch.float32
        if self.training and self.how == "noise":
            y = y + NOISE.normal()
        if self.training and self.how == "draws":
            y = y + torch.randn(3, 6)  # of 16 numbers or more, float64 draws others
        return (y * 100).sin() if self.training else (y * 100).sin() * self.factor


NOISE = np.random.default_rng()


@pytest.mark.parametrize("how", ["single", "draws"])
def test_a_twin_that_cannot_be_run_in_training_is_the_truth_in_eval_mode(how):
    x = normal(3, 6)
    report = compare(seeded(Single, how), seeded(Single, how), x)
    assert report.ok, str(report)
    assert any("float64 twin" in note for note in report.notes)
    alone = compare(seeded(Single), seeded(Single), x, mode="eval")
    limits = [{m.what: m.limit for m in r.measurements if m.phase == "end" and m.mode == "eval"}
              for r in (report, alone)]  # fmt: skip
    assert limits[0] == limits[1]


def test_eval_mode_is_compared_where_training_cannot_be():
    report = compare(seeded(Single, "noise"), seeded(Single, "noise"), normal(3, 6))
    assert not report.comparable
    assert "in training mode" in report.reason
    report = compare(seeded(Single, "noise", 1.5), seeded(Single, "noise"), normal(3, 6))
    assert report.first_divergence.mode == "eval"

"""Models of tinygrad beside torch's: a correct port, two mistakes, and the state that a run leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tinygrad import nn
from tinygrad.nn import optim

from parity_tests.comparer.comparison import compare
from parity_tests.comparer.side import Given
from parity_tests.comparer.sides import side_of
from parity_tests.tests.foreign import blocks
from parity_tests.tests.foreign.steps import check


class MLP:
    def __init__(self, eps: float = 1e-5, gelu: str = "none") -> None:
        self.fc1, self.norm, self.fc2 = nn.Linear(16, 24), nn.LayerNorm(24, eps), nn.Linear(24, 16)
        self.gelu = gelu

    def __call__(self, x: Any) -> Any:
        h = self.norm(self.fc1(x))
        h = h.gelu() if self.gelu == "tanh" else h * 0.5 * (1 + (h * 0.5**0.5).erf())
        return x + self.fc2(h)


def test_a_port_and_its_mistakes():
    report = compare(MLP(), blocks.mlp(), blocks.ROWS, mode="eval")
    assert report.ok, str(report)
    assert report.left == "MLP (tinygrad)"
    assert [line.name for line in report.layers] == ["fc1", "norm", "fc2"]
    assert all(line.backward > 0 for line in report.layers)
    report = compare(MLP(1e-3, "tanh"), blocks.mlp(), blocks.ROWS, mode="eval")
    assert report.first_divergence.where == "norm"
    assert {m.cause.name for m in report.divergences if m.cause} == {"eps-value", "gelu-tanh"}


def test_a_layer_alone_leaves_its_buffers():
    side = side_of(type("Net", (), {"__init__": lambda self: setattr(self, "bn", nn.BatchNorm(3)),
                                    "__call__": lambda self, x: self.bn(x)})(), Given())  # fmt: skip
    x = np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype(np.float32)
    found = side.local("bn", (x,), {}, [x], True, 0)
    np.testing.assert_allclose(found["buffer running_mean"], 0.1 * x.mean((0, 2, 3)), rtol=1e-5)
    assert not side.state()["bn.running_mean"].any()
    assert found["grad weight"].shape == (3,)


@pytest.mark.parametrize(
    ("left", "right", "cause"),
    [
        (lambda ps: optim.SGD(ps, 1e-2), lambda ps: torch.optim.SGD(ps, 1e-2), ""),
        (lambda ps: optim.Adam(ps, 1e-3), lambda ps: torch.optim.Adam(ps, 1e-3), "float32-correction"),
    ],
    ids=["SGD", "Adam"],
)
def test_steps(left, right, cause):
    check(left, right, cause)

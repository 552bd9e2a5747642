"""A left side that shows only its outputs: the conventions are tried in the layers of the right, which say where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from parity_tests.comparer.comparison import compare

RNG = np.random.default_rng(0)
SEQUENCES = RNG.normal(size=(4, 7, 6)).astype(np.float32)
IMAGES = RNG.normal(size=(2, 3, 8, 8)).astype(np.float32)
INDICES = RNG.integers(0, 20, (2, 6))


class Opaque:
    """Stands for an exported file, a compiled function or another language's program: outputs in eval mode."""

    frozen = True

    def __init__(self, model: nn.Module) -> None:
        self._model = model.eval()

    def forward(self, *inputs: np.ndarray) -> Any:
        with torch.no_grad():
            return self._model(*map(torch.tensor, inputs)).numpy()


class Recurrent(nn.Module):
    def __init__(self, eps: float = 1e-5, gelu: str = "none") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.gru, self.norm = nn.GRU(6, 16, batch_first=True), nn.LayerNorm(16, eps)
        self.fc, self.act, self.head = nn.Linear(16, 16), nn.GELU(gelu), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.fc(self.norm(self.gru(x)[0]))))


class Convolutional(nn.Module):
    def __init__(self, eps: float = 1e-5, last: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.bn, self.pool, self.fc = (
            nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6, eps), nn.MaxPool2d(2), nn.Linear(96, 5),
        )  # fmt: skip
        self.last = last
        with torch.no_grad():
            self.bn.running_mean.normal_()
            self.bn.running_var.uniform_(0.5, 2.0)

    def forward(self, x: Tensor) -> Tensor:
        h = self.pool(torch.relu(self.bn(self.conv(x))))
        return self.fc((h.permute(0, 2, 3, 1) if self.last else h).flatten(1))


class Transformer(nn.Module):
    def __init__(self, activation: str = "relu") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.head = nn.Embedding(20, 16), nn.Linear(16, 20)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, 0.0, activation, batch_first=True)

    def forward(self, indices: Tensor) -> Tensor:
        return self.head(self.layer(self.embed(indices)))


def gates_zrn(model: Recurrent) -> Recurrent:
    """Keras's order of the gates."""
    with torch.no_grad():
        for parameter in model.gru.parameters():
            r, z, n = parameter.chunk(3)
            parameter.copy_(torch.cat([z, r, n]))
    return model


@pytest.mark.parametrize(
    ("left", "right", "given"),
    [
        (Recurrent(), Recurrent(), SEQUENCES),
        (Convolutional(), Convolutional(), IMAGES),
        (Transformer(), Transformer(), INDICES),
    ],
)
def test_a_correct_opaque_model_agrees(left, right, given):
    report = compare(Opaque(left), right, given)
    assert report.ok, str(report)


@pytest.mark.parametrize(
    ("left", "right", "given", "inside", "cause"),
    [
        (Recurrent(eps=1e-6), Recurrent(), SEQUENCES, "norm", "eps-value"),
        (Recurrent(gelu="tanh"), Recurrent(), SEQUENCES, "act", "gelu-tanh"),
        (gates_zrn(Recurrent()), Recurrent(), SEQUENCES, "gru", "gate-order"),
        (Convolutional(eps=1e-3), Convolutional(), IMAGES, "bn", "eps-value"),
        (Convolutional(last=True), Convolutional(), IMAGES, "", "channel-order"),
        (Transformer("gelu"), Transformer(), INDICES, "layer", "other-activation"),
    ],
)
def test_a_mistake_inside_an_opaque_model_is_located_and_named(left, right, given, inside, cause):
    report = compare(Opaque(left), right, given)
    first = report.first_divergence
    assert first is not None
    assert (first.inside, report.cause.name) == (inside, cause), str(report)
    if inside:
        assert f"at {inside} ({type(right.get_submodule(inside)).__name__}), within " in report.verdict()
    assert first.inside in report.to_html()

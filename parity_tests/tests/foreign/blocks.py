"""The six blocks in torch, with parameters drawn so that every one of them matters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(5, 16)).astype(np.float32)
IMAGES = RNG.normal(size=(2, 3, 8, 8)).astype(np.float32)
SEQUENCES = RNG.normal(size=(4, 7, 16)).astype(np.float32)


def drawn(make: Callable[[], nn.Module]) -> nn.Module:
    """The module with every parameter and running statistic away from zero and one."""
    torch.manual_seed(0)
    module = make()
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn(p.shape))
        for name, b in module.named_buffers():
            if name.endswith("running_mean"):
                b.normal_()
            elif name.endswith("running_var"):
                b.uniform_(0.5, 2.0)
    return module


class MLP(nn.Module):
    """(N, 16), with a residual."""

    def __init__(self, gelu: str) -> None:
        super().__init__()
        self.fc1, self.norm, self.fc2 = nn.Linear(16, 24), nn.LayerNorm(24), nn.Linear(24, 16)
        self.gelu = gelu

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc2(F.gelu(self.norm(self.fc1(x)), approximate=self.gelu))


class CNN(nn.Module):
    """(N, 3, 8, 8) to (N, 5)."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.conv1, self.bn = nn.Conv2d(3, 6, 3, padding=1), norm
        self.conv2, self.fc = nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = F.max_pool2d(F.relu(self.bn(self.conv1(x))), 2)
        return self.fc(F.relu(self.conv2(h)).flatten(1))


class Recurrent(nn.Module):
    """(N, L, 16) to (N, 5), from the last step."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.rnn = getattr(nn, kind)(16, 12, batch_first=True)
        self.norm, self.head = nn.LayerNorm(12), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.rnn(x)[0])[:, -1])


class Attention(nn.Module):
    """(N, L, 16), pre-norm with a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.attn = nn.LayerNorm(16), nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        return x + self.attn(h, h, h, need_weights=False)[0]


def mlp(gelu: str = "none") -> nn.Module:
    return drawn(lambda: MLP(gelu))


def cnn() -> nn.Module:
    return drawn(lambda: CNN(nn.BatchNorm2d(6)))


def cnn_group() -> nn.Module:
    """With a normalization that has no state."""
    return drawn(lambda: CNN(nn.GroupNorm(2, 6)))


def lstm() -> nn.Module:
    return drawn(lambda: Recurrent("LSTM"))


def gru(bias_of_n: bool = True) -> nn.Module:
    """Without `bias_of_n` the recurrent bias of n is zero, for ports that have none."""
    module = drawn(lambda: Recurrent("GRU"))
    if not bias_of_n:
        with torch.no_grad():
            module.get_parameter("rnn.bias_hh_l0")[24:] = 0
    return module


def attention() -> nn.Module:
    return drawn(Attention)


def transformer(gelu: str = "none") -> nn.Module:
    """Post-norm, as in the first paper, without dropout."""
    activation = lambda x: F.gelu(x, approximate=gelu)  # noqa: E731
    return drawn(lambda: nn.TransformerEncoderLayer(16, 2, 32, 0.0, activation, batch_first=True))


INPUTS = {"mlp": ROWS, "cnn": IMAGES, "lstm": SEQUENCES, "gru": SEQUENCES, "attention": SEQUENCES,
          "transformer": SEQUENCES}  # fmt: skip

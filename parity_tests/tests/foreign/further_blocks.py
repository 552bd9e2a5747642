"""Six further blocks in torch: what people port that has more than one path, more than one input, or shared weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from parity_tests.tests.foreign.blocks import drawn

RNG = np.random.default_rng(5)


class Residual(nn.Module):
    """A ResNet block with a stride: (N, 4, 8, 8) to (N, 6, 4, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 6, 3, 1, 1, bias=False), nn.BatchNorm2d(6)
        self.downsample = nn.Sequential(nn.Conv2d(4, 6, 1, 2, bias=False), nn.BatchNorm2d(6))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        h += self.downsample(x)
        return self.relu(h)


class UNet(nn.Module):
    """Down, up by a transposed convolution, joined: (N, 4, 8, 8) to (N, 3, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.up, self.fuse, self.out = (
            nn.ConvTranspose2d(8, 6, 2, 2),
            nn.Conv2d(12, 6, 3, padding=1),
            nn.Conv2d(6, 3, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        a = torch.relu(self.down1(x))
        b = torch.relu(self.down2(F.max_pool2d(a, 2)))
        return self.out(torch.relu(self.fuse(torch.cat([a, self.up(b)], 1))))


class BothWays(nn.Module):
    """Two layers of an LSTM in both directions, and the mean over time: (N, L, 8) to (N, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(8, 5, 2, bidirectional=True, batch_first=True), nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0].mean(1))


class Decoder(nn.Module):
    """A decoder layer of pre-norm form with a causal mask, on a memory: (N, L, 8) and (N, M, 8) to (N, L, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.norm(self.layer(x, memory, tgt_mask=mask, tgt_is_causal=True))


class Diffusion(nn.Module):
    """GroupNorm and SiLU before each convolution, with a time embedding in between: (N, 4, 8, 8) and (N, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.conv1, self.time = nn.GroupNorm(2, 4), nn.Conv2d(4, 8, 3, padding=1), nn.Linear(8, 8)
        self.norm2, self.conv2, self.skip = nn.GroupNorm(4, 8), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(4, 8, 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(t))[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class Tied(nn.Module):
    """An embedding whose weight is the head's too, and positions: (N, 7) to (N, 7, 11)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.positions, self.norm = nn.Embedding(11, 8), nn.Parameter(torch.zeros(7, 8)), nn.LayerNorm(8)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, i: Tensor) -> Tensor:
        return self.head(self.norm(self.embed(i) + self.positions))


def _numbers(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


IMAGES, SEQUENCES = _numbers(2, 4, 8, 8), _numbers(3, 6, 8)
FURTHER: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "residual": (lambda: drawn(Residual), IMAGES),
    "unet": (lambda: drawn(UNet), IMAGES),
    "both ways": (lambda: drawn(BothWays), SEQUENCES),
    "decoder": (lambda: drawn(Decoder), (SEQUENCES, _numbers(3, 5, 8))),
    "diffusion": (lambda: drawn(Diffusion), (IMAGES, _numbers(2, 8))),
    "tied": (lambda: drawn(Tied), RNG.integers(0, 11, size=(3, 7))),
}

"""Two perceptrons a block: one mixes the patches, one the channels."""

import numpy as np
import torch
from torch import nn


class MlpBlock(nn.Module):
    def __init__(self, width, hidden, dropout=0.1):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        return self.drop(self.fc2(self.act(self.fc1(x))))


class MixerBlock(nn.Module):
    def __init__(self, patches, channels, hidden):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.token_mixing = MlpBlock(patches, hidden)
        self.norm2 = nn.LayerNorm(channels)
        self.channel_mixing = MlpBlock(channels, hidden)
        self.gamma = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        y = self.norm1(x).transpose(1, 2)
        y = self.token_mixing(y).transpose(1, 2)
        x = x + self.gamma * y
        return x + self.channel_mixing(self.norm2(x))


class Mixer(nn.Module):
    def __init__(self, size=8, patch=4, channels=6, hidden=10, blocks=2, classes=4):
        super().__init__()
        self.patch = patch
        self.stem = nn.Linear(3 * patch * patch, channels)
        self.blocks = nn.ModuleList([MixerBlock((size // patch) ** 2, channels, hidden) for _ in range(blocks)])
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, classes)

    def patches(self, x):
        B, C, H, W = x.shape
        p = self.patch
        x = x.reshape(B, C, H // p, p, W // p, p)
        return x.permute(0, 2, 4, 1, 3, 5).reshape(B, (H // p) * (W // p), C * p * p)

    def forward(self, x):
        x = self.stem(self.patches(x))
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x.mean(dim=1))


def build():
    return Mixer()


def inputs(rng: np.random.Generator):
    return (rng.normal(size=(2, 3, 8, 8)).astype(np.float32),)

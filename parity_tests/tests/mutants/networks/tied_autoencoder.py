"""An autoencoder whose decoder is its encoder transposed, with noise on the way in and a sparse code."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class TiedAutoencoder(nn.Module):
    def __init__(self, inputs=12, hidden=8, code=4, noise=0.25, sparsity=1e-2):
        super().__init__()
        self.noise = nn.Dropout(noise)
        self.encoder1 = nn.Linear(inputs, hidden)
        self.encoder2 = nn.Linear(hidden, code)
        self.bias1 = nn.Parameter(torch.zeros(hidden))
        self.bias2 = nn.Parameter(torch.zeros(inputs))
        self.sparsity = sparsity
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("mean_code", torch.zeros(code))

    def encode(self, x):
        h = torch.tanh(self.encoder1(x))
        return torch.sigmoid(self.encoder2(h))

    def decode(self, code):
        h = torch.tanh(F.linear(code, self.encoder2.weight.t(), self.bias1))
        return F.linear(h, self.encoder1.weight.t(), self.bias2)

    def forward(self, x):
        code = self.encode(self.noise(x))
        if self.training:
            with torch.no_grad():
                self.seen += 1
                self.mean_code.mul_(0.9).add_(0.1 * code.mean(dim=0))
        y = self.decode(code)
        error = ((y - x) ** 2).sum(dim=1).mean()
        return y, error + self.sparsity * code.abs().mean()


def build():
    return TiedAutoencoder()


def inputs(rng: np.random.Generator):
    return (rng.normal(size=(5, 12)).astype(np.float32),)

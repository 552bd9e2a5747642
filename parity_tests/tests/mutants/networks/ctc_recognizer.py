"""A speech recognizer: convolutions over frames, a bidirectional GRU, CTC loss over unequal lengths."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class ConvBlock(nn.Module):
    def __init__(self, in_channels, out_channels, kernel, stride):
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2)
        self.norm = nn.BatchNorm1d(out_channels)

    def forward(self, x):
        return F.hardtanh(self.norm(self.conv(x)), 0.0, 20.0)


class Recognizer(nn.Module):
    def __init__(self, features=5, channels=6, hidden=5, letters=6):
        super().__init__()
        self.conv1 = ConvBlock(features, channels, 3, 2)
        self.conv2 = ConvBlock(channels, channels, 3, 1)
        self.gru = nn.GRU(channels, hidden, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(2 * hidden)
        self.head = nn.Linear(2 * hidden, letters)

    def forward(self, frames, lengths, targets, target_lengths):
        x = frames.transpose(1, 2)
        x = self.conv2(self.conv1(x))
        out_lengths = (lengths + 1) // 2
        steps = torch.arange(x.shape[2], device=x.device)
        x = x * (steps < out_lengths[:, None]).unsqueeze(1).to(x.dtype)
        x, _ = self.gru(x.transpose(1, 2))
        scores = self.head(self.norm(x))
        log_probs = F.log_softmax(scores, dim=-1)
        loss = F.ctc_loss(log_probs.transpose(0, 1), targets, out_lengths, target_lengths, blank=0)
        return log_probs, loss


def build():
    return Recognizer()


def inputs(rng: np.random.Generator):
    frames = rng.normal(size=(3, 14, 5)).astype(np.float32)
    targets = rng.integers(1, 6, (3, 3))
    return frames, np.array([14, 11, 13]), targets, np.array([3, 2, 1])

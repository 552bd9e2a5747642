"""Bags of words with offsets and weights, two hidden layers with weight decay in mind, class scores."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class BagClassifier(nn.Module):
    def __init__(self, vocab=21, width=6, hidden=7, classes=4, dropout=0.3):
        super().__init__()
        self.words = nn.EmbeddingBag(vocab, width, mode="sum")
        self.pairs = nn.EmbeddingBag(vocab, width, mode="mean")
        self.norm = nn.BatchNorm1d(2 * width)
        self.fc1 = nn.Linear(2 * width, hidden)
        self.prelu = nn.PReLU()
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, classes)
        self.temperature = nn.Parameter(torch.ones(()))

    def forward(self, text, offsets, weights):
        words = self.words(text, offsets, per_sample_weights=weights)
        hashed = (text * 5 + 3) % self.pairs.num_embeddings
        pairs = self.pairs(hashed, offsets)
        x = self.norm(torch.cat([words, pairs], dim=1))
        x = self.dropout(self.prelu(self.fc1(x)))
        logits = self.fc2(x) / self.temperature
        return F.log_softmax(logits, dim=-1)


def build():
    return BagClassifier()


def inputs(rng: np.random.Generator):
    return rng.integers(0, 21, 15), np.array([0, 3, 4, 9, 12]), rng.random(15).astype(np.float32)

"""A post-norm encoder with padding, segments, a pooler and a head that decodes with the embedding."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Embeddings(nn.Module):
    def __init__(self, vocab, width, longest, dropout):
        super().__init__()
        self.word = nn.Embedding(vocab, width, padding_idx=0)
        self.position = nn.Embedding(longest, width)
        self.segment = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens, segments):
        positions = torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0)
        x = self.word(tokens) + self.position(positions) + self.segment(segments)
        return self.dropout(self.norm(x))


class EncoderLayer(nn.Module):
    def __init__(self, width, heads, hidden, dropout):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.attention_norm = nn.LayerNorm(width)
        self.intermediate = nn.Linear(width, hidden)
        self.output = nn.Linear(hidden, width)
        self.output_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, padding):
        attended, _ = self.attention(x, x, x, key_padding_mask=padding, need_weights=False)
        x = self.attention_norm(x + self.dropout(attended))
        hidden = F.gelu(self.intermediate(x))
        return self.output_norm(x + self.dropout(self.output(hidden)))


class BERT(nn.Module):
    def __init__(self, vocab=17, width=8, heads=2, hidden=16, layers=2, longest=12, dropout=0.1):
        super().__init__()
        self.embeddings = Embeddings(vocab, width, longest, dropout)
        self.layers = nn.ModuleList(EncoderLayer(width, heads, hidden, dropout) for _ in range(layers))
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, 2)
        self.transform = nn.Linear(width, width)
        self.transform_norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(vocab))

    def forward(self, tokens, segments):
        padding = tokens == 0
        x = self.embeddings(tokens, segments)
        for layer in self.layers:
            x = layer(x, padding)
        pooled = torch.tanh(self.pooler(x[:, 0]))
        hidden = self.transform_norm(F.gelu(self.transform(x)))
        scores = F.linear(hidden, self.embeddings.word.weight, self.bias)
        return scores, self.classifier(pooled)


def build():
    return BERT()


def inputs(rng: np.random.Generator):
    tokens, segments = rng.integers(1, 17, (3, 6)), np.zeros((3, 6), np.int64)
    tokens[0, 4:] = tokens[2, 5:] = 0
    segments[:, 3:] = 1
    return tokens, segments

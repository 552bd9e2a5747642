"""A two-layer LSTM over words, its decoder tied to the embedding; the state goes in and comes out."""

import numpy as np
from torch import nn
from torch.nn import functional as F


class LSTMLanguageModel(nn.Module):
    def __init__(self, vocab=15, width=8, layers=2, dropout=0.2):
        super().__init__()
        self.width, self.layers = width, layers
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocab, width)
        self.rnn = nn.LSTM(width, width, num_layers=layers, dropout=dropout)
        self.decoder = nn.Linear(width, vocab)
        self.decoder.weight = self.encoder.weight

    def init_hidden(self, batch):
        weight = next(self.parameters())
        return weight.new_zeros(self.layers, batch, self.width), weight.new_zeros(self.layers, batch, self.width)

    def forward(self, tokens, h0, c0):
        zero_h, zero_c = self.init_hidden(tokens.size(1))
        embedded = self.drop(self.encoder(tokens))
        output, (h, c) = self.rnn(embedded, (h0 + zero_h, c0 + zero_c))
        output = self.drop(output)
        decoded = self.decoder(output)
        decoded = decoded.view(-1, decoded.size(-1))
        return F.log_softmax(decoded, dim=1), (h, c)


def build():
    return LSTMLanguageModel()


def inputs(rng: np.random.Generator):
    h, c = (rng.normal(size=(2, 3, 8)).astype(np.float32) for _ in range(2))
    return rng.integers(0, 15, (5, 3)), h, c

"""A GRU encoder over packed sentences and a GRU decoder with attention, fed with the right words."""

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Encoder(nn.Module):
    def __init__(self, vocab, embedding, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embedding, padding_idx=0)
        self.gru = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)

    def forward(self, source, lengths):
        packed = pack_padded_sequence(self.embedding(source), lengths.cpu(), batch_first=True, enforce_sorted=False)
        packed, state = self.gru(packed)
        outputs, _ = pad_packed_sequence(packed, batch_first=True, total_length=source.shape[1])
        state = torch.tanh(self.bridge(torch.cat([state[0], state[1]], dim=1)))
        return outputs, state


class Attention(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.key = nn.Linear(2 * hidden, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, state, memory, padding):
        energy = torch.tanh(self.query(state).unsqueeze(1) + self.key(memory))
        scores = self.score(energy).squeeze(-1).masked_fill(padding, float("-inf"))
        weights = torch.softmax(scores, dim=-1)
        return torch.bmm(weights.unsqueeze(1), memory).squeeze(1)


class Decoder(nn.Module):
    def __init__(self, vocab, embedding, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embedding)
        self.attention = Attention(hidden)
        self.cell = nn.GRUCell(embedding + 2 * hidden, hidden)
        self.out = nn.Linear(hidden + 2 * hidden, vocab)

    def forward(self, target, state, memory, padding):
        logits = []
        for step in range(target.shape[1]):
            context = self.attention(state, memory, padding)
            state = self.cell(torch.cat([self.embedding(target[:, step]), context], dim=-1), state)
            logits.append(self.out(torch.cat([state, context], dim=-1)))
        return torch.stack(logits, dim=1)


class Translator(nn.Module):
    def __init__(self, source=11, target=9, embedding=5, hidden=4):
        super().__init__()
        self.encoder = Encoder(source, embedding, hidden)
        self.decoder = Decoder(target, embedding, hidden)

    def forward(self, source, lengths, target):
        memory, state = self.encoder(source, lengths)
        padding = source == 0
        return self.decoder(target[:, :-1], state, memory, padding)


def build():
    return Translator()


def inputs(rng: np.random.Generator):
    lengths = np.array([4, 6, 2])
    source = rng.integers(1, 11, (3, 6)) * (np.arange(6) < lengths[:, None])
    return source, lengths, rng.integers(0, 9, (3, 5))

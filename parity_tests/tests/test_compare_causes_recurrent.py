"""Planted causes: LSTM, GRU and RNN written by hand."""

import pytest
import torch

from parity_tests.tests.plants import Net, Plant, agrees, check, normal, own, planted, seeded

T = torch.nn
X = normal(6, 3, 5)
LSTM, GRU = (seeded(lambda kind=kind: kind(5, 4)) for kind in (T.LSTM, T.GRU))
BOTH = seeded(lambda: T.LSTM(5, 4, bidirectional=True))
DEEP = seeded(lambda: T.GRU(5, 4, 2))
RNN = seeded(lambda: T.RNN(5, 4))
CELL, LCELL = seeded(lambda: T.GRUCell(5, 4)), seeded(lambda: T.LSTMCell(5, 4))
FIRST = seeded(lambda: T.GRU(5, 4, batch_first=True))


class Rnn(T.Module):
    """What a recurrent layer gives, as it stands in a model: its output and the last state."""

    def __init__(self, rnn, pick=lambda out: out[0]):
        super().__init__()
        self.rnn, self.pick = rnn, pick

    def forward(self, *args):
        return self.pick(self.rnn(*args))


def recurrent(ident, cause, right, forward, x=X, pick=lambda out: out[0], **options):
    return Plant(ident, cause, Rnn(own(right, forward), pick), Rnn(right, pick), x, **options)


def lstm(order="ifgo", bias=1.0, one_bias=False, tanh=True, carried=True, hard=False, swap=False):
    """Step by step, with one thing otherwise."""
    gate = (lambda a: (0.2 * a + 0.5).clamp(0, 1)) if hard else torch.sigmoid

    def forward(s, x, suffix="l0"):
        w, u, b, c_ = (getattr(s, f"{n}_{suffix}") for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        h = c = x.new_zeros(x.shape[1], s.hidden_size)
        ys = []
        for row in x:
            if not carried:
                h = c = torch.zeros_like(h)
            a = row @ w.T + h @ u.T + b * bias + (0 if one_bias else c_)
            part = dict(zip(order, a.chunk(4, -1), strict=True))
            c = gate(part["f"]) * c + gate(part["i"]) * torch.tanh(part["g"])
            h = gate(part["o"]) * (torch.tanh(c) if tanh else c)
            ys.append(h)
        return torch.stack(ys), ((c[None], h[None]) if swap else (h[None], c[None]))

    return forward


def gru(order="rzn", before=False, update=False, outside=False, suffix="l0"):
    def forward(s, x):
        parts = lambda a, dim=-1: dict(zip(order, a.chunk(3, dim), strict=True))  # noqa: E731
        w, u, bi, bh = (getattr(s, f"{n}_{suffix}") for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        h, ys, b, u = x.new_zeros(x.shape[1], s.hidden_size), [], parts(bh), parts(u, 0)
        for row in x:
            a = parts(row @ w.T + bi)
            r, z = (torch.sigmoid(a[g] + h @ u[g].T + b[g]) for g in "rz")
            inner = (r * h) @ u["n"].T + b["n"] if before else r * (h @ u["n"].T + b["n"])
            inner = r * (h @ u["n"].T) + b["n"] if outside else inner
            n = torch.tanh(a["n"] + inner)
            h = (1 - z) * h + z * n if update else (1 - z) * n + z * h
            ys.append(h)
        return torch.stack(ys), h[None]

    return forward


def two_ways(turn_back=True, last=False):
    def forward(s, x):
        (a, (ha, ca)), (b, (hb, cb)) = lstm()(s, x), lstm()(s, x.flip(0), "l0_reverse")
        y = torch.cat([a, b.flip(0) if turn_back else b], -1)
        h = torch.stack(y[-1].chunk(2, -1)) if last else torch.cat([ha, hb])
        return y, (h, torch.cat([ca, cb]))

    return forward


def deep(s, x):
    """Two layers, and the last one's state alone handed out twice."""
    first, _ = gru()(s, x)
    y, h = gru(suffix="l1")(s, first)
    return y, torch.cat([h, h])


def cell(before=False, order="rzn"):
    def forward(s, x, h):
        parts = lambda a, dim=-1: dict(zip(order, a.chunk(3, dim), strict=True))  # noqa: E731
        a, b, u = parts(x @ s.weight_ih.T + s.bias_ih), parts(s.bias_hh), parts(s.weight_hh, 0)
        r, z = (torch.sigmoid(a[g] + h @ u[g].T + b[g]) for g in "rz")
        n = torch.tanh(a["n"] + ((r * h) @ u["n"].T + b["n"] if before else r * (h @ u["n"].T + b["n"])))
        return (1 - z) * n + z * h

    return forward


def lcell(s, x, state):
    """Torch's names, i, f, o, g."""
    h, c = state
    i, f, o, g = (x @ s.weight_ih.T + s.bias_ih + h @ s.weight_hh.T + s.bias_hh).chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def relu_rnn(s, x):
    h, ys = x.new_zeros(x.shape[1], s.hidden_size), []
    for row in x:
        h = torch.relu(row @ s.weight_ih_l0.T + s.bias_ih_l0 + h @ s.weight_hh_l0.T + s.bias_hh_l0)
        ys.append(h)
    return torch.stack(ys), h[None]


STATE = normal(3, 4)


def cells(ident, cause, forward):
    step = lambda s, x, h: s.c(x, h)  # noqa: E731
    return Plant(ident, cause, Net(step, c=own(CELL, forward)), Net(step, c=CELL), (X[0], STATE))


PLANTS = [
    recurrent("lstm-onnx", "gate-order", LSTM, lstm("iofg")),
    recurrent("lstm-ifog", "gate-order", LSTM, lstm("ifog")),
    recurrent("lstm-one-bias", "single-bias", LSTM, lstm(one_bias=True)),
    recurrent("lstm-no-tanh", "cell-tanh", LSTM, lstm(tanh=False)),
    recurrent("lstm-hard-gates", "hard-gates", LSTM, lstm(hard=True)),
    recurrent("lstm-not-carried", "state-not-carried", LSTM, lstm(carried=False)),
    recurrent("lstm-h-and-c", "states-exchanged", LSTM, lstm(swap=True), pick=lambda out: out[1][0]),
    recurrent("lstm-not-turned-back", "reverse-order", BOTH, two_ways(turn_back=False)),
    recurrent("lstm-last-output", "last-state", BOTH, two_ways(last=True), pick=lambda out: out[1][0]),
    recurrent("gru-reset", "gru-reset", GRU, gru(before=True)),
    recurrent("gru-keras-order", "gate-order", GRU, gru("zrn")),
    recurrent("gru-update", "gru-update", GRU, gru(update=True)),
    recurrent("gru-bias", "gru-bias", GRU, gru(outside=True)),
    recurrent("gru-keras-1", "gate-order + gru-reset", GRU, gru("zrn", before=True)),
    recurrent("gru-batch-for-time", "batch-first", FIRST, gru()),
    recurrent("gru-deep-state", "last-state", DEEP, deep, pick=lambda out: out[1]),
    recurrent("rnn-relu", "nonlinearity", RNN, relu_rnn),
    cells("gru-cell", "gru-reset", cell(before=True)),
    cells("gru-cell-order", "gate-order", cell(order="zrn")),
    Plant("lstm-cell", "gate-order", Net(lambda s, x, h: s.c(x, (h, h))[0], c=own(LCELL, lcell)),
          Net(lambda s, x, h: s.c(x, (h, h))[0], c=LCELL), (X[0], STATE)),
]  # fmt: skip


@planted(PLANTS)
def test_cause(plant):
    check(plant)


@pytest.mark.parametrize(("right", "forward"), [(LSTM, lstm()), (GRU, gru()), (BOTH, two_ways())])
def test_rewrite(right, forward):
    agrees(Rnn(own(right, forward)), Rnn(right), X)

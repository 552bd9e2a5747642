"""Planted causes: the code that joins layers, lookups, constants, and losses written by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from parity_tests import compare
from parity_tests.tests.plants import Net, agrees, check, integers, layer, network, normal, planted

T = torch.nn
X = normal(4, 6, 8)
IDS = integers(10, 4, 6)
ROWS = normal(7, 8)
BLOCK = {"n1": T.LayerNorm(8), "a": T.Linear(8, 8), "n2": T.LayerNorm(8), "b": T.Linear(8, 8)}
TOKENS = {"e": T.Embedding(11, 8), "p": T.Embedding(9, 8), "f": T.Linear(8, 4)}
BAG = T.EmbeddingBag(11, 8)


def block(ident, cause, left, right=None):
    """A block in the order of GPT."""
    return network(ident, cause, left, right or pre_norm, X, BLOCK)


def pre_norm(s, x):
    x = x + s.a(s.n1(x))
    return x + s.b(s.n2(x))


def from_norm(s, x):
    n = s.n1(x)
    x = n + s.a(n)
    return x + s.b(s.n2(x))


def from_input(s, x):
    h = x + s.a(s.n1(x))
    return x + s.b(s.n2(h))


def missing(s, x):
    x = s.a(s.n1(x))
    return x + s.b(s.n2(x))


def post_norm(s, x):
    x = s.n1(x + s.a(x))
    return s.n2(x + s.b(x))


def extra(s, x):
    n = s.n1(x)
    x = x + s.a(n)
    return x + s.b(s.n2(x) + n)


def summed_in_place(s, x):
    h = s.a(s.n1(x))
    h += s.b(s.n2(x))
    return F.relu(h, inplace=True)


def halved(s, x):
    x = (x + s.a(s.n1(x))) * 0.5
    return x + s.b(s.n2(x))


def subtracted(s, x):
    x = s.a(s.n1(x)) - x
    return x + s.b(s.n2(x))


def tokens(ident, cause, left, right, inputs=IDS):
    return network(ident, cause, left, right, inputs, TOKENS)


def embedded(scale=1.0, shift=0, index=0):
    def forward(s, i):
        where = torch.arange(i.shape[1]) + shift
        return s.f(s.e(i + index) * scale + s.p(where))

    return forward


def pooled(pick):
    return lambda s, x: s.f(pick(s.e(x)))


class MeanGradient(torch.autograd.Function):
    """A linear map, whose weight's gradient is averaged over the batch."""

    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        return x @ w.T + b

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g @ w, g.T @ x / len(x), g.sum(0)


def cancelling(s, x):
    """The variance as E[x²] - E[x]², in float32."""
    mean = x.mean(-1, keepdim=True)
    var = x.pow(2).mean(-1, keepdim=True) - mean * mean
    return (x - mean) / (var.clamp(min=0) + s.eps).sqrt() * s.weight + s.bias


def masked_scores(hidden):
    def forward(s, x):
        h = s.a(x)
        seen = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        return torch.softmax((h @ h.mT).masked_fill(~seen, hidden), -1) @ h

    return forward


def opaque(make):
    """A network of which nothing but its output is seen: its layers have no names that the other side knows."""

    class Whole(T.Module):
        def __init__(self):
            super().__init__()
            self.net = [make()]

        def forward(self, x):
            return self.net[0](x)

    whole = Whole()
    for name, parameter in whole.net[0].named_parameters():
        whole.register_parameter(name.replace(".", "_"), parameter)
    return whole


LINEAR, EMBED = T.Linear(8, 8), T.Embedding(11, 8)
PLANTS = [
    block("residual-from-norm", "residual", from_norm),
    block("residual-from-input", "residual", from_input),
    block("residual-missing", "residual-missing", missing),
    block("post-norm", "residual-extra", post_norm),
    block("norm-skipped", "wiring", lambda s, x: (h := x + s.a((s.n1(x), x)[1])) + s.b(s.n2(h))),
    block("residual-extra", "residual-extra", extra),
    block("residual-halved", "residual-scale", halved),
    block("residual-sign", "residual-sign", subtracted),
    block("activation-before-sum", "activation-place", lambda s, x: F.relu(s.a(s.n1(x))) + s.b(s.n2(x)),
          lambda s, x: F.relu(s.a(s.n1(x)) + s.b(s.n2(x)))),
    block("activation-in-place", "activation-place", lambda s, x: F.relu(s.a(s.n1(x))) + s.b(s.n2(x)), summed_in_place),
    tokens("positions-from-1", "position-shift", embedded(shift=1), embedded(), IDS),
    tokens("ids-plus-1", "index-shift", embedded(index=1), embedded(), IDS),
    tokens("embedding-not-scaled", "constant", embedded(), embedded(scale=math.sqrt(8)), IDS),
    tokens("embedding-scaled", "part-scale", embedded(scale=math.sqrt(8)), embedded(), IDS),
    tokens("last-token", "pool-kind", pooled(lambda h: h[:, -1]), pooled(lambda h: h.mean(1))),
    tokens("first-token", "position", pooled(lambda h: h[:, 0]), pooled(lambda h: h[:, -1])),
    tokens("mean", "reduction-axis", pooled(lambda h: h.mean(2)), pooled(lambda h: h.mean(1)), integers(11, 4, 8)),
    tokens("max-for-mean", "pool-kind", pooled(lambda h: h.amax(1)), pooled(lambda h: h.mean(1))),
    tokens("shifted-slice", "slice", pooled(lambda h: h[:, 1:]), pooled(lambda h: h[:, :-1])),
    tokens("exclusive-sum", "cumsum-exclusive", pooled(lambda h: h.cumsum(1) - h), pooled(lambda h: h.cumsum(1))),
    tokens("reversed", "flip", pooled(lambda h: h), pooled(lambda h: h.flip(1))),
    network("concatenated", "concat-order", lambda s, x: s.c(torch.cat([s.b(x), s.a(x)], -1)),
            lambda s, x: s.c(torch.cat([s.a(x), s.b(x)], -1)), X,
            {"a": T.Linear(8, 4), "b": T.Linear(8, 4), "c": T.Linear(8, 3)}),
    network("interleaved", "concat-order", lambda s, x: s.c(torch.stack([s.a(x), s.b(x)], -1).flatten(-2)),
            lambda s, x: s.c(torch.cat([s.a(x), s.b(x)], -1)), X,
            {"a": T.Linear(8, 4), "b": T.Linear(8, 4), "c": T.Linear(8, 3)}),
    network("not-interleaved", "concat-order", lambda s, x: s.c(torch.cat([s.a(x), s.b(x)], -1)),
            lambda s, x: s.c(torch.stack([s.a(x), s.b(x)], -1).flatten(-2)), X,
            {"a": T.Linear(8, 4), "b": T.Linear(8, 4), "c": T.Linear(8, 3)}),
    network("last-step-for-state", "wiring", lambda s, x: s.c(s.g(x)[0][-1]),
            lambda s, x: s.c(torch.cat(s.g(x)[1][-2:].unbind(0), -1)), X,
            {"g": T.GRU(8, 4, bidirectional=True), "c": T.Linear(8, 3)}),
    network("parts-of-state", "part-order", lambda s, x: s.c(torch.tanh(s.a(x).chunk(2, -1)[1])),
            lambda s, x: s.c(torch.tanh(s.a(x).chunk(2, -1)[0])), X, {"a": T.Linear(8, 6), "c": T.Linear(3, 3)}),
    network("hidden-by-plus-inf", "mask-value", masked_scores(math.inf), masked_scores(-math.inf), X,
            {"a": T.Linear(8, 8)}),
    layer("weight-as-in-out", "transposed-weight", LINEAR, lambda s, x: x @ s.weight + s.bias, X),
    layer("weight-scaled", "scaled-weight", LINEAR, lambda s, x: F.linear(x, s.weight / math.sqrt(8), s.bias), X),
    layer("weight-scaled-he", "scaled-weight", LINEAR, lambda s, x: F.linear(x, s.weight * 0.5, s.bias), X),
    layer("weight-memory", "transposed-weight", T.Linear(8, 5), lambda s, x: x @ s.weight.reshape(8, 5) + s.bias, X),
    layer("gradient-mean", "factor", LINEAR, lambda s, x: MeanGradient.apply(x, s.weight, s.bias), ROWS),
    layer("one-hot-shift", "index-shift", EMBED, lambda s, i: s.weight[(i - 1) % 11], IDS),
    layer("embedding-scaled", "embedding-scale", EMBED, lambda s, i: s.weight[i] * math.sqrt(8), IDS),
    layer("padding-row", "padding-index", T.Embedding(11, 8, padding_idx=0), lambda s, i: s.weight[i], IDS),
    layer("bag-sum", "bag-mode", BAG, lambda s, i: s.weight[i].sum(1), IDS),
    layer("bag-sqrtn", "bag-mode", BAG, lambda s, i: s.weight[i].sum(1) / math.sqrt(6), IDS),
    layer("half-precision", "half", LINEAR, lambda s, x: F.linear(x.half(), s.weight.half(), s.bias.half()).float(), X),
    layer("bfloat16", "bfloat16", LINEAR,
          lambda s, x: F.linear(x.bfloat16(), s.weight.bfloat16(), s.bias.bfloat16()).float(), X),
    layer("variance-cancels", "variance-cancelled", T.LayerNorm(8), cancelling, X + 1e3),
]  # fmt: skip


CUT = network("detached", "detached", lambda s, i: s.f(s.e(i).detach()), lambda s, i: s.f(s.e(i)), IDS, TOKENS)
MASKS = {
    "inverted": ("mask-polarity", lambda m: ~m), "missing": ("mask-missing", torch.zeros_like),
    "diagonal": ("causal-diagonal", lambda m: torch.ones_like(m).triu(2)), "none": ("mask-missing", lambda m: None),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKS)
def test_mask_as_an_argument(name):
    """What a layer is called with by keyword, compared where it arrives."""
    cause, change = MASKS[name]

    def forward(way):
        def attend(s, x):
            mask = way(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1))
            return s.at(x, x, x, attn_mask=mask, need_weights=False)[0]

        return attend

    parts = {"at": T.MultiheadAttention(8, 2, batch_first=True)}
    check(network(name, cause, forward(change), forward(lambda m: m), X, parts))


def test_gradient_that_is_cut():
    check(CUT)


@planted(PLANTS)
def test_cause(plant):
    check(plant)


# --- losses -----------------------------------------------------------------------------------------------------------

LOGITS, LABELS = normal(9, 5), integers(5, 9)
TARGET = normal(9, 5, seed=1)
WEIGHTS = torch.linspace(0.5, 2, 5)
PROBABILITIES = np.abs(normal(9, 5, seed=2)) / 5


def nll(x, t):
    return -torch.log_softmax(x, 1)[torch.arange(len(t)), t]


class Loss(T.Module):
    """A loss written as a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x, t):
        return self.function(x, t)


LOSSES = {
    "summed": ("reduction", lambda x, t: nll(x, t).sum(), T.CrossEntropyLoss(), LABELS),
    "weights-by-count": ("class-weights", lambda x, t: (nll(x, t) * WEIGHTS[t]).mean(), T.CrossEntropyLoss(WEIGHTS),
                         LABELS),
    "softmax-twice": ("double-softmax", lambda x, t: nll(x.softmax(1), t).mean(), T.CrossEntropyLoss(), LABELS),
    "smoothing-of-others": (
        "label-smoothing",
        lambda x, t: (0.9 * nll(x, t) - 0.025 * (torch.log_softmax(x, 1).sum(1) + nll(x, t))).mean(),
        T.CrossEntropyLoss(label_smoothing=0.1), LABELS),
    "ignored": (
        "ignored-rows", lambda x, t: (nll(x, t.clamp(min=0)) * (t >= 0)).mean(), T.CrossEntropyLoss(ignore_index=-1),
        np.where(np.arange(9) < 3, -1, LABELS)),
    "half-square": ("mse-half", lambda x, t: ((x - t) ** 2).mean() / 2, T.MSELoss(), TARGET),
    "square-by-batch": ("reduction", lambda x, t: ((x - t) ** 2).sum() / len(x), T.MSELoss(), TARGET),
    "absolute": ("other-loss", lambda x, t: (x - t).abs().mean(), T.MSELoss(), TARGET),
    "huber": ("huber-scale", lambda x, t: F.huber_loss(x, t, delta=0.5), T.SmoothL1Loss(beta=0.5), TARGET),
    "clipped": (
        "bce-clip",
        lambda x, t: -(t * (p := x.clamp(1e-7, 1 - 1e-7)).log() + (1 - t) * (1 - p).log()).mean(),
        lambda x, t: F.binary_cross_entropy(x.clamp(0, 1), t), PROBABILITIES),
    "kl-by-element": ("reduction", lambda x, t: (t * (t.log() - x.log_softmax(1))).mean(),
                      lambda x, t: F.kl_div(x.log_softmax(1), t, reduction="batchmean"), PROBABILITIES),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name):
    cause, left, right, target = LOSSES[name]
    both = Loss(left), right if isinstance(right, T.Module) else Loss(right)
    report = compare(T.Linear(5, 5), T.Linear(5, 5), LOGITS, target, both)
    assert report.first_divergence.where == "loss", str(report)
    assert report.cause is not None, str(report)
    assert report.cause.name == cause, str(report)


# --- a left that shows its output alone -------------------------------------------------------------------------------


def encoder(eps=1e-5, gelu="none"):
    torch.manual_seed(0)
    return T.Sequential(T.Linear(8, 8), T.LayerNorm(8, eps=eps), T.GELU(gelu), T.Linear(8, 3))


@pytest.mark.parametrize(("options", "cause"), [({"eps": 1e-3}, "eps-value"), ({"gelu": "tanh"}, "gelu-tanh")])
def test_opaque_left(options, cause):
    """The place is found too: one layer of the right at a time is computed another way."""
    names = {n.replace(".", "_"): n for n, _ in encoder().named_parameters()}
    report = compare(opaque(lambda: encoder(**options)), encoder(), X, parameters=names)
    assert report.cause is not None, str(report)
    assert report.cause.name == cause, str(report)


@pytest.mark.parametrize("left", [pre_norm])
def test_rewrite(left):
    agrees(Net(lambda s, x: (h := s.a(s.n1(x)) + x) + s.b(s.n2(h)), **BLOCK), Net(left, **BLOCK), X)

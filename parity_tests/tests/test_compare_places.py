"""The place of a divergence: the innermost layer whose own code makes what is not as on the right."""

import numpy as np
import pytest
import torch
from torch import nn

from parity_tests import compare
from parity_tests.tests.plants import normal
from parity_tests.tests.ports import seeded


def same(x):
    return x


def detached(x):
    return x.detach()


def clipped(weights):
    if weights.requires_grad:
        weights.register_hook(lambda g: g.clamp(-1e-3, 1e-3))
    return weights


def half_gradient(x):
    return x * 0.5 + x.detach() * 0.5


class Attend(nn.Module):
    """Weights over places; `end` and `begin` are code at its end and beginning, after and before its own layers."""

    def __init__(self, end, begin):
        super().__init__()
        self.query, self.score, self.end, self.begin = nn.Linear(4, 4), nn.Linear(4, 1), end, begin

    def forward(self, state, memory, padded):
        energy = torch.tanh(self.query(self.begin(state))[:, None] + memory)
        scores = self.score(energy)[..., 0].masked_fill(padded, -1e9)
        return torch.einsum("bt,btd->bd", self.end(scores), memory)


class Decoder(nn.Module):
    """Calls its attention once for each word."""

    def __init__(self, end, begin, steps):
        super().__init__()
        self.attend, self.cell, self.out = Attend(end, begin), nn.GRUCell(4, 4), nn.Linear(4, 3)
        self.steps = steps

    def forward(self, words, memory, padded):
        state, found = memory[:, 0], []
        for i in self.steps(range(words.shape[1])):
            state = self.cell(words[:, i] + self.attend(state, memory, padded), state)
            found.append(self.out(state))
        return torch.stack(found, 1)


class Translator(nn.Module):
    def __init__(self, end=lambda scores: scores.softmax(-1), begin=same, steps=same, words=same, padded=same,
                 memory=same):  # fmt: skip
        super().__init__()
        self.encoder, self.decoder = nn.Linear(4, 4), Decoder(end, begin, steps)
        self.changes = words, memory, padded

    def forward(self, words, memory, tokens):
        change_words, change_memory, change_padded = self.changes
        memory = change_memory(self.encoder(memory))
        return self.decoder(change_words(words), memory, change_padded(tokens == 0))


SENTENCES = normal(2, 3, 4), normal(2, 5, 4), np.array([[1, 2, 1, 0, 0], [1, 1, 2, 2, 0]])

IN_A_LOOP = {
    "code after its last layer": ({"end": lambda s: -s.softmax(-1)}, "decoder.attend", "output of decoder.attend"),
    "another axis": ({"end": lambda s: s.softmax(0)}, "decoder.attend", "output of decoder.attend"),
    "NaN at its end": ({"end": lambda s: s.softmax(-1) * np.nan}, "decoder.attend", "output of decoder.attend"),
    "gradient at its end": ({"end": lambda s: clipped(s.softmax(-1))}, "decoder.attend",
                            "cotangent of decoder.attend.score"),
    "gradient at its beginning": ({"begin": half_gradient}, "decoder.attend",
                                  "gradient of the input of decoder.attend"),
    "a mask passed through": ({"padded": torch.logical_not}, "", "padded of decoder"),
    "numbers passed through": ({"memory": lambda m: m.half().float()}, "", "input 1 of decoder"),
    "every second word": ({"words": lambda w: w[:, ::2]}, "", "input of decoder"),
    "without the first word": ({"steps": lambda r: r[1:]}, "decoder", "calls of decoder.attend"),
    "the first word twice": ({"steps": lambda r: [0, *r]}, "decoder", "calls of decoder.attend"),
}  # fmt: skip


@pytest.mark.parametrize("case", IN_A_LOOP)
def test_a_layer_that_is_called_in_a_loop(case):
    options, where, what = IN_A_LOOP[case]
    report = compare(seeded(Translator, **options), seeded(Translator), SENTENCES)
    assert (report.first_divergence.where, report.first_divergence.what) == (where, what), str(report)


class Generator(nn.Module):
    def __init__(self, tanh, end):
        super().__init__()
        last = [nn.Tanh()] if tanh else []
        self.main, self.end = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), *last), end

    def forward(self, z):
        return self.end(self.main(z))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 1)

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))


class Gan(nn.Module):
    """A discriminator that is called twice, the second time with what the generator gives."""

    def __init__(self, tanh=True, end=same, fake=same):
        super().__init__()
        self.generator, self.discriminator, self.fake = Generator(tanh, end), Discriminator(), fake

    def forward(self, z, real):
        fake = self.fake(self.generator(z))
        return self.discriminator(real), self.discriminator(fake)


@pytest.mark.parametrize(
    ("options", "where", "what"),
    [
        ({"fake": lambda x: -x}, "", "input of discriminator"),
        ({"end": detached}, "generator", "cotangent of generator"),
        ({"fake": detached}, "", "cotangent of generator"),
        ({"tanh": False}, "generator.main", "output of generator.main"),
    ],
)
def test_a_container_that_is_called_twice(options, where, what):
    first = compare(seeded(Gan, **options), seeded(Gan), (normal(3, 4), normal(3, 6))).first_divergence
    assert (first.where, first.what) == (where, what)


class Resized(nn.Module):
    """Gives its layer an input of another shape."""

    def __init__(self, rows):
        super().__init__()
        self.up = nn.Sequential(nn.Linear(6, 6))
        self.out, self.rows = nn.Linear(6, 2), rows

    def forward(self, x):
        return self.out(self.up(x)[: self.rows]).sum(0)


def test_another_shape_does_not_hide_the_layers():
    report = compare(seeded(Resized, 2), seeded(Resized, 3), normal(3, 6))
    assert (report.first_divergence.where, report.first_divergence.what) == ("", "input of out"), str(report)
    assert not any("could not be observed" in note for note in report.notes)


class Scaled(nn.Module):
    """A parameter of its own beside its layer's."""

    def __init__(self, change):
        super().__init__()
        self.fc, self.gamma, self.change = nn.Linear(6, 6), nn.Parameter(torch.full((6,), 0.3)), change

    def forward(self, x):
        return self.fc(x) * self.change(self.gamma)


def test_the_gradient_of_a_parameter_that_code_uses_belongs_to_the_layer_that_holds_it():
    left, right = (seeded(lambda c=c: nn.Sequential(nn.Linear(6, 6), Scaled(c))) for c in (half_gradient, same))
    first = compare(left, right, normal(3, 6)).first_divergence
    assert (first.where, first.what) == ("1", "grad 1.gamma")


class Tagger(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.e, self.out, self.change = nn.Embedding(5, 4).requires_grad_(False), nn.Linear(4, 3), change

    def forward(self, ids):
        h = self.e(ids)
        return self.change(self.out(h) + h.sum(-1, keepdim=True))


def test_a_frozen_layer_gets_no_gradient_and_is_not_asked_for_one():
    report = compare(seeded(Tagger, lambda y: y * 2), seeded(Tagger, same), np.array([[0, 3, 1], [2, 2, 4]]))
    assert report.first_divergence.what == "output"
    assert not [m for m in report.divergences if m.what == "cotangent of e"], str(report)


# --- what is inside never overrules the end ---------------------------------------------------------------------------


class OtherWeights(nn.MultiheadAttention):
    """Gives other weights, which the model does not use."""

    def forward(self, *args, **options):
        y, weights = super().forward(*args, **options)
        return y, weights * 2


class NoBias(nn.Linear):
    """Without its bias, which the norm after it takes away."""

    def forward(self, x):
        return nn.functional.linear(x, self.weight)


class Attends(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.attention = kind(6, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x)[0]


@pytest.mark.parametrize(
    ("left", "right", "x"),
    [
        (lambda: Attends(OtherWeights), lambda: Attends(nn.MultiheadAttention), normal(2, 3, 6)),
        (lambda: nn.Sequential(NoBias(6, 6), nn.LayerNorm(6)), lambda: nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6)),
         normal(3, 6)),
    ],
    ids=["a result that nothing uses", "a shift that is lost"],
)  # fmt: skip
def test_a_layer_that_differs_is_a_note_if_the_end_agrees(left, right, x):
    left, right = seeded(left), seeded(right)
    if isinstance(right, nn.Sequential):
        with torch.no_grad():
            right[0].bias.fill_(0.25)  # the same shift for all features
        right[0].bias.requires_grad_(False)
    report = compare(left, right, x)
    assert report.ok, str(report)
    assert any(note.startswith("inside, ") and "no difference at the end" in note for note in report.notes)
    assert "   differs" in str(report)
    assert "DIVERGES" not in str(report)

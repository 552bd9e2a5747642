"""The place of a divergence: the innermost layer whose own code makes what is not as on the right."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from parity_tests import compare
from parity_tests.tests.plants import normal
from parity_tests.tests.ports import seeded


def same(x):
    return x


def nothing(*args):
    return None


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


# --- what a call begins with, besides its arguments -------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, extra):
        super().__init__()
        self.fc, self.dropout, self.extra = nn.Linear(6, 6), nn.Dropout(0.5), extra

    def forward(self, x):
        y = self.dropout(self.fc(x))
        self.extra()
        return y


class Noisy(nn.Module):
    """Two blocks that draw; `noise` is drawn after them."""

    def __init__(self, extra=nothing, noise=lambda: 0.0):
        super().__init__()
        self.blocks, self.noise = nn.Sequential(Block(extra), Block(nothing)), noise

    def forward(self, x):
        return self.blocks(x) + self.noise()


DRAWN = {
    "torch": (lambda: torch.rand(3), lambda: torch.rand(1)),
    "NumPy": (lambda: np.random.rand(3), lambda: float(np.random.rand())),
    "Python": (random.random, random.random),
}


@pytest.mark.parametrize("generator", DRAWN)
def test_a_random_number_more_is_found_where_the_next_call_begins_with_another_state(generator):
    extra, noise = DRAWN[generator]
    report = compare(seeded(Noisy, extra, noise), seeded(Noisy, nothing, noise), normal(3, 6))
    assert report.first_divergence.where == "blocks.0", str(report)
    assert report.first_divergence.what == "random state at the end of blocks.0"


class TwoDraws(nn.Dropout):
    def forward(self, x):
        y = super().forward(x)
        torch.rand(1)
        return y


def test_a_layer_that_draws_more_itself():
    report = compare(*(seeded(lambda k=k: nn.Sequential(nn.Linear(6, 6), k(0.5), nn.Linear(6, 6), nn.Dropout(0.5)))
                       for k in (TwoDraws, nn.Dropout)), normal(3, 6))  # fmt: skip
    assert (report.first_divergence.where, report.first_divergence.what) == ("1", "random state")


def test_random_numbers_that_nothing_depends_on_are_a_note():
    class Last(Noisy):
        def forward(self, x):
            y = super().forward(x)
            torch.rand(3)
            return y

    assert compare(seeded(Last), seeded(Noisy), normal(3, 6)).ok
    report = compare(seeded(Noisy, extra=lambda: torch.rand(3)).eval(), seeded(Noisy), normal(3, 6), mode="eval")
    assert report.ok, str(report)
    assert any("random state" in note for note in report.notes)


class Features(nn.Module):
    def __init__(self, switched=False):
        super().__init__()
        self.features, self.switched = nn.Sequential(nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5))), switched

    def forward(self, x):
        if self.switched:
            self.features.train()
        return self.features(x)


def test_the_outermost_layer_with_another_mode_is_called_by_the_code_that_set_it():
    first = compare(seeded(Features, True), seeded(Features), normal(3, 6), mode="eval").first_divergence
    assert (first.where, first.what) == ("", "state of features")


class Doubles(nn.Module):
    """May double what it was given, or what its dropout was given, after it has used it."""

    def __init__(self, which=""):
        super().__init__()
        self.fc, self.dropout, self.which = nn.Linear(6, 6), nn.Dropout(0.5), which

    def forward(self, x):
        h = self.fc(x.clone())
        y = self.dropout(h)
        with torch.no_grad():
            (x if self.which == "x" else h if self.which == "h" else y.clone()).mul_(2)
        return y


class Around(nn.Module):
    def __init__(self, which=""):
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(6, 6), Doubles(which), nn.Linear(6, 2)

    def forward(self, x):
        h = self.first(x)
        return self.last(self.inner(h) + h)


@pytest.mark.parametrize(("which", "what"), [("x", "argument of inner at its end"), ("h", "output of inner")])
def test_writing_into_what_a_layer_was_given(which, what):
    """In eval mode dropout gives back what it is given: writing into one changes the other."""
    report = compare(seeded(Around, which), seeded(Around), normal(3, 6), mode="eval")
    assert not report.ok
    assert (report.first_divergence.where, report.first_divergence.what) == ("inner", what), str(report)


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


# --- the truth of each mode -------------------------------------------------------------------------------------------


class Single(nn.Module):
    """In training it computes in float32 alone, or gives something else each time."""

    def __init__(self, how="", factor=1.0):
        super().__init__()
        self.fc, self.how, self.factor = nn.Linear(6, 6), how, factor

    def forward(self, x):
        y = self.fc(x)
        if self.training and self.how == "single":
            assert x.dtype == torch.float32
        if self.training and self.how == "noise":
            y = y + NOISE.normal()
        if self.training and self.how == "draws":
            y = y + torch.randn(3, 6)  # of 16 numbers or more, float64 draws others
        return (y * 100).sin() if self.training else (y * 100).sin() * self.factor


NOISE = np.random.default_rng()


@pytest.mark.parametrize("how", ["single", "draws"])
def test_a_twin_that_cannot_be_run_in_training_is_the_truth_in_eval_mode(how):
    x = normal(3, 6)
    report = compare(seeded(Single, how), seeded(Single, how), x)
    assert report.ok, str(report)
    assert any("float64 twin" in note for note in report.notes)
    alone = compare(seeded(Single), seeded(Single), x, mode="eval")
    limits = [{m.what: m.limit for m in r.measurements if m.phase == "end" and m.mode == "eval"}
              for r in (report, alone)]  # fmt: skip
    assert limits[0] == limits[1]


def test_eval_mode_is_compared_where_training_cannot_be():
    report = compare(seeded(Single, "noise"), seeded(Single, "noise"), normal(3, 6))
    assert not report.comparable
    assert "in training mode" in report.reason
    report = compare(seeded(Single, "noise", 1.5), seeded(Single, "noise"), normal(3, 6))
    assert report.first_divergence.mode == "eval"

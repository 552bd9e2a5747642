"""Planted causes: CTC written by hand, above all what it gives for an alignment that is impossible."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from parity_tests import compare
from parity_tests.tests.plants import Plant, agrees, check, normal, own, planted

T = torch.nn
BOTH = np.array([5, 3])  # frames: the second sequence has three labels, of which two are alike, and needs four
INPUTS = (normal(5, 2, 4), np.array([[1, 2, 3], [1, 2, 2]]), BOTH, np.array([3, 3]))
POSSIBLE = (INPUTS[0], INPUTS[1], np.array([5, 4]), INPUTS[3])


def alpha(probs, labels, blank, zero):
    """The probabilities of all prefixes by dictionaries, (place, whether it ends in a blank)."""
    known = {(0, True): probs.new_zeros(())}
    get = lambda key: known.get(key, probs.new_tensor(zero))  # noqa: E731
    for frame in probs:
        after = {}
        for place in range(len(labels) + 1):
            after[place, True] = torch.logaddexp(get((place, True)), get((place, False))) + frame[blank]
            if place:
                ways = [get((place, False)), get((place - 1, True))]
                if place > 1 and labels[place - 1] != labels[place - 2]:
                    ways.append(get((place - 1, False)))
                after[place, False] = torch.stack(ways).logsumexp(0) + frame[labels[place - 1]]
        known = after
    return -torch.logaddexp(get((len(labels), True)), get((len(labels), False)))


def by_hand(s, probs, targets, frames, sizes, zero=-1e30, blank=0):
    rows = [
        alpha(probs[:t, n], targets[n, :k].tolist(), blank, zero)
        for n, (t, k) in enumerate(zip(frames.tolist(), sizes.tolist(), strict=True))
    ]
    losses = torch.stack(rows)
    return losses if s.reduction == "none" else losses.sum() if s.reduction == "sum" else (losses / sizes).mean()


def in_a_row(s, probs, targets, frames, sizes):
    """The labels of all sequences, one after another."""
    ends = sizes.cumsum(0).tolist()
    rows = [targets[end - size : end] for end, size in zip(ends, sizes.tolist(), strict=True)]
    return by_hand(s, probs, torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), frames, sizes)


def alone(s, probs, targets, frames, sizes):
    return alpha(probs, targets.tolist(), 0, -1e30)


def two_rows(s, probs, targets, frames, sizes, zero=-1e5):
    """optax's: a batch at once, of rows of blanks and of labels, with frames past the end passed over."""
    B, N = targets.shape
    again = torch.zeros(B, N)
    again[:, :-1] = (targets[:, :-1] == targets[:, 1:]).float()
    phi = torch.cat([torch.zeros(B, 1), torch.full((B, N), zero)], 1)
    emit = torch.full((B, N), zero)
    add = lambda phi, score: torch.cat([phi[:, :1], torch.logaddexp(phi[:, 1:], score)], 1)  # noqa: E731
    for t, frame in enumerate(probs):
        on = (t < frames).float()[:, None]
        moved = add(phi, emit + zero * again)
        label, empty = frame.gather(1, targets), frame[:, :1]
        after = torch.logaddexp(moved[:, :-1] + label, emit + label)
        blank = add(moved + empty, emit + empty + zero * (1 - again))
        emit, phi = on * after + (1 - on) * emit, on * blank + (1 - on) * phi
    return -add(phi, emit).gather(1, sizes[:, None])[:, 0]


def plant(ident, cause, right, forward, inputs=INPUTS, named=True):
    return Plant(ident, cause, Probable(own(right, forward)), Probable(right), inputs, named)


class Probable(T.Module):
    """The loss after a log-softmax."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, x, *others):
        return self.loss(x.log_softmax(-1), *others)


NONE = T.CTCLoss(reduction="none")
PLANTS = [
    plant("optax", "ctc-impossible", NONE, two_rows),
    plant("finite", "ctc-impossible", NONE, by_hand),
    plant("no-state-by-state", "", NONE, lambda s, *a: by_hand(s, *a, zero=-1e5), named=False),
    plant("zero", "ctc-impossible", NONE, lambda s, *a: F.ctc_loss(*a, reduction="none", zero_infinity=True)),
    plant("last-class", "ctc-blank", T.CTCLoss(), lambda s, *a: by_hand(s, *a, blank=3),
          (INPUTS[0], np.array([[1, 2, 1], [2, 1, 2]]), *POSSIBLE[2:])),
    plant("finite-mean", "ctc-impossible", T.CTCLoss(), by_hand),
    plant("finite-sum", "ctc-impossible", T.CTCLoss(reduction="sum"), by_hand),
    plant("finite-flat", "ctc-impossible", NONE, in_a_row,
          (INPUTS[0], np.array([1, 2, 1, 2, 2]), BOTH, np.array([2, 3]))),
    plant("finite-alone", "ctc-impossible", NONE, alone, (normal(3, 4), np.array([1, 2, 2]), BOTH[1:], INPUTS[3][1:])),
    plant("infinite", "ctc-impossible", T.CTCLoss(reduction="none", zero_infinity=True),
          lambda s, *a: F.ctc_loss(*a, reduction="none")),
    plant("sum", "reduction", T.CTCLoss(), lambda s, *a: F.ctc_loss(*a, reduction="sum"), POSSIBLE),
    plant("mean", "reduction", T.CTCLoss(reduction="sum"), lambda s, *a: F.ctc_loss(*a), POSSIBLE),
    plant("plain-mean", "reduction", T.CTCLoss(), lambda s, *a: by_hand(NONE, *a).mean(), POSSIBLE),
]  # fmt: skip


@planted(PLANTS)
def test_cause(plant):
    check(plant)


def test_the_text_says_whose_it_is():
    report = compare(PLANTS[0].left, PLANTS[0].right, INPUTS)
    assert "(optax)" in str(report)
    assert "does, run on" in str(report)


@pytest.mark.parametrize("zero", [-1e5, -1e30])
def test_a_possible_alignment_is_the_same(zero):
    for reduction in ("none", "mean", "sum"):
        right = T.CTCLoss(reduction=reduction)
        agrees(Probable(own(right, lambda s, *a: by_hand(s, *a, zero=zero))), Probable(right), POSSIBLE)


def test_another_finite_loss_is_not_named():
    """Neither a constant, nor the right value of a sequence that is another."""
    for forward in (
        lambda s, *a: torch.where(two_rows(s, *a) > 1e3, 3e4, two_rows(s, *a)),
        lambda s, *a: by_hand(s, *a) * 1.01,
    ):
        report = compare(Probable(own(NONE, forward)), Probable(NONE), INPUTS)
        assert not report.ok
        assert report.cause is None, str(report)

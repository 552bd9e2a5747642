"""Conventions of CTC: what stands for the logarithm of 0, the blank, the reduction.

torch's is -inf: an alignment that is impossible, of fewer frames than labels and repetitions, has an infinite loss and
a gradient of NaN. Others put a large negative number there; then the loss is about as large, and the gradient finite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from parity_tests.comparer.conventions.convention import Deviation, Options, convention, function

ZEROS = (-1e30, -1e5, -1e10, -1e4, -1e20)  # what is written for log 0


@function("ctc_loss")
def ctc(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)


@convention("ctc_loss")
def ctcs(o: Options) -> Iterator[Deviation]:
    losses = _each(o)
    if not bool(losses.isfinite().all()):
        other = "with zero_infinity: an impossible alignment has loss and gradient 0"
        other = "without zero_infinity: an impossible alignment has an infinite loss" if o.zero_infinity else other
        yield Deviation("ctc-impossible", other, {"zero_infinity": not o.zero_infinity})
        text = "with log 0 as -1e5 (optax): an impossible alignment has a finite loss and gradient"
        yield Deviation("ctc-impossible", text, {"instead": lambda o: _reduced(o, _by(o, _optax, -1e5))})
        for zero in ZEROS:
            text = f"with log 0 as {zero:g}: an impossible alignment has a finite loss and gradient"
            yield Deviation("ctc-impossible", text, {"instead": lambda o, z=zero: _reduced(o, _by(o, _states, z))})
    last = o.log_probs.shape[-1] - 1
    if o.blank != last:
        yield Deviation("ctc-blank", "with the last class as the blank (TensorFlow)", {"blank": last})
    for reduction in ("mean", "sum"):
        if o.reduction != reduction:
            yield Deviation("reduction", f"with reduction='{reduction}'", {"reduction": reduction})
    if o.reduction == "mean":
        text = "with the mean of the losses, not divided by the lengths of the targets"
        yield Deviation("reduction", text, {"instead": lambda o: _mean(o)})


def _each(o: Options) -> Tensor:
    return ctc(o.log_probs, o.targets, o.input_lengths, o.target_lengths, o.blank, "none")


def _mean(o: Options) -> Tensor:
    losses = ctc(o.log_probs, o.targets, o.input_lengths, o.target_lengths, o.blank, "none", o.zero_infinity)
    return losses.mean()


def _reduced(o: Options, losses: Tensor) -> Tensor:
    if o.reduction == "mean":
        return (losses / torch.tensor(_lengths(o.target_lengths), dtype=losses.dtype).clamp(min=1)).mean()
    return losses.sum() if o.reduction == "sum" else losses


def _lengths(lengths: Any) -> list[int]:
    return [int(n) for n in (lengths.flatten().tolist() if isinstance(lengths, Tensor) else lengths)]


Loss = Callable[[Tensor, list[int], int, float], Tensor]


def _by(o: Options, loss: Loss, zero: float) -> Tensor:
    """The loss of every sequence, of its (T, C) logarithms and its labels."""
    frames, sizes = _lengths(o.input_lengths), _lengths(o.target_lengths)
    probs, flat = o.log_probs, o.targets.flatten().tolist()
    found = []
    for n, (T, S) in enumerate(zip(frames, sizes, strict=True)):
        start = sum(sizes[:n]) if o.targets.ndim == 1 and probs.ndim == 3 else n * o.targets.shape[-1]
        own = (probs[:, n] if probs.ndim == 3 else probs)[:T]
        found.append(loss(own, flat[start : start + S], o.blank, zero))
    return torch.stack(found) if probs.ndim == 3 else found[0]


def _states(probs: Tensor, labels: list[int], blank: int, zero: float) -> Tensor:
    """The textbook's: α over the labels with a blank around each."""
    states = [blank, *(s for label in labels for s in (label, blank))]
    skips = torch.tensor([i > 1 and s not in (blank, states[i - 2]) for i, s in enumerate(states)])
    nothing = probs.new_full((2,), zero)
    emitted = probs[:, states]
    alpha = torch.cat([emitted[0, :2], probs.new_full((max(len(states) - 2, 0),), zero)])
    for frame in emitted[1:]:
        before = torch.cat([nothing, alpha])
        ways = torch.stack([before[2:], before[1:-1], torch.where(skips, before[:-2], zero)])
        alpha = ways.logsumexp(0) + frame
    return -alpha[-2:].logsumexp(0)


def _optax(probs: Tensor, labels: list[int], blank: int, zero: float) -> Tensor:
    """As optax does, by two rows, of blanks φ and of labels; `zero` is added to a move that is not allowed."""
    again = probs.new_tensor([float(a == b) for a, b in zip(labels, [*labels[1:], -1], strict=True)])
    phi = torch.cat([probs.new_zeros(1), probs.new_full((len(labels),), zero)])
    label = probs.new_full((len(labels),), zero)

    def raised(phi: Tensor, by: Tensor) -> Tensor:
        return torch.cat([phi[:1], torch.logaddexp(phi[1:], by)])

    for frame in probs:
        moved = raised(phi, label + zero * again)
        emitted = frame[labels]
        phi = raised(moved + frame[blank], label + frame[blank] + zero * (1 - again))
        label = torch.logaddexp(moved[:-1] + emitted, label + emitted)
    return -raised(phi, label)[-1]

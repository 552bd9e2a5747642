"""Conventions of rotary position embeddings: which features form a pair, their direction and their speed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from parity_tests.comparer.conventions.convention import By, Deviation, Options, convention, function
from parity_tests.comparer.conventions.recognition import equal, paired


def joined(z: Tensor, pairs: str) -> Tensor:
    parts = (z.real, z.imag)
    return torch.cat(parts, -1) if pairs == "halves" else torch.stack(parts, -1).flatten(-2)


@function("rotary")
def rotary(input: Tensor, pairs: str, turn: Tensor) -> Tensor:
    """`turn` is exp(i angle), one for each pair."""
    return joined(paired(input, pairs) * turn, pairs)


@convention("rotary")
def rotations(o: Options) -> Iterator[Deviation]:
    other = "neighbors" if o.pairs == "halves" else "halves"
    text = "with neighbors (2i, 2i + 1) as pairs (interleaved)" if other == "neighbors" else "with the halves as pairs"
    yield Deviation("rotary-pairs", f"{text}, not {o.pairs}", {"pairs": other})
    mixed = lambda o: joined(paired(o.input, o.pairs) * o.turn, other)  # noqa: E731
    yield Deviation("rotary-pairs", f"with pairs of {o.pairs}, written back as {other}", {"instead": mixed})
    text = "with the rotation in the other direction"
    yield Deviation("rotary-sign", text, {"turn": By(torch.conj)})
    yield Deviation("rotary-missing", "without the rotation", {"instead": lambda o: o.input * 1})
    yield Deviation("rotary-missing", "with the rotation applied twice", {"turn": By(lambda t: t * t)})
    yield from _bases(o)


def _bases(o: Options) -> Iterator[Deviation]:
    """The axis of positions is the one along which the angle grows; base^(-2i / d) follows from its first step."""
    half = o.turn.shape[-1]
    for axis in range(o.turn.ndim - 1):
        n = o.turn.shape[axis]
        if n < 2 or half < 2:
            continue
        step = o.turn.select(axis, 1) / o.turn.select(axis, 0)
        rates = torch.angle(step).abs().flatten(0, -2)[0] if step.ndim > 1 else torch.angle(step).abs()
        if not 0 < float(rates[1]) < float(rates[0]) < 3.14:
            continue
        shape = [1] * o.turn.ndim
        shape[axis] = n
        positions = torch.arange(n, dtype=torch.float64).view(shape)
        powers = torch.arange(half, dtype=torch.float64) / half
        base = float(rates[1]) ** (-half)
        turned = torch.exp(1j * positions * base**-powers).expand_as(o.turn)
        if not equal(turned.real, o.turn.real):
            continue
        for other in (10000.0, 500000.0, 1e6, 1000.0, 100.0):
            if abs(other / base - 1) > 1e-6:
                turn = torch.exp(1j * positions * other**-powers).expand_as(o.turn)
                yield Deviation("rotary-theta", f"with theta {other:g}, not {base:g}", {"turn": turn})
        shifted = torch.exp(1j * (positions + 1) * base**-powers).expand_as(o.turn)
        yield Deviation("position-shift", "with positions counted from 1", {"turn": shifted})
        wrong = torch.exp(1j * positions * base ** -(torch.arange(half, dtype=torch.float64) / (2 * half)))
        yield Deviation("rotary-theta", "with the exponent i / d, not 2i / d", {"turn": wrong.expand_as(o.turn)})
        return

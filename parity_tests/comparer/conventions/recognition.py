"""Functions that the reference computes itself, recognized by their values.

Whoever writes GELU, a softmax, RMSNorm or a rotary embedding by hand calls a chain of torch functions. Where a value on
the tape equals, in float64, what a known function gives for a value before it, the end of the chain is a site of that
function, and its conventions are tried there as if it had been called by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from parity_tests.comparer.conventions.activations import FORMS, OWN
from parity_tests.comparer.conventions.convention import Site
from parity_tests.comparer.conventions.normalization import ROOTS
from parity_tests.comparer.conventions.tape import Ref, Tape

DEPTH, BREADTH = 16, 48  # limits on the steps back and on the number of values
NEAR = 1e-9
FORM_NAMES = {form: name for name, form in OWN.items()} | {"ELU": "elu", "GELU in its tanh form": "gelu"}
ARITHMETIC = {
    "mul", "div", "truediv", "add", "sub", "where", "clamp", "maximum", "max", "relu", "exp", "log", "cat", "stack",
    "flatten", "reshape", "view", "view_as_real", "rsub", "rmul", "rdiv", "rtruediv", "rsqrt", "sqrt", "pow", "neg",
    "reciprocal", "std", "var", "norm", "softmax", "type_as", "to", "float", "addcmul", "logsumexp", "vector_norm",
}  # fmt: skip


def before(tape: Tape, index: int) -> list[int]:
    """The values from which a call's result was made, the nearest first."""
    found: dict[int, None] = {}
    front = list(tape.nodes[index].inputs())
    for _ in range(DEPTH):
        following: list[int] = []
        for value in front:
            if value not in found:
                found[value] = None
                if value in tape.producer:
                    following += tape.nodes[tape.producer[value]].inputs()
        front = following
        if len(found) > BREADTH:
            break
    return list(found)


def numbers_before(tape: Tape, index: int) -> set[float]:
    """The small constants in the chain: one of them is an epsilon."""
    nodes = {tape.producer[v] for v in before(tape, index) if v in tape.producer} | {index}
    found = {0.0}
    for i in nodes:
        node = tape.nodes[i]
        for value in (*node.args, *node.kwargs.values()):
            if isinstance(value, float) and 0 < value < 0.5:
                found.add(value)
    return found


def equal(a: Tensor, b: Tensor) -> bool:
    scale = float(b.abs().max()) if b.numel() else 0.0
    return a.shape == b.shape and bool(((a - b).abs().max() <= NEAR * max(scale, 1e-30)).all()) if b.numel() else False


def recognized(tape: Tape, index: int) -> Iterator[Site]:
    """The functions that end with this call, though it is not called by their name."""
    node = tape.nodes[index]
    if node.name not in ARITHMETIC or not isinstance(node.out, Ref):
        return
    y = tape.base[node.out.index].detach()
    if not y.is_floating_point() or not y.numel() or not bool(torch.isfinite(y).all()):
        return
    values = [(i, tape.base[i].detach()) for i in before(tape, index)]
    sources = [(i, x) for i, x in values if x.is_floating_point() and x.numel() and bool(torch.isfinite(x).all())]
    same = [(i, x) for i, x in sources if x.shape == y.shape]
    yield from _activation(tape, index, y, same)
    yield from _softmax(tape, index, y, [(i, x) for i, x in values if x.shape == y.shape])
    yield from _denominator(tape, index, y, sources)
    yield from _normalization(tape, index, y, same)
    yield from _rotary(tape, index, y, same)


def _activation(tape: Tape, index: int, y: Tensor, same: list[tuple[int, Tensor]]) -> Iterator[Site]:
    if tape.nodes[index].name in OWN:
        return
    sample = torch.linspace(0, y.numel() - 1, min(64, y.numel())).long()
    few = y.flatten()[sample]
    for i, x in same:
        xs = x.flatten()[sample]
        for form, f in FORMS.items():
            if form in FORM_NAMES and equal(f(xs), few) and not equal(xs, few) and equal(f(x), y):
                yield Site(tape, index, FORM_NAMES[form], {"input": Ref(i), **_defaults(form)})
                return


def _defaults(form: str) -> dict[str, Any]:
    more: dict[str, dict[str, Any]] = {
        "GELU": {"approximate": "none"}, "GELU in its tanh form": {"approximate": "tanh"}, "ELU": {"alpha": 1.0},
        "LeakyReLU": {"negative_slope": 0.01}, "Softplus": {"beta": 1.0, "threshold": 20.0},
        "Hardtanh": {"min_val": -1.0, "max_val": 1.0},
    }  # fmt: skip
    return more.get(form, {})


def _softmax(tape: Tape, index: int, y: Tensor, same: list[tuple[int, Tensor]]) -> Iterator[Site]:
    if tape.nodes[index].name == "softmax" or bool((y < 0).any()):
        return
    for dim in range(-1, -y.ndim - 1, -1):
        total = y.sum(dim)
        if y.shape[dim] > 1 and equal(total, torch.ones_like(total)):
            for i, x in reversed(same):  # the value before the maximum was subtracted, not after
                if x.is_floating_point() and equal(torch.softmax(x, dim), y):
                    yield Site(tape, index, "softmax", {"input": Ref(i), "dim": dim})
                    return


def reduced_axes(x: Tensor, s: Tensor) -> tuple[int, ...] | None:
    """The axes of x over which a statistic s of it was taken, if their shapes say so."""
    if s.ndim > x.ndim:
        return None
    own = (1,) * (x.ndim - s.ndim) + tuple(s.shape)
    axes = tuple(i for i, (n, m) in enumerate(zip(x.shape, own, strict=True)) if m == 1 and n > 1)
    return (
        axes
        if axes and all(m == n for i, (n, m) in enumerate(zip(x.shape, own, strict=True)) if i not in axes)
        else None
    )


def _denominator(tape: Tape, index: int, y: Tensor, sources: list[tuple[int, Tensor]]) -> Iterator[Site]:
    """sqrt(var + eps), its inverse, and their like."""
    if bool((y < 0).any()):
        return
    trials = numbers_before(tape, index)
    for i, x in sources:
        axes = reduced_axes(x, y)
        if axes is None:
            continue
        n = 1
        for axis in axes:
            n *= x.shape[axis]
        for center in (True, False):
            d = x - x.mean(axes, keepdim=True) if center else x
            v = (d * d).mean(axes, keepdim=True).view(y.shape)
            for root in ("inside", "outside", "unbiased", "unbiased-outside", "maximum", "sum"):
                for eps in trials:
                    s = ROOTS[root](v, eps, n)
                    for inverse in (True, False):
                        if equal(1 / s if inverse else s, y):
                            given = {"input": Ref(i), "axes": axes, "eps": eps, "root": root, "center": center}
                            yield Site(tape, index, "deviation", {**given, "inverse": inverse, "shape": tuple(y.shape)})
                            return


def _normalization(tape: Tape, index: int, y: Tensor, same: list[tuple[int, Tensor]]) -> Iterator[Site]:
    """X / rms(x), or (x - mean) / std over the last axis, without weights."""
    if tape.nodes[index].name not in ("mul", "div", "truediv") or not y.ndim:
        return
    trials = numbers_before(tape, index)
    for i, x in same:
        for center in (True, False):
            d = x - x.mean(-1, keepdim=True) if center else x
            v = (d * d).mean(-1, keepdim=True)
            for root in ("inside", "outside", "unbiased", "unbiased-outside"):
                for eps in trials:
                    if equal(d / ROOTS[root](v, eps, x.shape[-1]), y):
                        name = "layer_norm" if center else "rms_norm"
                        given = {"input": Ref(i), "normalized_shape": (x.shape[-1],), "weight": None, "bias": None}
                        yield Site(tape, index, name, {**given, "eps": eps, "root": root, "center": center})
                        return


# --- rotary embeddings ------------------------------------------------------------------------------------------------


def paired(x: Tensor, pairs: str) -> Tensor:
    """Pairs of features as complex numbers: the two halves, or neighbors."""
    if pairs == "halves":
        a, b = x.chunk(2, -1)
    else:
        a, b = x[..., ::2], x[..., 1::2]
    return torch.complex(a.contiguous(), b.contiguous())


def _rotary(tape: Tape, index: int, y: Tensor, same: list[tuple[int, Tensor]]) -> Iterator[Site]:
    if y.ndim < 2 or y.shape[-1] % 2:
        return
    for i, x in same:
        for pairs in ("halves", "neighbors"):
            a, b = paired(x, pairs), paired(y, pairs)
            if bool((a.abs() < 1e-12).any()) or not equal(b.abs(), a.abs()):
                continue
            turn = b / a
            if bool((turn.imag.abs() < 1e-9).all()) or equal(turn.real, turn.real.flatten()[0].expand_as(turn.real)):
                continue
            yield Site(tape, index, "rotary", {"input": Ref(i), "pairs": pairs, "turn": turn})
            return

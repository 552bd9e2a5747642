"""Conventions of the code around layers: constants, masks, order of parts, repeated and reshaped heads, residuals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from parity_tests.comparer.conventions.convention import By, Deviation, Options, convention, function

LOWEST = torch.finfo(torch.float32).min


@function("tril", "triu")
def triangle(input: Tensor, diagonal: int = 0) -> Tensor:
    raise NotImplementedError


@convention("tril", "triu")
def triangles(o: Options) -> Iterator[Deviation]:
    own, other = (torch.tril, torch.triu) if o.function == "tril" else (torch.triu, torch.tril)
    for shift in (1, -1):
        text = f"with the causal mask's diagonal off by {shift:+d}"
        changed = lambda o, s=shift: own(o.input, o.diagonal + s)  # noqa: E731
        yield Deviation("causal-diagonal", text, {"instead": changed})
    text = "with the causal mask inverted: the other triangle"
    for diagonal in (-1, 0, 1):
        yield Deviation("mask-polarity", text, {"instead": lambda o, d=diagonal: other(o.input, d)})
    for value, text in ((0, "hides everything or nothing"), (1, "hides nothing or everything")):
        said = f"without the causal mask: the triangle {text}"
        yield Deviation("causal-mask", said, {"instead": lambda o, v=value: torch.full_like(o.input, v)})


@function("masked_fill")
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    return input.masked_fill(mask, value)


@convention("masked_fill")
def fillings(o: Options) -> Iterator[Deviation]:
    yield Deviation("mask-polarity", "with the mask inverted", {"mask": By(lambda m: ~m)})
    yield Deviation("mask-missing", "without the mask", {"instead": lambda o: o.input * 1})
    if isinstance(o.value, int | float) and o.value < -1e30 and bool(o.mask.expand_as(o.input).all(-1).any()):
        text = "with masked rows of its own: a large finite number for -inf, the mean of the values"
        yield Deviation("masked-rows", text, {"instead": _uniform_rows})
    if isinstance(o.value, int | float) and o.value < -100:
        yield Deviation("mask-value", "with 0, not -inf, for the scores that the mask hides", {"value": 0.0})
        yield Deviation("mask-value", "with +inf, not -inf, for the scores that the mask hides", {"value": math.inf})


def _uniform_rows(o: Options) -> Tensor:
    """Scores that a softmax makes equal where everything is hidden."""
    dead = o.mask.expand_as(o.input).all(-1, keepdim=True)
    return torch.where(dead, 0.0, o.input.masked_fill(o.mask, o.value))


@function("where")
def where(input: Tensor, x: Any = None, y: Any = None) -> Tensor:
    return torch.where(input, x, y)


@convention("where")
def choices(o: Options) -> Iterator[Deviation]:
    yield Deviation("mask-polarity", "with the condition inverted", {"input": By(lambda m: ~m)})


# --- numbers ----------------------------------------------------------------------------------------------------------


@function("mul", "div", "truediv", "true_divide", "multiply", "divide", "rmul")
def product(input: Any, other: Any) -> Any:
    raise NotImplementedError


@convention("mul", "div", "truediv", "true_divide", "multiply", "divide", "rmul")
def factors(o: Options) -> Iterator[Deviation]:
    """A number that a tensor is multiplied or divided by."""
    x, c = (o.input, o.other) if isinstance(o.input, Tensor) else (o.other, o.input)
    number = isinstance(c, int | float) and not isinstance(c, bool)
    if not (isinstance(x, Tensor) and number and c and math.isfinite(c) and x.is_floating_point()):
        return
    divided = "mul" not in o.function
    factor = 1 / c if divided else c
    by = lambda f: {"instead": lambda o: (o.input if isinstance(o.input, Tensor) else o.other) * f}  # noqa: E731
    said = f"the {'divisor' if divided else 'factor'} {c:.6g}"
    name = "attention-scale" if _is_root(c) and o.follows & {"softmax", "matmul"} else "constant"
    yield Deviation(name, f"without {said}", by(1.0))
    yield Deviation(name, f"with {said} squared", by(factor * factor))
    turned = f"{'divisor' if divided else 'factor'} {1 / c:.6g}"
    yield Deviation(name, f"with the {turned}, not {c:.6g}", by(1 / factor))
    yield Deviation(name, f"with the root of {said}", by(math.copysign(abs(factor) ** 0.5, factor)))


def _is_root(c: float) -> bool:
    """sqrt(n) or 1 / sqrt(n) of a whole n, as a scale of scores."""
    return any(n >= 2 and math.isclose(n, round(n), rel_tol=1e-6) for n in (c * c, 1 / (c * c)))


@function("pow", "rpow")
def power(input: Any, exponent: Any) -> Any:
    raise NotImplementedError


@convention("pow", "rpow")
def bases(o: Options) -> Iterator[Deviation]:
    """A number to the power of a tensor, such as 10000^(2i / d)."""
    base, exponent = (o.exponent, o.input) if o.function == "rpow" else (o.input, o.exponent)
    if isinstance(base, int | float) and isinstance(exponent, Tensor) and base > 1:
        for other in (10000.0, 500000.0, 1e6, 1000.0, 100.0, 2 * math.pi):
            if other != base:
                text = f"with the base {other:g} (theta), not {base:g}"
                instead = lambda o, b=other: b ** (o.input if o.function == "rpow" else o.exponent)  # noqa: E731
                yield Deviation("rotary-theta", text, {"instead": instead})


@function("mean", "sum")
def reduced(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    raise NotImplementedError


@convention("mean", "sum")
def reductions(o: Options) -> Iterator[Deviation]:
    own, other = (torch.mean, torch.sum) if o.function == "mean" else (torch.sum, torch.mean)
    if not o.input.is_floating_point():
        return
    text = "with the sum, not the mean" if own is torch.mean else "with the mean, not the sum"
    yield Deviation("reduction", text, {"instead": lambda o: other(o.input, o.dim, keepdim=o.keepdim)})
    for dim in range(o.input.ndim) if isinstance(o.dim, int) else ():
        if dim != o.dim % o.input.ndim:
            text = f"with the {o.function} over axis {dim}"
            changed = lambda o, d=dim: own(o.input, d, keepdim=o.keepdim)  # noqa: E731
            yield Deviation("reduction-axis", text, {"instead": changed})
    if isinstance(o.dim, int) and not o.keepdim:
        text = f"with the largest value, not the {o.function}"
        if bool((o.input.amax(o.dim) == 1).all()):  # of a mask, an adjacency matrix, one-hot vectors
            text = f"with 1 in the place of the {o.function}"
        yield Deviation("pool-kind", text, {"instead": lambda o: o.input.amax(o.dim, keepdim=o.keepdim)})
        first = lambda o: o.input.select(o.dim, 0)  # noqa: E731
        yield Deviation("pool-kind", f"with the first position alone, not the {o.function}", {"instead": first})
        last = lambda o: o.input.select(o.dim, -1)  # noqa: E731
        yield Deviation("pool-kind", f"with the last position alone, not the {o.function}", {"instead": last})


# --- order and shape --------------------------------------------------------------------------------------------------


@function("chunk", "split", "unbind", "tensor_split", "split_with_sizes")
def parts(input: Tensor, sections: Any = None, dim: int = 0) -> Any:
    raise NotImplementedError


@convention("chunk", "split", "tensor_split", "split_with_sizes")
def orders(o: Options) -> Iterator[Deviation]:
    cut = getattr(torch, o.function)
    count = len(cut(o.input, o.sections, o.dim))
    forms = {2: ((1, 0),), 3: ((1, 0, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0), (2, 0, 1))}
    for order in forms.get(count, (tuple(range(count))[::-1],) if count == 4 else ()):
        text = f"with the parts in the order {', '.join(map(str, order))}"
        pick = By(lambda out, order=order: [out[i] for i in order])
        changes = {"instead": lambda o: cut(o.input, o.sections, o.dim), "output": pick}
        yield Deviation("part-order", text, changes)
    n = o.input.shape[o.dim]
    if count > 1 and n % count == 0:

        def interleaved(o: Options) -> Any:
            return o.input.unflatten(o.dim, (n // count, count)).unbind(o.dim if o.dim < 0 else o.dim + 1)

        yield Deviation("part-order", "with the parts interleaved", {"instead": interleaved})


@function("cat", "concat", "stack", "hstack", "vstack")
def joined(tensors: Any, dim: int = 0) -> Tensor:
    raise NotImplementedError


@convention("cat", "concat", "stack")
def joins(o: Options) -> Iterator[Deviation]:
    join = torch.stack if o.function == "stack" else torch.cat
    if len(o.tensors) > 1:
        text = "with the parts joined in the reverse order"
        yield Deviation("concat-order", text, {"instead": lambda o: join(list(o.tensors)[::-1], o.dim)})
    if join is torch.stack and o.dim % (o.tensors[0].ndim + 1) == o.tensors[0].ndim > 0:
        text = "with the parts one after the other, not interleaved"
        apart = lambda o: torch.cat(list(o.tensors), -1).unflatten(-1, (-1, len(o.tensors)))  # noqa: E731
        yield Deviation("concat-order", text, {"instead": apart})
    if join is torch.cat and len({x.shape for x in o.tensors}) == 1 < len(o.tensors):
        text = "with the parts interleaved, not one after the other"
        mixed = lambda o: torch.stack(list(o.tensors), o.dim % o.tensors[0].ndim + 1).flatten(  # noqa: E731
            o.dim % o.tensors[0].ndim, o.dim % o.tensors[0].ndim + 1)  # fmt: skip
        yield Deviation("concat-order", text, {"instead": mixed})


@function("repeat_interleave")
def repeated(input: Tensor, repeats: Any, dim: Any = None, output_size: Any = None) -> Tensor:
    raise NotImplementedError


@convention("repeat_interleave")
def repeats(o: Options) -> Iterator[Deviation]:
    if isinstance(o.repeats, int) and o.dim is not None:
        text = "with the whole tiled, not each repeated (repeat for repeat_interleave)"
        yield Deviation("head-repeat", text, {"instead": lambda o: torch.cat([o.input] * o.repeats, o.dim)})


@function("repeat", "tile")
def tiled(input: Tensor, *repeats: Any) -> Tensor:
    raise NotImplementedError


@convention("repeat", "tile")
def tiles(o: Options) -> Iterator[Deviation]:
    counts = o.repeats[0] if len(o.repeats) == 1 and not isinstance(o.repeats[0], int) else o.repeats
    axes = [i for i, c in enumerate(counts) if c > 1]
    if len(axes) == 1 and len(counts) == o.input.ndim:
        text = "with each repeated, not the whole tiled (repeat_interleave for repeat)"
        each = lambda o: o.input.repeat_interleave(counts[axes[0]], axes[0])  # noqa: E731
        yield Deviation("head-repeat", text, {"instead": each})


@function("arange")
def counted(*ends: Any, start: Any = None, end: Any = None, step: Any = None) -> Tensor:
    raise NotImplementedError


@function("flip", "roll", "fliplr", "flipud")
def moved(input: Tensor, *rest: Any, **more: Any) -> Tensor:
    raise NotImplementedError


@convention("flip", "roll", "fliplr", "flipud")
def moves(o: Options) -> Iterator[Deviation]:
    yield Deviation("flip", f"without the {o.function}", {"instead": lambda o: o.input * 1})
    if o.function == "roll" and "rest" in o and o.rest:
        back = lambda o: torch.roll(o.input, -o.rest[0], *o.rest[1:], **o.more)  # noqa: E731
        yield Deviation("roll-direction", "with the roll in the other direction", {"instead": back})


@function("flatten")
def flat(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    return input.flatten(start_dim, end_dim)


@convention("flatten")
def flattenings(o: Options) -> Iterator[Deviation]:
    if o.input.ndim < 3:
        return
    last = lambda x: x.movedim(1, -1).reshape(x.shape)  # noqa: E731
    reverse = lambda x: x.permute(0, *range(x.ndim - 1, 0, -1)).reshape(x.shape)  # noqa: E731
    text = "with channels last (N, ..., C) before flattening"
    yield Deviation("channel-order", text, {"input": By(last)})
    yield Deviation("channel-order", "with the dimensions in reverse (Fortran) order", {"input": By(reverse)})


@function("cumsum")
def running(input: Tensor, dim: int = 0) -> Tensor:
    return input.cumsum(dim)


@convention("cumsum")
def sums(o: Options) -> Iterator[Deviation]:
    text = "with the sum of what came before alone (exclusive)"
    yield Deviation("cumsum-exclusive", text, {"instead": lambda o: o.input.cumsum(o.dim) - o.input})


@convention("arange")
def positions(o: Options) -> Iterator[Deviation]:
    ends = [e for e in (*o.ends, o.start, o.end, o.step) if e is not None]
    if not all(isinstance(e, int | float) for e in ends):
        return
    first = o.ends[0] if len(o.ends) > 1 else o.start or 0
    stop = o.ends[1] if len(o.ends) > 1 else o.ends[0] if o.ends else o.end
    pace = o.ends[2] if len(o.ends) > 2 else o.step or 1
    for shift in (1, -1):
        text = f"with positions counted from {first + shift:g}"
        instead = lambda o, s=shift: torch.arange(first, stop, pace) + s  # noqa: E731
        yield Deviation("position-shift", text, {"instead": instead})

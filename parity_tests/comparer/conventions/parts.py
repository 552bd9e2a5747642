"""Sites of the code that joins layers: residuals, gates, heads that are split and joined, places that are picked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from parity_tests.comparer.conventions.activations import OWN
from parity_tests.comparer.conventions.convention import Deviation, Options, Site, convention, function
from parity_tests.comparer.conventions.tape import Node, Ref, Tape, exactly

SUMS = ("add", "radd")
RESIDUALS = 8  # the number of other tensors of the same shape that are tried as the residual
SHAPED = ("reshape", "view", "flatten", "contiguous", "unflatten", "_unsafe_view")


def joints(tape: Tape, index: int) -> Iterator[Site]:
    node = tape.nodes[index]
    if node.name in SUMS and isinstance(node.out, Ref):
        yield from _residual(tape, index, node)
    elif node.name in OWN:
        yield from _activated(tape, index, node)
    elif node.name in ("mul", "multiply") and isinstance(node.out, Ref):
        yield from _gated(tape, index, node)
    elif node.name in SHAPED and isinstance(node.out, Ref):
        yield from _joined(tape, index, node)
    elif node.name in ("transpose", "permute", "movedim") and isinstance(node.out, Ref):
        yield from _split(tape, index, node)
    elif node.name == "getitem" and len(node.args) == 2:
        yield Site(tape, index, "getitem", {"input": node.args[0], "place": node.args[1]})


def _residual(tape: Tape, index: int, node: Node) -> Iterator[Site]:
    operands = [x for x in node.args if isinstance(x, Ref)]
    shape = tape.base[node.out.index].shape
    if len(operands) != 2 or any(tape.base[x.index].shape != shape for x in operands):
        if len(operands) == 2 and shape and tape.base[node.out.index].is_floating_point():
            yield Site(tape, index, "broadcast", {"a": operands[0], "b": operands[1], "size": shape[-1]})
        return
    others: list[Ref] = []
    texts: list[str] = []
    for i in range(len(tape.base) - 1, -1, -1):
        value = tape.base.get(i)
        if value is None or value.shape != shape or not value.is_floating_point() or Ref(i) in operands:
            continue
        if i in tape.labels or tape.producer.get(i, index) < index:
            others.append(Ref(i))
            texts.append(tape.labels.get(i) or f"the result of {tape.nodes[tape.producer[i]].name}")
        if len(others) == RESIDUALS:
            break
    makers = [tape.producer.get(x.index) for x in operands]
    made = any(i is not None and not list(tape.nodes[i].inputs()) for i in makers)  # of nothing, as eye(n) is
    plain = len(shape) < 2 or made
    given = {"a": operands[0], "b": operands[1], "others": others, "texts": texts, "plain": plain}
    yield Site(tape, index, "residual", given)


@function("residual")
def residual(a: Tensor, b: Tensor, others: Any, texts: Any, plain: bool) -> Tensor:
    return a + b


@convention("residual")
def residuals(o: Options) -> Iterator[Deviation]:
    """A sum of two; `plain` where it is no residual, as of two losses or with a constant."""
    parts = "with the second part of the sum alone", "with the first part of the sum alone"
    second, first = parts if o.plain else ("without the residual", "with the residual alone")
    yield Deviation("residual-missing", second, {"instead": lambda o: o.b * 1})
    yield Deviation("residual-missing", first, {"instead": lambda o: o.a * 1})
    for i, text in enumerate(o.texts):
        said = f"with the residual from {text}"
        yield Deviation("residual", said, {"instead": lambda o, i=i: o.others[i] + o.b})
        yield Deviation("residual", said, {"instead": lambda o, i=i: o.a + o.others[i]})
    for share in (0.5, 2**-0.5):
        text = f"with the sum times {share:.3g}"
        yield Deviation("residual-scale", text, {"instead": lambda o, s=share: (o.a + o.b) * s})
    yield Deviation("residual-sign", "with one part subtracted", {"instead": lambda o: o.a - o.b})
    yield Deviation("residual-sign", "with one part subtracted", {"instead": lambda o: o.b - o.a})
    yield Deviation("residual-product", "with the product in place of the sum", {"instead": lambda o: o.a * o.b})


@function("broadcast")
def broadcast(a: Tensor, b: Tensor, size: int) -> Tensor:
    return a + b


@convention("broadcast")
def scales(o: Options) -> Iterator[Deviation]:
    """A sum of an embedding and positions, one of them at another scale."""
    for factor, text in ((o.size**0.5, "times"), (o.size**-0.5, "divided by")):
        said = f"with one part of the sum {text} sqrt({o.size})"
        yield Deviation("part-scale", said, {"instead": lambda o, f=factor: o.a * f + o.b})
        yield Deviation("part-scale", said, {"instead": lambda o, f=factor: o.a + o.b * f})


def _activated(tape: Tape, index: int, node: Node) -> Iterator[Site]:
    """act(a + b)."""
    maker = tape.producer.get(node.args[0].index) if node.args and isinstance(node.args[0], Ref) else None
    if maker is None or tape.nodes[maker].name not in SUMS:
        return
    operands = [x for x in tape.nodes[maker].args if isinstance(x, Ref)]
    if len(operands) == 2:
        form = lambda x, act=node: exactly(act)(x, *act.args[1:], **act.kwargs)  # noqa: E731
        yield Site(tape, index, "activated", {"a": operands[0], "b": operands[1], "form": form})


@function("activated")
def activated(a: Tensor, b: Tensor, form: Any) -> Tensor:
    return form(a + b)


@convention("activated")
def activations(o: Options) -> Iterator[Deviation]:
    text = "with the activation of one part before the sum, not of the sum"
    yield Deviation("activation-place", text, {"instead": lambda o: o.form(o.a) + o.b})
    yield Deviation("activation-place", text, {"instead": lambda o: o.a + o.form(o.b)})


def _gated(tape: Tape, index: int, node: Node) -> Iterator[Site]:
    """act(gate) * up."""
    operands = [x for x in node.args if isinstance(x, Ref)]
    for gated, up in (operands, operands[::-1]) if len(operands) == 2 else ():
        maker = tape.producer.get(gated.index)
        if maker is None or tape.nodes[maker].name not in OWN or not tape.nodes[maker].args:
            continue
        act = tape.nodes[maker]
        gate = act.args[0]
        if isinstance(gate, Ref) and gate != up and tape.base[gate.index].shape == tape.base[up.index].shape:
            form = lambda x, act=act: exactly(act)(x, *act.args[1:], **act.kwargs)  # noqa: E731
            yield Site(tape, index, "gated", {"gate": gate, "up": up, "form": form})


@function("gated")
def gated(gate: Tensor, up: Tensor, form: Any) -> Tensor:
    return form(gate) * up


@convention("gated")
def gates(o: Options) -> Iterator[Deviation]:
    text = "with gate and up exchanged: the other part goes through the activation"
    yield Deviation("gate-exchanged", text, {"instead": lambda o: o.form(o.up) * o.gate})
    yield Deviation(
        "gate-missing", "with the activation over the product", {"instead": lambda o: o.form(o.up * o.gate)}
    )
    yield Deviation("gate-missing", "without the activation of the gate", {"instead": lambda o: o.up * o.gate})
    yield Deviation("gate-missing", "without the gate", {"instead": lambda o: o.up * 1})


# --- heads ------------------------------------------------------------------------------------------------------------


def _source(tape: Tape, ref: Any, names: tuple[str, ...]) -> tuple[int, Node] | None:
    """The call of one of these names that made a value, skipping calls that move nothing."""
    while isinstance(ref, Ref) and ref.index in tape.producer:
        i = tape.producer[ref.index]
        node = tape.nodes[i]
        if node.name in names:
            return i, node
        if node.name not in ("contiguous", "clone", "to", "type_as", "float"):
            return None
        ref = node.args[0]
    return None


def _joined(tape: Tape, index: int, node: Node) -> Iterator[Site]:
    """What is transposed and then reshaped: heads put together, groups of channels, patches."""
    moved = _source(tape, node.args[0], ("transpose", "permute", "movedim", "swapaxes"))
    if moved is not None and isinstance(moved[1].args[0], Ref):
        shape = tuple(tape.base[node.out.index].shape)
        given = {"moved": node.args[0], "input": moved[1].args[0], "shape": shape}
        yield Site(tape, index, "joined", given)
    copied = _source(tape, node.args[0], ("expand", "expand_as", "broadcast_to"))
    if copied is not None:
        x, y = tape.base[node.args[0].index], tape.base[node.out.index]
        for axis in range(x.ndim - 1):
            grown = (*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])
            if grown == tuple(y.shape) and x.shape[axis] > 1 and x.shape[axis + 1] > 1:
                yield Site(tape, index, "grown", {"input": node.args[0], "axis": axis, "shape": grown})


@function("joined")
def joined(moved: Tensor, input: Tensor, shape: Any) -> Tensor:
    return moved.reshape(shape)


@convention("joined")
def joins(o: Options) -> Iterator[Deviation]:
    whole = o.moved.ndim != 4
    text = "without the transpose" if whole else "with the heads not transposed back before they are joined"
    yield Deviation("heads-not-transposed", text, {"instead": lambda o: o.input.reshape(o.shape)})
    if o.moved.ndim == 4:
        text = "with the heads interleaved when they are joined: feature i belongs to head i mod H"
        mixed = lambda o: o.moved.transpose(-1, -2).reshape(o.shape)  # noqa: E731
        yield Deviation("heads-interleaved", text, {"instead": mixed})


@function("grown")
def grown(input: Tensor, axis: int, shape: Any) -> Tensor:
    return input.reshape(shape)


@convention("grown")
def growths(o: Options) -> Iterator[Deviation]:
    text = "with the whole tiled, not each repeated (repeat for repeat_interleave)"
    other = lambda o: o.input.transpose(o.axis, o.axis + 1).reshape(o.shape)  # noqa: E731
    yield Deviation("head-repeat", text, {"instead": other})


def _split(tape: Tape, index: int, node: Node) -> Iterator[Site]:
    """(..., L, H d) read as (..., L, H, d) and then transposed."""
    shaped = _source(tape, node.args[0], SHAPED)
    if shaped is None or not isinstance(shaped[1].args[0], Ref):
        return
    whole, parts = tape.base[shaped[1].args[0].index], tape.base[node.args[0].index]
    y = tape.base[node.out.index]
    if parts.ndim == whole.ndim + 1 and parts.shape[:-2] == whole.shape[:-1]:
        move = lambda x, node=node: exactly(node)(x, *node.args[1:], **node.kwargs)  # noqa: E731
        given = {"whole": shaped[1].args[0], "parts": tuple(parts.shape), "shape": tuple(y.shape), "move": move}
        yield Site(tape, index, "heads", given)


@function("heads")
def heads(whole: Tensor, parts: Any, shape: Any, move: Any) -> Tensor:
    return move(whole.reshape(parts))


@convention("heads")
def splits(o: Options) -> Iterator[Deviation]:
    text = "with the heads interleaved: feature i belongs to head i mod H"
    *lead, H, d = o.parts
    mixed = lambda o: o.move(o.whole.reshape(*lead, d, H).transpose(-1, -2))  # noqa: E731
    yield Deviation("heads-interleaved", text, {"instead": mixed})
    text = "with the features read as heads without the transpose"
    yield Deviation("heads-not-transposed", text, {"instead": lambda o: o.whole.reshape(o.shape)})


# --- places -----------------------------------------------------------------------------------------------------------


@function("getitem")
def getitem(input: Tensor, place: Any) -> Tensor:
    return input[place]


@convention("getitem")
def places(o: Options) -> Iterator[Deviation]:
    place = o.place if isinstance(o.place, tuple) else (o.place,)
    other = {-1: (0, -2), 0: (-1, 1)}
    for i, part in enumerate(place):
        if isinstance(part, int) and not isinstance(part, bool):
            for another in other.get(part, (part + 1, part - 1)):
                text = f"with position {another} picked, not {part}"
                yield Deviation("position", text, {"place": (*place[:i], another, *place[i + 1 :])})
        elif isinstance(part, slice) and part.step in (None, 1):
            a, b = part.start, part.stop
            if (a, b) == (None, -1):
                yield Deviation(
                    "slice", "with [1:], not [:-1]", {"place": (*place[:i], slice(1, None), *place[i + 1 :])}
                )
            elif (a, b) == (1, None):
                yield Deviation(
                    "slice", "with [:-1], not [1:]", {"place": (*place[:i], slice(None, -1), *place[i + 1 :])}
                )

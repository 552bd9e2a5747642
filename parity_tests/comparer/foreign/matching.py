"""Which layer of a foreign model is which of the right's, and the map of its parameters, without anything by hand.

A side of another framework lists its layers as pieces: a layer's name, the torch classes that it may be, and for each
of its parameters the ways in which torch may store it. A piece goes with the right's layer of its own name, or else
with the first that is free and whose names, kind and shapes fit: within layers of one kind and shape, both sides count
in the order of calls. What fits nowhere goes with a layer of its name or kind, and its shape is then a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from parity_tests.comparer.foreign.implied import Implied
from parity_tests.comparer.moves import Link
from parity_tests.comparer.side import Given, Side
from parity_tests.comparer.trace import Order
from parity_tests.comparer.values import Numbers

Way = tuple[tuple[str, ...], tuple[str, ...]]  # torch's names within the layer, and the moves from them to its own
Found = list[tuple[str, tuple[str, ...], tuple[str, ...]]]  # its own name, the right's names, and the moves
BUILT_IN = ("torch.nn.", "scratch.nn.")
IN_OUT = ("Conv1D",)  # transformers' linear layer of GPT-2, which stores its weight as (in, out)
RECURRENT = ("LSTM", "GRU", "RNN")  # which hold several layers and directions, each with parameters of its own
NORMS = ("LayerNorm", "GroupNorm", "RMSNorm", *(f"{kind}Norm{n}d" for kind in ("Batch", "Instance") for n in (1, 2, 3)))


@dataclass(frozen=True)
class Piece:
    """One layer of a foreign side.

    name        its dotted name on its side
    kinds       the classes of torch.nn that it may be; a class of the user's own may always be it
    parameters  its own parameters and buffers, the most telling first, each with torch's ways to store it
    parts       the layers that it is made of, for a right side that has no layer for all of it
    layer       the layer that is called as torch's is: a loop over steps, around its cell; empty if there is none
    """

    name: str
    kinds: tuple[str, ...]
    parameters: dict[str, list[Way]] = field(default_factory=dict)
    parts: tuple[Piece, ...] = ()
    layer: str | None = None

    @property
    def called(self) -> str:
        return self.name if self.layer is None else self.layer

    @property
    def names(self) -> tuple[str, ...]:
        """Those by which a layer of the right may be the same."""
        return (self.layer, self.name) if self.layer else (self.name,)


class Place(NamedTuple):
    """A layer of the right; of a recurrent one, a layer and direction within it, such as _l0_reverse."""

    layer: str
    suffix: str = ""
    alone: bool = True  # whether it is all of the layer


def implied(side: Side, pieces: Sequence[Piece], other: Side, given: Given) -> Implied:
    """The map of a foreign side's pieces to another side; the order of the calls is a help, no condition."""
    state = side.state()
    made = [piece for piece in pieces if not piece.parameters or any(own in state for own in piece.parameters)]
    ours = _in_order(made, lambda piece: piece.names, _calls(side, given))
    layers = _in_order(other.modules, lambda name: (name,), _calls(other, given))
    return matched(ours, state, other.state(), {name: other.modules[name] for name in layers})


def matched(pieces: Sequence[Piece], ours: Numbers, theirs: Numbers, layers: dict[str, Any]) -> Implied:
    """`ours` and `theirs` are the parameters and buffers of both sides, `layers` the right's layers by name."""
    return _Matching(ours, theirs, layers).run(pieces)


def _calls(side: Side, given: Given) -> dict[str, int]:
    """The first call of each layer, counted."""
    order = Order()
    with suppress(Exception):
        side.run(given, None, False, 0, None, order)
    return {name: i for i, (name, _) in reversed([*enumerate(order.calls)])}


def _in_order(items: Iterable[Any], names: Any, first: dict[str, int]) -> list[Any]:
    """Sorted by their first calls; what is not seen stays behind what it follows."""
    keys: list[int] = []
    for item in items:
        known = [first[name] for name in names(item) if name in first]
        keys.append(known[0] if known else keys[-1] if keys else -1)
    return [item for _, item in sorted(zip(keys, items, strict=True), key=lambda pair: pair[0])]


class _Matching:
    def __init__(self, ours: Numbers, theirs: Numbers, layers: dict[str, Any]) -> None:
        self.ours, self.theirs, self.layers = ours, theirs, layers
        self.free = [place for layer in layers for place in self._places(layer)]
        self.taken: set[str] = set()  # names of the right's parameters
        self.where: dict[str, str] = {}  # the right's layer of each piece
        self.found = Implied()

    def _places(self, layer: str) -> list[Place]:
        if not _is_a(self.layers[layer], RECURRENT):
            return [Place(layer)]
        dot = f"{layer}." if layer else ""
        found = [name.removeprefix(f"{dot}weight_ih") for name in self.theirs if name.startswith(f"{dot}weight_ih")]
        return [Place(layer, suffix, len(found) == 1) for suffix in found]

    def run(self, pieces: Sequence[Piece]) -> Implied:
        known = [p for p in pieces if any(self._take(p, place) for place in self._named(p))]
        by_order: list[str] = []
        lost: list[Piece] = []
        for piece in (piece for piece in pieces if piece not in known):
            by_order += self._next(piece, lost)
        for piece in lost:
            self._misfit(piece)
        if by_order:
            self.found.notes.append(f"layers were paired by kind, shape and order: {', '.join(by_order)}")
        return self.found

    def _named(self, piece: Piece) -> list[Place]:
        return [place for place in self.free if place.layer in piece.names]

    def _next(self, piece: Piece, lost: list[Piece]) -> Iterator[str]:
        """The first free place that fits; where none does, its parts are tried one by one."""
        if piece.parameters and piece.parameters.keys() <= self.found.entries.keys():
            return  # a part of a layer that is paired
        place = next((place for place in self.free if self._take(piece, place)), None)
        if place is not None:
            if place.layer not in piece.names:
                yield f"{piece.called or piece.name} → {place.layer or 'the whole'}"
            return
        for part in piece.parts:
            yield from self._next(part, lost)
        around = {self.where.get(part.name, "") for part in piece.parts}
        if len(around) == 1 and (layer := around.pop()) and len(self._places(layer)) == len(piece.parts):
            self.found.layers |= {piece.name: layer} if piece.name != layer else {}
        if piece.parameters and not piece.parts:
            lost.append(piece)

    def _take(self, piece: Piece, place: Place) -> bool:
        if not self._kind_fits(piece, place.layer):
            return False
        entries = self._fit(piece, place)
        if entries is not None:
            self._keep(piece, place, entries)
        return entries is not None

    def _keep(self, piece: Piece, place: Place, entries: Found) -> None:
        self.free.remove(place)
        self.where[piece.name] = place.layer
        self.taken |= {name for _, names, _ in entries for name in names}
        for own, names, moves in entries:
            self.found.entries[own] = (*names, *moves)
        if piece.called and piece.called != place.layer and place.alone:
            self.found.layers[piece.called] = place.layer
        if piece.called != piece.name:
            self.found.hidden.add(piece.name)

    def _kind_fits(self, piece: Piece, layer: str) -> bool:
        kind = type(self.layers[layer])
        known = f"{kind.__module__}.".startswith(BUILT_IN) or hasattr(torch.nn, kind.__name__)
        return _is_a(self.layers[layer], piece.kinds) or (bool(piece.parameters) and not known)

    def _fit(self, piece: Piece, place: Place) -> Found | None:
        """Each of its own parameters with the right's names and the moves; None if the first one does not fit."""
        found: Found = []
        for own, ways in piece.parameters.items():
            fitting = next((way for way in self._ways(ways, place) if self._shapes_fit(own, *way)), None)
            if fitting is not None:
                found.append((own, *fitting))
            elif not found:
                return None
        return found

    def _misfit(self, piece: Piece) -> None:
        """A layer of its name or kind, whose parameters have other shapes; of a normalization, another one."""
        kinds = (*piece.kinds, *NORMS) if set(piece.kinds) & set(NORMS) else piece.kinds
        places = [place for place in self.free if _is_a(self.layers[place.layer], kinds)]
        place = next(iter([p for p in places if p in self._named(piece)] or places), None)
        if place is not None:
            entries: Found = []
            for own, ways in piece.parameters.items():
                ways = [way for way in self._ways(ways, place) if self._exist(own, way[0])]
                fitting = [way for way in ways if self._shapes_fit(own, *way)] or ways
                entries += [(own, *fitting[0])] if fitting else []
            self._keep(piece, place, entries)

    def _ways(self, ways: list[Way], place: Place) -> Iterator[Way]:
        """With the right's full names; a layer that stores (in, out) itself needs no transpose."""
        turned = _is_a(self.layers[place.layer], IN_OUT)
        for names, moves in ways:
            own = tuple(f"{place.layer}.{name}{place.suffix}".lstrip(".") for name in names)
            yield own, tuple(move for move in moves if not (turned and move == "transpose"))

    def _exist(self, own: str, others: tuple[str, ...]) -> bool:
        return own in self.ours and all(name in self.theirs and name not in self.taken for name in others)

    def _shapes_fit(self, own: str, others: tuple[str, ...], moves: tuple[str, ...]) -> bool:
        if not self._exist(own, others):
            return False
        shapes = [tuple(self.theirs[name].shape) for name in others]
        link = Link(own, others, moves, shapes, tuple(self.ours[own].shape))
        return link.result_shape() == link.shape


def _is_a(module: Any, kinds: tuple[str, ...]) -> bool:
    """By the names of its classes, up to the first of torch.nn or scratch.nn."""
    for kind in type(module).__mro__:
        if kind.__name__ in kinds:
            return True
        if f"{kind.__module__}.".startswith(BUILT_IN):
            return False
    return False

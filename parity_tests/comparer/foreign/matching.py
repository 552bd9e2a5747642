"""Which layer of a foreign model is which of the right's, and the map of its parameters, without anything by hand.

A side of another framework lists its layers as pieces: a layer's name, the torch classes that it may be, and for each
of its parameters the ways in which torch may store it. A piece goes with the right's layer of its own name, or else
with the first layer that is free and whose names, kind and shapes fit: within layers of one kind and shape, both sides
count in the same order. Nothing is guessed where nothing fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from parity_tests.comparer.foreign.maps import Implied
from parity_tests.comparer.moves import Link
from parity_tests.comparer.values import Numbers

Way = tuple[tuple[str, ...], tuple[str, ...]]  # torch's names within the layer, and the moves from them to its own
Entry = tuple[str, ...]  # the right's names, then the moves
BUILT_IN = ("torch.nn.", "scratch.nn.")
IN_OUT = ("Conv1D",)  # transformers' linear layer of GPT-2, which stores its weight as (in, out)


@dataclass(frozen=True)
class Piece:
    """One layer of a foreign side.

    name        its dotted name on its side
    kinds       the classes of torch.nn that it may be; a class of the user's own may always be it
    parameters  its own names within the layer, the most telling first, each with torch's ways to store it
    parts       the layers that it is made of, for a right side that has no layer for all of it
    """

    name: str
    kinds: tuple[str, ...]
    parameters: dict[str, list[Way]] = field(default_factory=dict)
    parts: tuple[Piece, ...] = ()


def matched(pieces: Sequence[Piece], ours: Numbers, theirs: Numbers, layers: dict[str, Any]) -> Implied:
    """`ours` and `theirs` are the parameters and buffers of both sides, `layers` the right's layers by name."""
    return _Matching(ours, theirs, layers).run(pieces)


class _Matching:
    def __init__(self, ours: Numbers, theirs: Numbers, layers: dict[str, Any]) -> None:
        self.ours, self.theirs, self.layers = ours, theirs, layers
        self.taken: set[str] = set()
        self.found = Implied()

    def run(self, pieces: Sequence[Piece]) -> Implied:
        known = [piece for piece in pieces if piece.name in self.layers and self._take(piece, piece.name)]
        by_order: list[str] = []
        for piece in (piece for piece in pieces if piece not in known):
            by_order += self._next(piece)
        if by_order:
            self.found.notes.append(f"layers were paired by kind, shape and order: {', '.join(by_order)}")
        return self.found

    def _next(self, piece: Piece) -> Iterator[str]:
        """The first free layer that fits; where none does, its parts are tried one by one."""
        place = next((name for name in self.layers if name not in self.taken and self._take(piece, name)), None)
        if place is not None:
            if place != piece.name:
                yield f"{piece.name} → {place or 'the whole'}"
            return
        for part in piece.parts:
            yield from self._next(part)

    def _take(self, piece: Piece, layer: str) -> bool:
        if not self._kind_fits(piece, layer):
            return False
        entries = self._fit(piece, layer)
        if entries is None:
            return False
        self.taken |= {layer, *(name for _, names, _ in entries for name in names)}
        for own, names, moves in entries:
            self.found.entries[own] = (*names, *moves)
        if piece.name != layer:
            self.found.layers[piece.name] = layer
        return True

    def _kind_fits(self, piece: Piece, layer: str) -> bool:
        kind = type(self.layers[layer])
        if kind.__name__ in piece.kinds:
            return True
        return bool(piece.parameters) and not f"{kind.__module__}.".startswith(BUILT_IN)

    def _fit(self, piece: Piece, layer: str) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]] | None:
        """Each of its own parameters with the right's names and the moves; None if the first one does not fit."""
        found: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        for own, ways in piece.parameters.items():
            full = ".".join(part for part in (piece.name, own) if part)
            for names, moves in ways:
                if type(self.layers[layer]).__name__ in IN_OUT:
                    moves = tuple(move for move in moves if move != "transpose")
                others = tuple(f"{layer}.{name}" if layer else name for name in names)
                if self._shapes_fit(full, others, moves):
                    found.append((full, others, moves))
                    break
            else:
                if not found:
                    return None
        return found

    def _shapes_fit(self, own: str, others: tuple[str, ...], moves: tuple[str, ...]) -> bool:
        if own not in self.ours or not all(name in self.theirs and name not in self.taken for name in others):
            return False
        shapes = [tuple(self.theirs[name].shape) for name in others]
        link = Link(own, others, moves, shapes, tuple(self.ours[own].shape))
        return link.result_shape() == link.shape

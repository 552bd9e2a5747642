"""The map from a framework's parameters to torch's: which layer is which, and the moves between their layouts.

Layers are paired by equal names, and otherwise within each kind, in the order in which they are called, where the
shapes fit. The moves are those that a person would write in a map (see comparer/moves.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from parity_tests.comparer.foreign.units import Unit
from parity_tests.comparer.moves import Link
from parity_tests.comparer.values import Numbers

GATES = {"lstm": "ifgo", "gru": "rzn", "rnn": "n"}
Entry = tuple[str, ...]


@dataclass
class Implied:
    """A map of parameters, and the layers of the left with the right's names; `notes` say what was paired by order."""

    entries: dict[str, Entry] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)  # layers of the left that are called in another way than the right's

    def inverted(self) -> Implied:
        """From the right's names to the left's, as far as one array is another in another layout."""
        entries = {}
        for own, (name, *moves) in self.entries.items():
            back = [_inverse(move) for move in reversed(moves)]
            if all(back):
                entries[name] = (own, *back)
        return Implied(entries, {theirs: ours for ours, theirs in self.layers.items()}, self.notes)


def _inverse(move: str) -> str:
    if move.startswith("permute"):
        order = np.argsort([int(n) for n in move.split(" ")[1:]])
        return f"permute {' '.join(map(str, order))}"
    return move if move in ("transpose", "reshape") else ""


def implied(ours: list[Unit], theirs: list[Unit], left: Numbers, right: Numbers, inner_first: bool) -> Implied:
    """`inner_first` says that kernels are (..., in, out)."""
    found = Implied()
    for own, other in _pairs(ours, theirs, left, right, inner_first):
        found.entries |= dict(_entries(own, other, left, right, inner_first))
        if own.layer and other.layer and own.layer != other.layer:
            found.layers[own.layer] = other.layer
        if own.path != own.layer and own.kind in GATES:
            found.hidden.add(own.path)
    return found


def _pairs(
    ours: list[Unit], theirs: list[Unit], left: Numbers, right: Numbers, inner_first: bool
) -> Iterator[tuple[Unit, Unit]]:
    free = list(theirs)

    def fits(own: Unit, other: Unit) -> bool:
        for name, entry in _entries(own, other, left, right, inner_first):
            names = tuple(part for part in entry if part in right)
            moves = tuple(part for part in entry if part not in right)
            link = Link(name, names, moves, [right[n].shape for n in names], left[name].shape)
            if link.result_shape() != link.shape:
                return False
        return True

    named = []
    for own in ours:
        other = next((o for o in free if o.kind == own.kind and own.layer == o.path), None)
        if other is not None:
            free.remove(other)
            named.append(own)
            yield own, other
    rest = [own for own in ours if not any(own is n for n in named)]
    for test in (fits, lambda own, other: True):  # a shape that does not fit is a finding
        for own in list(rest):
            other = next((o for o in free if o.kind == own.kind and test(own, o)), None)
            if other is not None:
                free.remove(other)
                rest.remove(own)
                yield own, other


def _entries(own: Unit, other: Unit, left: Numbers, right: Numbers, inner_first: bool) -> Iterator[tuple[str, Entry]]:
    if own.kind == "attention":
        yield from _attention(own, other, left, right, inner_first)
    elif own.kind in GATES:
        yield from _recurrent(own, other, right, inner_first)
    else:
        for part, name in own.names.items():
            if part in other.names:
                theirs = other.names[part]
                moves = _moves(own.kind, left[name].shape, right[theirs].shape, inner_first)
                yield name, (theirs, *moves)


def _moves(kind: str, own: tuple[int, ...], wanted: tuple[int, ...], inner_first: bool) -> Entry:
    if inner_first and kind == "conv" and len(own) > 2:
        if own == wanted:
            return ()
        n = len(own)
        return (f"permute {' '.join(map(str, (n - 1, n - 2, *range(n - 2))))}",)
    if inner_first and kind == "linear" and len(own) > 1:
        if own == wanted and own[::-1] != wanted:  # stored as torch stores it
            return ()
        return ("transpose",) if len(own) == len(wanted) else ("transpose", "reshape")
    return () if own == wanted or np.prod(own) != np.prod(wanted) else ("reshape",)


def _attention(own: Unit, other: Unit, left: Numbers, right: Numbers, inner_first: bool) -> Iterator[tuple[str, Entry]]:
    """Three projections of torch's one; kernels (C, H, d) and (H, d, C) of heads apart."""
    if "in_proj_weight" not in other.names:
        return
    size = right[other.names["in_proj_weight"]].shape[0] // 3
    for part, name in own.names.items():
        which, _, array = part.partition(".")
        theirs = other.names.get(f"out_proj.{array}" if which == "out" else f"in_proj_{array}")
        if theirs is None:
            continue
        wanted = right[theirs].shape if which == "out" else (size, *right[theirs].shape[1:])
        moves = [] if which == "out" else [f"rows {'qkv'.index(which) * size}:{('qkv'.index(which) + 1) * size}"]
        moves += ["transpose"] if inner_first and array == "weight" else []
        moves += ["reshape"] if left[name].ndim != len(wanted) else []
        yield name, (theirs, *moves)


def _recurrent(own: Unit, other: Unit, right: Numbers, inner_first: bool) -> Iterator[tuple[str, Entry]]:
    """Gates fused or apart; one bias for two, of which a GRU keeps the recurrent one of n apart."""
    size = right[other.names["weight_hh"]].shape[1]
    gates = GATES[own.kind]
    turn = ("transpose",) if inner_first else ()
    both = tuple(other.names[part] for part in ("bias_ih", "bias_hh") if part in other.names)
    for part, name in own.names.items():
        array, _, gate = part.partition(".")
        rows = (f"rows {gates.index(gate) * size}:{(gates.index(gate) + 1) * size}",) if gate else ()
        if array.startswith("weight"):
            yield name, (other.names[array], *rows, *turn)
        elif not both:
            continue
        elif array == "bias_hh" or (array == "bias_ih" and gate):
            yield name, (both[array == "bias_hh"], *rows)
        elif own.kind == "gru" and not gate:
            yield name, (*both, f"sum rows 0:{2 * size}")
        else:
            yield name, (*both, "sum", *rows)

"""A map of parameters that two frameworks imply, and which layer of the left is which of the right."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Entry = tuple[str, ...]  # the right's names, then the moves (see comparer/moves.py)


@dataclass
class Implied:
    """A map of parameters, and the layers of the left with the right's names; `notes` say what was paired by order."""

    entries: dict[str, Entry] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)  # layers of the left that are called in another way than the right's
    one_way: list[str] = field(default_factory=list)  # of the right, which no entry can say from that side

    def inverted(self) -> Implied:
        """From the right's names to the left's, as far as one array is another in another layout."""
        entries: dict[str, Entry] = {}
        one_way = []
        for own, (name, *moves) in self.entries.items():
            back = [_inverse(move) for move in reversed(moves)]
            if all(back):
                entries[name] = (own, *back)
            else:
                one_way.append(own)
        layers = {theirs: ours for ours, theirs in self.layers.items()}
        return Implied(entries, layers, self.notes, one_way=one_way)


def _inverse(move: str) -> str:
    if move.startswith("permute"):
        order = np.argsort([int(n) for n in move.split(" ")[1:]])
        return f"permute {' '.join(map(str, order))}"
    return move if move in ("transpose", "reshape") or move.startswith("flip") else ""

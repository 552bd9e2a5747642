"""A map for parameters that do not pair by name: by shape, order and likeness of names, for a person to check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from parity_tests.comparer.relations import permutation
from parity_tests.comparer.values import Numbers

Entry = str | list[str]


@dataclass
class Proposal:
    """`entries` is the map; `doubtful` lists names of the left with several fits; the rest fit nothing."""

    entries: dict[str, Entry]
    doubtful: list[str]
    left: list[tuple[str, tuple[int, ...]]]
    right: list[tuple[str, tuple[int, ...]]]

    def __str__(self) -> str:
        width = max((len(f"{list(shape)}  {name}") for name, shape in self.left), default=9)
        lines = [f"  {'on the left alone':<{width}}  on the right alone"]
        for i in range(max(len(self.left), len(self.right))):
            cells = [f"{list(side[i][1])}  {side[i][0]}" if i < len(side) else "" for side in (self.left, self.right)]
            lines.append(f"  {cells[0]:<{width}}  {cells[1]}".rstrip())
        if self.entries:
            lines.append("a map that would fit, by shape and order; check it, then pass it as --map or parameters=:")
            for own, entry in self.entries.items():
                doubt = "   (others of this shape fit too)" if own in self.doubtful else ""
                lines.append(f"  {own!r}: {entry!r}{doubt}")
        return "\n".join(lines)


def propose(ours: list[str], theirs: list[str], left: Numbers, right: Numbers) -> Proposal:
    """For each of the right's, the left's of the same shape, or of a shape with its axes in another order."""
    free = list(ours)
    entries: dict[str, Entry] = {}
    doubtful = []
    for i, name in enumerate(theirs):
        fits = {own: move for own in free if (move := _move(left[own].shape, right[name].shape)) is not None}
        if not fits:
            continue
        place = i / max(1, len(theirs))
        best = max(
            fits, key=lambda own: (not fits[own], _likeness(own, name) - abs(ours.index(own) / len(ours) - place))
        )
        entries[best] = [name, fits[best]] if fits[best] else name
        same = [other for other in theirs if right[other].shape == right[name].shape]
        if len(fits) > 1 and len(same) > 1:
            doubtful.append(best)
        free.remove(best)
    shapes = [[(n, tuple(state[n].shape)) for n in names] for names, state in ((ours, left), (theirs, right))]
    return Proposal({own: entries[own] for own in ours if own in entries}, doubtful, *shapes)


def _move(own: tuple[int, ...], wanted: tuple[int, ...]) -> str | None:
    """The move between two shapes: none, another order of axes, or other sizes 1. None if there is no such move."""
    if own == wanted:
        return ""
    order = permutation(own, wanted)
    if order is not None:
        plain = order == tuple(range(len(order)))[::-1]
        return "transpose" if plain else f"permute {' '.join(map(str, order))}"
    if [n for n in own if n != 1] == [n for n in wanted if n != 1]:
        return "reshape"
    return None


def _likeness(a: str, b: str) -> float:
    """Of two names, in torch's words."""
    a, b = (_usual(name) for name in (a, b))
    return SequenceMatcher(None, a, b).ratio() + (a.rpartition(".")[2][:1] == b.rpartition(".")[2][:1])


def _usual(name: str) -> str:
    name = name.lower()
    for usual, words in (("weight", ("kernel", "gamma", "scale", "embeddings")), ("bias", ("beta",))):
        for word in words:
            name = name.replace(word, usual)
    return name


def as_json(entries: Mapping[str, Any]) -> str:
    import json

    return json.dumps(entries, indent=1) + "\n"

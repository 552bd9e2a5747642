"""How one parameter of the left is made from the right's: the moves that a map can name, and their adjoints for
gradients.

    "right name"                          the same array
    ["right", "transpose"]                its axes reversed: (in, out) for torch's (out, in)
    ["right", "permute 3 2 0 1"]          the left's array with its axes in this order is the right's: HWIO for OIHW
    ["right", "flip 2 3"]                 turned over along these axes: the kernel of a transposed convolution
    ["right", "reshape"]                  the same numbers in the left's shape
    ["right", "rows 0:16"]                these rows of it: q of a fused in_proj_weight
    ["right", "gates zrn"]                its blocks of rows in this order; torch's are rzn and ifgo
    ["right 1", "right 2", "concat"]      one after the other along the rows
    ["right 1", "right 2", "sum"]         one bias for two
    ["right 1", "right 2", "sum rows 0:8"]  the first, with these rows of the second added: a GRU's bias without n
    "zero"                                it must be zero: the right has no counterpart
    "ignore"                              the left keeps its own

Several moves are applied one after the other, from the right's array to the left's: those before concat or sum to each
of the right's, those after it to what it makes. ["bias_ih", "bias_hh", "gates zrn", "concat", "reshape"] is Keras' bias
of a GRU, (2, 3 H).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

GATES = {frozenset("rzn"): "rzn", frozenset("ifgo"): "ifgo"}
ALONE = ("zero", "ignore")
FORMS = r"transpose|permute( \d+)+|flip( \d+)+|reshape|rows \d+:\d+|gates [a-z]+|concat|sum( rows \d+:\d+)?"


@dataclass
class Link:
    """One parameter of the left: the right's names, and the moves from their arrays to its own."""

    ours: str
    theirs: tuple[str, ...]
    moves: tuple[str, ...] = ()
    shapes: list[tuple[int, ...]] = field(default_factory=list)  # of the right's
    shape: tuple[int, ...] = ()  # of the left's

    def check(self) -> None:
        """ValueError if a move is unknown, or several of the right's are neither concatenated nor added."""
        for move in self.moves:
            if not re.fullmatch(FORMS, move):
                raise ValueError(
                    f"compare: the map of {self.ours!r} says {move!r}; it can say transpose, permute 3 2 0 1, flip 2, "
                    "reshape, rows 0:16, gates zrn, concat, sum, zero and ignore."
                )
            if move == "reshape" and "reshape" in self._halves()[0]:
                raise ValueError(f"compare: the map of {self.ours!r} must say reshape after concat or sum.")
            last = move in self._halves()[1]  # those before a join are of the right's axes
            if last and move.startswith("permute") and sorted(_numbers(move)) != list(range(len(self.shape))):
                raise ValueError(
                    f"compare: the map of {self.ours!r} says {move!r}: these axes do not fit {len(self.shape)} axes."
                )
        if len(self.theirs) > 1 and not any(move.startswith(("sum", "concat")) for move in self.moves):
            raise ValueError(f"compare: the map of {self.ours!r} names several parameters: add 'sum' or 'concat'.")

    @property
    def plain(self) -> bool:
        """Whether each number of the left is one number of the right: both can be trained side by side."""
        return len(self.theirs) == 1 and not any(m.startswith("rows") for m in self.moves)

    def _halves(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The moves of each of the right's, before they are joined, and those of the joined one."""
        join = next((i for i, move in enumerate(self.moves) if move.startswith(("concat", "sum"))), None)
        return ((), self.moves) if join is None else (self.moves[:join], self.moves[join + 1 :])

    def to_left(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """The left's array, from the right's."""
        before, after = self._halves()
        parts = [_all(before, value, self.shape) for value in values]
        value = np.concatenate(parts) if "concat" in self.moves else _sum(parts, self._summed())
        return _all(after, value, self.shape)

    def to_right(self, gradient: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each of the right's, its part of a number of the left's, and where that part lies."""
        before, after = self._halves()
        parts = [_shapes(before, shape, self.shape)[-1] for shape in self.shapes]
        joined = (sum(s[0] for s in parts), *parts[0][1:]) if "concat" in self.moves else parts[0]
        both = _all_back(after, gradient, joined, self.shape), _all_back(after, _ones(gradient), joined, self.shape)
        joins = "concat" in self.moves
        cuts = list(np.cumsum([s[0] for s in parts])[:-1]) if joins else []
        split = [np.split(half, cuts) if joins else self._spread(half) for half in both]
        return [
            (_all_back(before, value, shape, self.shape), _all_back(before, covered, shape, self.shape))
            for value, covered, shape in zip(*split, self.shapes, strict=True)
        ]

    def _spread(self, total: np.ndarray) -> list[np.ndarray]:
        """The adjoint of the sum: all of it for the first, the rows in which they were added for the others."""
        if len(self.theirs) == 1:
            return [total]
        some = np.zeros_like(total)
        some[self._summed()] = total[self._summed()]
        return [total, *[some] * (len(self.theirs) - 1)]

    def _summed(self) -> slice:
        """The rows in which the others are added to the first."""
        rows = next((_numbers(move) for move in self.moves if move.startswith("sum rows")), None)
        return slice(None) if rows is None else slice(*rows)

    def result_shape(self) -> tuple[int, ...] | None:
        """The shape that the right's would have on the left, or None where the moves do not fit them."""
        try:
            return np.shape(self.to_left([np.zeros(shape, np.int8) for shape in self.shapes]))
        except (ValueError, IndexError, TypeError):
            return None


def _sum(values: Sequence[np.ndarray], rows: slice) -> np.ndarray:
    total = np.array(values[0])
    for value in values[1:]:
        total[rows] += value[rows]
    return total


def _numbers(move: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", move)]


def _order(move: str) -> list[int]:
    """The block of torch's that is first, second, ... on the left."""
    letters = move.split(" ")[1]
    torch_order = GATES.get(frozenset(letters))
    if torch_order is None or len(letters) != len(torch_order):
        raise ValueError(f"compare: gates are the letters rzn or ifgo in the left's order, got {letters!r}.")
    return [torch_order.index(letter) for letter in letters]


def _forward(move: str, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if move == "transpose":
        return value.T
    if move.startswith("permute"):
        return value.transpose(np.argsort(_numbers(move)))
    if move.startswith("flip"):
        return np.flip(value, tuple(_numbers(move)))
    if move == "reshape":
        return value.reshape(shape)
    if move.startswith("rows"):
        first, last = _numbers(move)
        return value[first:last]
    if move.startswith("gates"):
        blocks = np.split(value, len(_order(move)))
        return np.concatenate([blocks[i] for i in _order(move)])
    return value


def _back(move: str, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The adjoint: from a number of the left's to one of this shape."""
    if move == "transpose":
        return value.T
    if move.startswith("permute"):
        return value.transpose(_numbers(move))
    if move.startswith("flip"):
        return np.flip(value, tuple(_numbers(move)))
    if move == "reshape":
        return value.reshape(shape)
    if move.startswith("rows"):
        whole = np.zeros(shape, value.dtype)
        first, last = _numbers(move)
        whole[first:last] = value
        return whole
    if move.startswith("gates"):
        blocks = np.split(value, len(_order(move)))
        return np.concatenate([blocks[i] for i in np.argsort(_order(move))])
    return value


def _all(moves: Sequence[str], value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    for move in moves:
        value = _forward(move, value, shape)
    return value


def _all_back(
    moves: Sequence[str], value: np.ndarray, start: tuple[int, ...], own: tuple[int, ...]
) -> np.ndarray:  # fmt: skip
    """The adjoint of several moves, to a number of the shape that they started from."""
    for move, shape in zip(reversed(moves), reversed(_shapes(moves, start, own)[:-1]), strict=True):
        value = _back(move, value, shape)
    return value


def _shapes(moves: Sequence[str], start: tuple[int, ...], own: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The shape before the first move, and after each."""
    shapes = [start]
    for move in moves:
        shapes.append(np.shape(_forward(move, np.broadcast_to(np.int8(0), shapes[-1]), own)))
    return shapes


def _ones(value: np.ndarray) -> np.ndarray:
    return np.ones(value.shape, bool)

"""Conventions at kinks and ties: what differs where a slope jumps, apart from what a rounding makes differ there.

Inputs are zeros, small integers and equal values: people's data has them, random numbers never do. Sums and products of
small integers are exact, so that both sides arrive exactly at the kink. A rounding before a kink can still put one side
beyond it, rightly. It does so in one precision and not in the other, in one draw and not in the next; a convention does
so in both, in every draw. Only that is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from parity_tests.comparer import judge
from parity_tests.comparer.case import Case
from parity_tests.comparer.findings import Element
from parity_tests.comparer.side import Side
from parity_tests.comparer.values import Numbers, is_float

GRID = np.array([0, 0, 0, 0.5, 1, 1, 2, 3, 6])
SMALL = np.array([0, 1, 1])  # of which sums are often zero
SHARE, TIED = 0.85, 0.4  # of the numbers: those that are put on the grid, and those that equal a neighbor
JUMP = 2.0**-11  # of the largest value: a slope that jumps changes more, a rounding less
DRAWS, AGAIN = 8, 3  # at most so many draws, and in how many a difference must return
LIMIT = JUMP / 2.0**-23  # the same in ulp
CONVENTIONS = " (at a bound torch's relu has 0, clamp 1 before torch 2.14, maximum and minimum 0.5)"
Found = dict[Any, tuple[int, Element]]  # by place: the draw, and the first element


def on_grid(x: Any, rng: np.random.Generator, places: list[int], share: float = SHARE, grid: Any = GRID) -> Any:
    """Small integers and halves of both signs; numbers of one sign keep it. Equal neighbors, at places that are the
    same for all arrays of one shape: then sums of two of them have equal neighbors as well.
    """
    if not has_grid(x):
        return x
    chosen = rng.random(x.shape)
    if x.min() < 0 < x.max():
        signed = rng.choice(grid, x.shape) * rng.choice([-1, 1], x.shape) + 0.0
        x = np.where(chosen < share, signed, x).astype(x.dtype)
    else:
        x = np.where(chosen < 0.2, x.min(), np.where(chosen < 0.4, x.max(), x))
    rng = np.random.default_rng([*places, *x.shape])
    same = rng.random(x.shape) < TIED
    return np.where(same, np.roll(x, 1, int(rng.integers(x.ndim))), x) if x.ndim else x


def sparse(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Weights of -1, 0 and 1, few of them in a sum, so that sums of products are often exactly zero."""
    share = min(0.75, 3 / x[0].size) if x.ndim > 1 else 0.5
    return (rng.choice([-1, 1], x.shape) * (rng.random(x.shape) < share) + 0.0).astype(x.dtype)


def has_grid(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype in (np.float32, np.float64) and x.size > 0


@contextmanager
def parameters_on_grid(case: Case, sides: list[Side], names: list[str], draw: int) -> Iterator[None]:
    """The right's parameters of these names small integers, and what the other sides have in their place."""
    state = case.right.state()
    rng = np.random.default_rng([case.seed, draw])
    values = {name: sparse(state[name], rng) for name in names}
    links = [link for link in case.pairing.links.values() if set(link.theirs) & set(names)]
    before = [{name: np.array(value) for name, value in side.state().items()} for side in sides]
    try:
        for side in sides:
            if side in (case.right, case.twin):
                new = values
            else:
                new = {link.ours: link.to_left([values.get(n, state[n]) for n in link.theirs]) for link in links}
            for name, value in new.items():
                side.load(name, value)
        yield
    finally:
        for side, numbers in zip(sides, before, strict=True):
            for name, value in numbers.items():
                side.load(name, value)


class Jumps:
    """One question to both sides, over draws of the grid. A subclass says how it is asked."""

    def __init__(self, case: Case, quiet: int) -> None:
        """`quiet` draws without a difference are enough."""
        self.case, self.quiet = case, quiet
        self.finer: Side | None = None  # the left in the other precision

    @property
    def other_dtype(self) -> Any:
        """That of the twin: the right is float64 itself, or float32."""
        return np.float32 if self.case.fine else np.float64

    def ask(self, sides: list[Side], draw: int) -> list[dict[Any, np.ndarray]]:
        """What each side gives in this draw, by place and under the right's names."""
        raise NotImplementedError

    def usual(self, place: Any) -> float:
        """The largest value at a place in the run that was recorded."""
        raise NotImplementedError

    def find(self) -> Found:
        """The places at which the left differs by a convention."""
        case = self.case
        assert case.twin is not None
        returned: dict[Any, list[tuple[int, Element]]] = {}
        rounded: set[Any] = set()
        for draw in range(DRAWS):
            ours, theirs, exact = self.ask([case.left, case.right, case.twin], draw)
            apart = {p: bad for p in theirs if (bad := self._apart(p, ours, theirs, exact)) is not None and bad.any()}
            if not apart and not returned and draw + 1 >= self.quiet:
                break
            again = self.ask([self._refined()], draw)[0] if apart else {}
            for place, bad in apart.items():
                other = self._apart(place, again, theirs, exact)
                if other is None or (bad != other).any():
                    rounded.add(place)  # a rounding decides on which side of the kink the left is
                    continue
                index = tuple(int(i) for i in np.argwhere(bad)[0])
                left, right = (float(judge.real(side[place]).astype(np.float64)[index]) for side in (ours, theirs))
                found = Element(index, left, right, 0.0, int(bad.sum()), bad.size)
                returned.setdefault(place, []).append((draw, found))
            if returned and all(len(found) >= AGAIN for found in returned.values()):
                break
        return {p: found[0] for p, found in returned.items() if len(found) >= AGAIN and p not in rounded}

    def _refined(self) -> Side:
        """The left in the other precision; its layers go by the right's names, as the left's do."""
        if self.finer is None:
            left = self.case.left
            self.finer = left.double(self.other_dtype)
            self.finer.modules = dict(zip(left.modules, self.finer.modules.values(), strict=True))
            self.case.snapshots[id(self.finer)] = self.finer.snapshot()
        return self.finer

    def close(self) -> None:
        if self.finer is not None:
            self.case.snapshots.pop(id(self.finer), None)

    def _apart(self, place: Any, ours: Any, theirs: Any, exact: Any) -> np.ndarray | None:
        """Where the left is another number. What the right gives must be finite, and known in both precisions."""
        if not all(place in numbers for numbers in (ours, theirs, exact)):
            return None
        a, b, truth = (judge.real(numbers[place]) for numbers in (ours, theirs, exact))
        if not a.shape == b.shape == truth.shape or a.dtype.kind not in "fiub":
            return None
        a, b, truth = (x.astype(np.float64) for x in (a, b, truth))
        jump = JUMP * max(largest(truth), self.usual(place), self._scale(place, exact))
        with np.errstate(all="ignore"):
            known = np.isfinite(b) & np.isfinite(truth) & (np.abs(b - truth) <= jump)
            return known & ~(np.abs(a - truth) <= jump)

    @staticmethod
    def _scale(place: Any, numbers: Mapping[Any, np.ndarray]) -> float:
        """Of a parameter's gradient: the largest of all."""
        if not (isinstance(place, str) and judge.is_parameter_gradient(place)):
            return 0.0
        return max(largest(v) for p, v in numbers.items() if isinstance(p, str) and judge.is_parameter_gradient(p))


def largest(value: Any) -> float:
    """The largest finite size."""
    size = np.abs(judge.real(value).astype(np.float64))
    return float(size[np.isfinite(size)].max(initial=0.0))


def end_numbers(numbers: Numbers) -> Numbers:
    return {w: np.asarray(v) for w, v in numbers.items() if not w.startswith(("buffer ", "dtype ")) and _is_number(v)}


def _is_number(value: Any) -> bool:
    return is_float(value) or (isinstance(value, np.ndarray) and value.dtype.kind in "iub")

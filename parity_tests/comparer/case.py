"""Everything that is compared, and how each side is run on it."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
from tqdm import tqdm

from parity_tests.comparer.pairing import Pairing
from parity_tests.comparer.report import Report
from parity_tests.comparer.side import Given, Key, Probe, Side, Sink
from parity_tests.comparer.values import Numbers, cast, is_float, moved

LARGE = 2**22  # numbers: of a larger model no gradient is kept that need not be
OTHER_FUNCTION = 2.0**20  # ulp by which the float64 twin is no longer the same function, as when it draws other numbers


class Cotangents:
    """Random, since ones would hide a softmax backward that returns zeros; 1 for the one number of a loss.

    An output has its own by name or position. `names` are the right's: a left that packs as many outputs in another
    way has them in order. In 16 bits the numbers are short enough to be exact.
    """

    drawn = True

    def __init__(self, seed: int, half: bool, names: list[str]) -> None:
        self.seed, self.half, self.names, self.count = seed, half, names, 0

    def __call__(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if self.names and name not in self.names and self.count < len(self.names):
            name = self.names[self.count]
        self.count += 1
        if shape == ():
            return np.ones((), np.float32)
        last = name.rpartition(" ")[2] if " " in name else "0"
        number = int(last) if last.isdigit() else crc32(last.encode())
        values = np.random.default_rng([self.seed, number, *shape]).normal(size=shape).astype(np.float32)
        return (values.view(np.int32) & ~0x1FFFF).view(np.float32) if self.half else values


@dataclass
class Case:
    """Two sides, their inputs, and the report that is being written."""

    left: Side
    right: Side
    pairing: Pairing
    given: Given
    target: Any
    report: Report
    seed: int
    made: Side | None = None  # the float64 twin, whether or not it can be run
    training: bool = True  # the mode that is being compared
    snapshots: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.backward = self.left.can_backward() and self.right.can_backward()
        floats_ = [value for value in self.right.state().values() if value.dtype.kind == "f"]
        self.fine = bool(floats_) and all(value.dtype == np.float64 for value in floats_)  # the right is float64 itself
        self.large = sum(value.size for value in self.right.state().values()) >= LARGE
        self.bar = tqdm(desc="compare", unit=" runs", leave=False, disable=not (self.large and sys.stderr.isatty()))
        self.output_names: list[str] = []
        self.copied = False
        self.without_twin: set[bool] = set()  # modes in which the twin is no truth
        self.draws = False  # whether the right draws random numbers in this mode
        self.other_draws: dict[Key, Any] = {}  # calls of a dropout in which the left draws other random numbers

    @property
    def twin(self) -> Side | None:
        """The right in float64, or in float32 if it is float64 itself; None where it gives no truth in this mode."""
        return None if self.training in self.without_twin else self.made

    def drop_twin(self) -> None:
        """In this mode it cannot be run, or draws other random numbers; in the other mode it may be right."""
        self.without_twin.add(self.training)

    @property
    def sides(self) -> list[Side]:
        return [side for side in (self.left, self.right, self.made) if side is not None]

    def make_twin(self) -> None:
        with suppress(Exception):
            self.made = self.right.double(np.float32 if self.fine else np.float64)

    def remember(self) -> None:
        self.snapshots = {id(side): side.snapshot() for side in self.sides}

    def rewind(self, side: Side) -> None:
        """A side as it was when the comparison began."""
        side.restore(self.snapshots[id(side)])

    def run(
        self,
        side: Side,
        training: bool,
        probe: Probe | None = None,
        wanted: Any = (),
        given: Given | None = None,
        backward: bool = True,
        sink: Sink | None = None,
    ) -> Numbers:
        """One run of one side, from the state in which the comparison began."""
        given, target = self.given if given is None else given, self.target
        if side is self.twin:
            given, target = (cast(nest, np.float32 if self.fine else np.float64) for nest in (given, target))
        self.bar.update()
        cotangent = self.cotangent() if self.backward and backward else None
        try:
            numbers = side.run(given, target, training, self.seed, cotangent, probe, wanted, sink)
        finally:
            self.rewind(side)
        if side is self.right and not self.output_names:
            self.output_names = [what for what, y in numbers.items() if what.startswith("output") and is_float(y)]
        return numbers

    def cotangent(self) -> Cotangents:
        return Cotangents(self.seed, self.right.half(), self.output_names)

    def drawn(self, draw: int, size: float | None = None) -> Given:
        """What the sides are given in a further draw: every floating number moved a little."""
        if draw == 0:
            return self.given
        rng = np.random.default_rng([self.seed, draw])
        return moved(self.given, rng) if size is None else moved(self.given, rng, size)

    def left_names(self) -> dict[str, str]:
        """The right's names to the left's."""
        return {theirs: ours for ours, theirs in self.pairing.names.items()}

    def optional(self, head: str, name: str) -> bool:
        """Whether the left may lack this gradient or buffer, as a plain object may."""
        if head not in ("grad", "buffer"):
            return False
        if self.left.engine == "object":
            return True
        pairing = self.pairing
        computed = {part for weight in pairing.right_virtual.values() for part in self.right.virtual()[weight]}
        many = {n for link in pairing.links.values() if not link.plain for n in link.theirs}
        return head == "grad" and name in computed | many | set(pairing.left_virtual.values())

"""The code between layers at kinks and ties: an inline relu, clamp, abs, maximum or comparison of a forward.

Every layer is replaced on both sides by the same numbers of the grid, and so are the inputs; what then arrives at the
layers and at the end is compared.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np

from parity_tests.comparer import judge
from parity_tests.comparer.between import place_of_code
from parity_tests.comparer.findings import AT_KINKS, Cause, Element, Measurement
from parity_tests.comparer.jumps import (
    CONVENTIONS,
    JUMP,
    LIMIT,
    Jumps,
    end_numbers,
    has_grid,
    largest,
    on_grid,
    parameters_on_grid,
)
from parity_tests.comparer.kinks import LARGEST
from parity_tests.comparer.nests import leaves, map_nest
from parity_tests.comparer.side import ROOT, Given, Key, Probe, Side
from parity_tests.comparer.trial import Trial
from parity_tests.comparer.values import Numbers, array, cast, floats, is_float
from parity_tests.rule import ulp

ENOUGH = 2**12  # numbers: with fewer, one draw may meet no kink
Place = tuple[Any, str, Any]  # a call's key, "input" or "cotangent", and which of them; of the end a name


class Grid(Probe):
    """Replaces every layer that both sides call by numbers of the grid, and keeps what arrives."""

    def __init__(self, trial: Trial, draw: int, nudged: tuple[Any, tuple[int, ...], float] | None = None) -> None:
        """`nudged` is a place, one of its numbers, and how far that is moved from the grid."""
        self.calls = {call.key: call for call in trial.calls}
        self.seed, self.nudged = [trial.case.seed, draw], nudged
        self.dtype: Any = None
        self.outputs = {key: self._numbers(key, call.output) for key, call in self.calls.items()}
        given = trial.case.given
        self.given = Given(*self._numbers(None, (given.args, given.kwargs)))
        self.arrived: dict[Any, np.ndarray] = {}

    def _numbers(self, key: Key | None, nest: Any) -> Any:
        rng = np.random.default_rng([*self.seed, crc32(repr(key).encode())])
        nest = map_nest(lambda x: on_grid(x, rng, self.seed), nest)
        if self.nudged is None or source(self.nudged[0])[0] != key:
            return nest
        place, index, size = self.nudged
        values = cast(floats(nest), np.float64)
        values[source(place)[1]][index] += size
        found = iter(values)
        return map_nest(lambda x: next(found) if is_float(x) else x, nest)

    def values(self, place: Any) -> np.ndarray:
        """The numbers whose gradient is this place."""
        key, number = source(place)
        return floats(tuple(self.given) if key is None else self.outputs[key])[number]

    def stand_in(self, key: Key, args: Any, kwargs: Any) -> Any:
        call = self.calls.get(key)
        if call is None or key[0] == ROOT:
            return None
        for i, x in enumerate(_numeric((args, kwargs))):
            self.arrived[key, "input", i] = x
        if call.ended is not None:
            call.ended.restore()
        return self._cast(self.outputs[key])

    def again(self, key: Key) -> Any:
        return self._cast(self.outputs[key]) if key in self.calls and key[0] != ROOT else None

    def cotangent(self, key: Key, number: int, dy: np.ndarray) -> None:
        if key in self.calls:
            self.arrived[key, "cotangent", number] = np.array(dy)

    def stand_in_gradients(self, key: Key) -> list[np.ndarray | None]:
        call = self.calls[key]
        return self._cast([call.dxs.get(i) for i in range(len(call.inputs()))])

    def _cast(self, nest: Any) -> Any:
        return nest if self.dtype is None else cast(nest, self.dtype)


class CodeJumps(Jumps):
    """The code between the layers of one trial."""

    def __init__(self, trial: Trial, right: Numbers) -> None:
        size = sum(np.size(array(x)) for call in trial.calls for x in floats(call.output))
        super().__init__(trial.case, 2 if size < ENOUGH else 1)
        self.trial, self.right = trial, right
        layers = {call.key[0] for call in trial.calls}
        own = [n for n in self.case.right.trainable() if not any(n.startswith(f"{name}.") for name in layers)]
        self.wanted = set(own)
        held, pairing = self.case.right.state(), self.case.pairing
        fixed = self.case.left.frozen or pairing.left_virtual or pairing.right_virtual
        self.names = [] if fixed else [n for n in own if has_grid(held[n])]

    def ask(self, sides: list[Side], draw: int) -> list[dict[Any, np.ndarray]]:
        return self.arrive(sides, Grid(self.trial, draw), draw)

    def arrive(self, sides: list[Side], grid: Grid, draw: int) -> list[dict[Any, np.ndarray]]:
        """What each side's code makes of the numbers of the grid."""
        with parameters_on_grid(self.case, sides, self.names, draw):
            return [self._arrive(side, grid) for side in sides]

    def _arrive(self, side: Side, grid: Grid) -> dict[Any, np.ndarray]:
        case, left = self.case, side in (self.case.left, self.finer)
        grid.arrived, grid.dtype = {}, self.other_dtype if side in (case.twin, self.finer) else None
        back = case.left_names() if left else {}
        given = Given(*cast(tuple(grid.given), grid.dtype)) if side is self.finer else grid.given
        numbers = case.run(side, self.trial.training, grid, {back.get(n, n) for n in self.wanted}, given)
        if left:
            numbers = judge.in_order(case.pairing.translate(numbers), self.right)
        return grid.arrived | end_numbers(numbers)

    def usual(self, place: Any) -> float:
        if isinstance(place, str):
            return largest(self.right[place]) if place in self.right else 0.0
        key, what, number = place
        call = next(call for call in self.trial.calls if call.key == key)
        values = _numeric((call.args, call.kwargs))[number:][:1] if what == "input" else [call.dys.get(number)]
        return max((largest(v) for v in values if v is not None), default=0.0)


def code_at_kinks(trial: Trial, right: Numbers) -> list[Measurement]:
    """The conventions in which the code between the layers differs, each where it arrives."""
    case = trial.case
    size = sum(np.size(array(x)) for call in trial.calls for x in floats((call.output, call.args, call.kwargs)))
    if not case.backward or case.twin is None or size > LARGEST or [c.key[0] for c in trial.calls] == [ROOT]:
        return []
    jumps = CodeJumps(trial, right)
    try:
        return [_measured(jumps, place, *found) for place, found in jumps.find().items()]
    except Exception:  # numbers that this code need not take
        return []
    finally:
        jumps.close()


def source(place: Any) -> tuple[Key | None, int]:
    """The call whose output's gradient this place is, or None for an input of the whole; and which of its numbers."""
    return (None, int(place[10:] or 0)) if isinstance(place, str) else (place[0], place[2])


def _measured(jumps: CodeJumps, place: Any, draw: int, element: Element) -> Measurement:
    trial = jumps.trial
    name, where = str(place), ROOT
    if not isinstance(place, str):
        key, what, number = place
        name = f"{what}{f' {number}' if number else ''} of {key[0]}"
        where = place_of_code(trial, key, what)
    unit = ulp(np.array([max(jumps.usual(place), abs(element.right))]), np.float64 if trial.case.fine else np.float32)
    element.ulp = abs(element.left - element.right) / unit
    m = Measurement(where, trial.kind(where), "kink", f"{name}{AT_KINKS}", max(element.ulp, 2 * LIMIT), LIMIT,
                    trial.mode, first=element)  # fmt: skip
    m.note = "only at exact zeros, integers or equal values; on what the code was given they agree"
    backward = place.startswith("grad input") if isinstance(place, str) else place[1] == "cotangent"
    text = (
        f"two conventions at a bound or for equal values: {element.left:g} on the left, {element.right:g} on the right"
    )
    m.cause = _slopes(jumps, place, draw, element) if backward else Cause("tie", text)
    return m


def _slopes(jumps: CodeJumps, place: Any, draw: int, element: Element) -> Cause | None:
    """Both sides' own conventions: their slopes, and those of the right a little below and above."""
    value = float(np.real(Grid(jumps.trial, draw).values(place)[element.index]))
    twin = jumps.case.twin
    assert twin is not None
    here, below, above = (
        jumps.arrive([twin], Grid(jumps.trial, draw, (place, element.index, size)), draw)[0][place]
        for size in (0.0, -(2.0**-20), 2.0**-20)
    )
    what = "the input" if isinstance(place, str) else f"an output of {place[0][0]}"
    beside = [float(np.real(g[element.index])) for g in (below, above)]
    unit = max(beside[::-1], key=abs)
    others = max(int((np.abs(g - here) > JUMP * largest(here)).sum()) for g in (below, above))
    left, right = element.left, element.right
    if jumps.names and others > 1:
        text = f"the gradient of {what} is {left:g} on the left, {right:g} on the right"
        return Cause("kink", f"two conventions at zeros, integers or equal values: {text}")
    if not unit or abs(beside[0] - beside[1]) <= JUMP * abs(unit) or others > 1:
        text = f"where {what} is {value:g}, as others are, the gradient is {left:g} on the left, {right:g} on the right"
        return Cause("tie", f"two conventions for equal values: {text}")
    slopes = [float(f"{x / unit:.3g}") + 0.0 for x in (left, right, *beside)]
    text = "two conventions: where {} is {:g} the slope is {:g} on the left, {:g} on the right ({:g} below, {:g} above)"
    return Cause("kink", text.format(what, value, *slopes) + CONVENTIONS * ({*slopes} <= {0.0, 0.5, 1.0}))


def _numeric(nest: Any) -> list[np.ndarray]:
    """The numbers and flags of a nest, as arrays."""
    found = (array(x) for x in leaves(nest))
    return [np.array(x) for x in found if isinstance(x, np.ndarray) and x.dtype.kind in "fiubc"]

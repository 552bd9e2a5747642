"""The trace of one side's run, and the probes that compare the other side with it while it runs.

Only one set of the right side's activations is kept, by reference where its engine allows. The left side is compared
layer by layer while it runs, and none of its activations are kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np

from parity_tests.comparer.arguments import differences
from parity_tests.comparer.judge import apart, noise
from parity_tests.comparer.nests import leaves
from parity_tests.comparer.side import LOSS, ROOT, Generators, Key, Probe, Side, generators
from parity_tests.comparer.values import array, cast, copied, floats, kept, moved

SAMPLE = 4096  # elements kept of a value between layers, when a further draw measures its rounding error


@dataclass
class Call:
    """One call of one layer: what went in, what came out, and the gradients of both."""

    key: Key
    parents: tuple[Key, ...]
    args: Any = ()
    kwargs: Any = field(default_factory=dict)
    output: Any = None
    around: tuple[str, ...] = ()
    dys: dict[int, np.ndarray] = field(default_factory=dict)
    dxs: dict[int, np.ndarray] = field(default_factory=dict)
    after: Any = None  # args and kwargs at the end of the call, if it has written into them
    passes: bool = False  # whether it gives back memory that it was given, as Dropout does in eval mode
    began: Generators | None = None
    ended: Generators | None = None

    def inputs(self) -> list[np.ndarray]:
        """The floating numbers that it received."""
        return floats((self.args, self.kwargs))

    def left(self) -> Any:
        """What it leaves of its arguments: args and kwargs at its end."""
        return (self.args, self.kwargs) if self.after is None else self.after

    def cotangents(self) -> list[np.ndarray | None]:
        return [self.dys.get(i) for i in range(len(floats(self.output)))]


Event = tuple[str, Key]  # "enter" or "leave", and the call


class Order(Probe):
    """The order in which layers are called, and which calls which."""

    def __init__(self) -> None:
        self.calls: dict[Key, Call] = {}
        self.open: list[Key] = []
        self.events: list[Event] = []

    def enter(self, key: Key, around: tuple[str, ...] = ()) -> None:
        self.calls[key] = Call(key, tuple(self.open), around=around)
        self.open.append(key)
        self.events.append(("enter", key))

    def forward(self, key: Key, args: Any, kwargs: Any, output: Any) -> None:
        while self.open and self.open.pop() != key:
            pass
        self.events.append(("leave", key))

    def counts(self) -> Counter[str]:
        return Counter(name for name, _ in self.calls)


class Recorder(Order):
    """Keeps copies of the right side's activations and gradients, since later code may write into them."""

    def __init__(self, side: Side) -> None:
        super().__init__()
        self.engine = side.engine
        self.latest = generators(self.engine)

    @staticmethod
    def keep(nest: Any) -> Any:
        return copied(kept(nest))

    def stand_in(self, key: Key, args: Any, kwargs: Any) -> Any:
        call = self.calls[key]
        call.args, call.kwargs, call.began = self.keep(args), self.keep(kwargs), self._generators()
        return None

    def forward(self, key: Key, args: Any, kwargs: Any, output: Any) -> None:
        super().forward(key, args, kwargs, output)
        call = self.calls[key]
        call.output, call.ended = self.keep(output), self._generators()
        given = [array(x) for x in floats((args, kwargs))]
        call.passes = any(np.may_share_memory(array(y), x) for y in floats(output) for x in given)
        if not same_numbers((call.args, call.kwargs), (args, kwargs)):
            call.after = self.keep((args, kwargs))

    def _generators(self) -> Generators:
        """One object for all calls between which no numbers are drawn."""
        now = generators(self.engine)
        self.latest = self.latest if now == self.latest else now
        return self.latest

    def cotangent(self, key: Key, number: int, dy: np.ndarray) -> None:
        self.calls[key].dys[number] = self.keep(dy)

    def gradient(self, key: Key, number: int, dx: np.ndarray) -> None:
        self.calls[key].dxs[number] = self.keep(dx)

    def leaf_calls(self, other: Order) -> list[Call]:
        """The calls that both sides make, of layers in which no other such call happens, in order."""
        ours, theirs = self.counts(), other.counts()
        paired = {name for name in ours if ours[name] == theirs[name]}
        inner = {
            parent[0]
            for calls in (self.calls, other.calls)
            for c in calls.values()
            if c.key[0] in paired
            for parent in c.parents
        }
        return [call for call in self.calls.values() if call.key[0] in paired - inner]

    def holders(self, calls: list[Call], other: Order) -> dict[Key, Call]:
        """The calls around these that both sides make equally often."""
        ours, theirs = self.counts(), other.counts()
        held = {parent for call in calls for parent in call.parents}
        return {key: self.calls[key] for key in held if key[0] != ROOT and ours[key[0]] == theirs[key[0]]}


class Follower(Order):
    """Compares a free run with the recorded one: the error that each layer's output and gradient carry.

    `exact` says that this run is the float64 one, and the recorded one is what is judged.
    """

    def __init__(self, trace: Recorder, exact: bool = False) -> None:
        super().__init__()
        self.trace = trace
        self.distance = (lambda exact, rough: apart(array(rough), array(exact))) if exact else single_distance
        self.outputs: dict[Key, float] = {}
        self.gradients: dict[Key, float] = {}

    def forward(self, key: Key, args: Any, kwargs: Any, output: Any) -> None:
        super().forward(key, args, kwargs, output)
        other = self.trace.calls.get(key)
        if other is not None and other.output is not None:
            pairs = list(zip(floats(output), floats(other.output), strict=False))
            missing = bool(floats(other.output)) and not pairs
            self.outputs[key] = np.inf if missing else max((self.distance(a, b) for a, b in pairs), default=0.0)

    def gradient(self, key: Key, number: int, dx: np.ndarray) -> None:
        other = self.trace.calls.get(key)
        if other is not None and number in other.dxs:
            error = self.distance(dx, other.dxs[number])
            self.gradients[key] = max(self.gradients.get(key, 0.0), error)


Place = tuple[Key, str, int]  # a call; "input", "after", "output", "cotangent" or "gradient"; and which of them
Other = tuple[str, str, Any, Any]  # what differs and is no floating number: its name, both in words, and both


class StandIns(Probe):
    """Replaces every paired layer by the right side's values, so that only the code between layers computes.

    What then arrives at a layer, compared with what arrived there on the right, is the error of that code alone.
    A layer that gives back what it is given computes: what is written into the one is then in the other as well.
    `holders` are the layers around others: they compute, and what they receive and give, ahead and back, is compared.
    `draw` > 0 moves the values a little; `seen` then keeps a sample of what arrives, and `against` is such a sample.
    `limits` is given for the left: larger differences are kept, and values other than floating numbers are compared
    too.
    """

    def __init__(
        self,
        calls: list[Call],
        dtype: Any,
        draw: int = 0,
        against: dict[Place, Any] | None = None,
        limits: dict[Place, float] | None = None,
        sides: tuple[Side, Side] | None = None,
        holders: dict[Key, Call] | None = None,
    ) -> None:
        self.calls = {call.key: call for call in calls}
        self.holders = holders or {}
        self.around = self.calls | self.holders
        self.dtype, self.draw, self.against, self.limits, self.sides = dtype, draw, against, limits, sides
        self.arrived: dict[Place, float] = {}
        self.seen: dict[Place, Any] = {}
        self.arrays: dict[Place, tuple[np.ndarray, np.ndarray]] = {}
        self.others: dict[tuple[Key, str], list[Other]] = {}  # by the call, and "input" or "output"
        self.cuts: list[tuple[Key, int]] = []  # outputs of holders that no gradient reaches
        self.dys: dict[Key, dict[int, np.ndarray]] = {}  # of the left
        self.reached: set[Key] = set()

    def enter(self, key: Key, around: tuple[str, ...] = ()) -> None:
        call = self.around.get(key)
        if call is None or self.sides is None:
            return
        for ours, theirs in zip(around, call.around, strict=False):
            if ours != theirs:
                self._differ(key, "input", ("state", f"{ours} on the left, {theirs} on the right", None, None))
        self._drawn(key, "input", call.began)

    def stand_in(self, key: Key, args: Any, kwargs: Any) -> Any:
        call = self.around.get(key)
        if call is None or key[0] == ROOT:
            return None
        self.reached.add(key)
        self._receive(key, "input", (args, kwargs), (call.args, call.kwargs))
        if key in self.holders or call.passes:
            return None
        if call.ended is not None:
            call.ended.restore()
        return self._values(call.output, key, 0)

    def again(self, key: Key) -> Any:
        call = self.calls.get(key)
        return None if call is None or call.passes or key[0] == ROOT else self._values(call.output, key, 0)

    def written(self, key: Key) -> Any:
        return self._values(self.calls[key].after, key, 2)

    def forward(self, key: Key, args: Any, kwargs: Any, output: Any) -> None:
        call = self.holders.get(key)
        if call is None:
            return
        for i, (y, other) in enumerate(zip(floats(output), floats(call.output), strict=False)):
            self._arrive((key, "output", i), y, other)
        self._receive(key, "after", (args, kwargs), call.left())
        if self.sides is not None:
            self._drawn(key, "output", call.ended)

    def cut(self, key: Key, number: int) -> None:
        if key in self.holders:
            self.cuts.append((key, number))

    def cotangent(self, key: Key, number: int, dy: np.ndarray) -> None:
        call = self.around.get(key)
        if self.sides is not None and call is not None:
            self.dys.setdefault(key, {})[number] = np.array(dy)
        if call is not None and number in call.dys:
            self._arrive((key, "cotangent", number), dy, call.dys[number])
        elif key in self.calls and np.any(dy):
            self.arrived[key, "cotangent", number] = np.inf

    def gradient(self, key: Key, number: int, dx: np.ndarray) -> None:
        call = self.holders.get(key)
        if call is not None and number in call.dxs:
            self._arrive((key, "gradient", number), dx, call.dxs[number])

    def stand_in_gradients(self, key: Key) -> list[np.ndarray | None]:
        call = self.calls[key]
        return self._values([call.dxs.get(i) for i in range(len(call.inputs()))], key, 1)

    def _receive(self, key: Key, what: str, ours: Any, theirs: Any) -> None:
        """Its arguments, at its beginning or at its end."""
        for i, (x, other) in enumerate(zip(floats(ours), floats(theirs), strict=False)):
            self._arrive((key, what, i), x, other)
        if self.sides is not None:
            left, right = (side.modules[key[0]] for side in self.sides)
            known = {other[:2] for other in self.others.get((key, "input"), ())}
            for other in differences(left, right, ours, theirs):
                if what == "input" or other[:2] not in known:
                    self._differ(key, "input" if what == "input" else "output", other)

    def _drawn(self, key: Key, what: str, theirs: Generators | None) -> None:
        """Whether as many random numbers have been drawn by now."""
        if theirs is not None and self.sides is not None and generators(self.sides[0].engine) != theirs:
            text = "more or fewer random numbers have been drawn on the left"
            self._differ(key, what, ("random state", text, None, None))

    def _differ(self, key: Key, what: str, other: Other) -> None:
        self.others.setdefault((key, what), []).append(other)

    def _values(self, nest: Any, key: Key, salt: int) -> Any:
        if self.draw:
            nest = moved(nest, np.random.default_rng([self.draw, salt, key[1], crc32(key[0].encode())]))
        return cast(nest, self.dtype) if self.dtype is not None else nest

    def _arrive(self, place: Place, value: np.ndarray, other: np.ndarray) -> None:
        value, other = np.asarray(array(value)), np.asarray(array(other))
        if self.draw == 0:
            coarser = min(value.dtype, other.dtype, key=lambda dtype: dtype.itemsize)
            error = single_distance(value, other) if self.dtype is None else apart(value, other, coarser)
            if self.sides is not None and self.sides[0].noise is not None:
                error = noise(value, other)
            self.arrived[place] = max(self.arrived.get(place, 0.0), error)
            if self.limits is not None and error > self.limits.get(place, np.inf):
                self.arrays[place] = np.array(value), np.array(other)
            return
        stride = max(1, value.size // SAMPLE)
        sample = np.array(value.ravel()[::stride])
        largest = np.abs(value).max() if value.size else 0.0
        if self.against is None:
            self.seen[place] = np.append(sample, sample.dtype.type(largest))
        elif place in self.against:
            self.arrived[place] = apart(self.against[place], np.append(sample, largest))


def same_numbers(a: Any, b: Any) -> bool:
    """Whether two nests of the same layout hold the same numbers."""
    pairs = zip(leaves(a), leaves(b), strict=False)
    return all(x is y or np.array_equal(array(x), array(y)) for x, y in pairs if hasattr(x, "dtype"))


def single_distance(value: Any, truth: Any) -> float:
    """Distance in ulp; a dtype or shape that differs is infinitely far."""
    value, truth = np.asarray(array(value)), np.asarray(array(truth))
    if value.dtype != truth.dtype or value.shape != truth.shape:
        return float("inf")
    return apart(value, truth)


def kind_of(side: Side, name: str) -> str:
    module = side.loss if name == LOSS and side.loss is not None else side.modules.get(name)
    return type(module).__name__

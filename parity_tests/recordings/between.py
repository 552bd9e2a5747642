"""The code between layers, as a question: every layer gives what was recorded, and what then arrives is the answer.

It is asked on the numbers of the run, and at kinks and ties, where layers and inputs give exact zeros, small integers
and equal values: an inline relu, clamp or maximum meets its kink there. Only what float32 and float64 give alike is
asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from zlib import crc32

import numpy as np

from parity_tests.comparer import diagnose, judge
from parity_tests.comparer.case import Case
from parity_tests.comparer.conventions.recorded import Standing
from parity_tests.comparer.findings import AT_KINKS, Cause, Measurement
from parity_tests.comparer.jumps import CONVENTIONS, on_grid
from parity_tests.comparer.kinks import LARGEST
from parity_tests.comparer.nests import leaves, map_nest
from parity_tests.comparer.side import ROOT, Given, Key, Probe, Side
from parity_tests.comparer.trace import Call, Recorder, kind_of
from parity_tests.comparer.values import Numbers, array, cast, is_float, moved
from parity_tests.nests import numbered
from parity_tests.recordings.query import Query, Stand
from parity_tests.rule import DRAWS

ARRIVAL = re.compile(r"(input|cotangent)(?: (\d+))? of (.+?)(?:, call (\d+))?")


class StandIns(Probe):
    """Layers that give what was recorded; what arrives at each is kept by name."""

    def __init__(self, stands: list[Stand], dtype: Any) -> None:
        self.stands = {(stand.layer, stand.number): stand for stand in stands}
        self.around = {name for stand in stands for name in stand.inside}  # these compute
        self.dtype = dtype
        self.arrived: Numbers = {}
        self.reached: set[Key] = set()

    def stand_in(self, key: Key, args: Any, kwargs: Any) -> Any:
        if key in self.stands or key[0] in self.around:
            for i, x in enumerate(_numeric((args, kwargs))):
                self.arrived[arrival("input", i, key)] = x
        if key not in self.stands:
            return None
        self.reached.add(key)
        return self._cast(self.stands[key].output)

    def again(self, key: Key) -> Any:
        return self._cast(self.stands[key].output) if key in self.stands else None

    def cotangent(self, key: Key, number: int, dy: np.ndarray) -> None:
        if key in self.stands or key[0] in self.around:
            self.arrived[arrival("cotangent", number, key)] = np.array(dy)

    def stand_in_gradients(self, key: Key) -> list[np.ndarray | None]:
        return [None if dx is None else self._cast(dx) for dx in self.stands[key].gradients]

    def _cast(self, nest: Any) -> Any:
        return nest if self.dtype is None else cast(nest, self.dtype)


def arrival(what: str, number: int, key: Key) -> str:
    """Such as `input of fc2`, `cotangent 1 of lstm, call 2`."""
    return f"{numbered(what, number)} of {key[0]}" + (f", call {key[1] + 1}" if key[1] else "")


def key_of(what: str) -> tuple[str, int, Key] | None:
    """What arrives, which of them, and at which call; None for a number at the end."""
    found = ARRIVAL.fullmatch(what)
    if found is None:
        return None
    return found[1], int(found[2] or 0), (found[3], int(found[4] or 1) - 1)


def _numeric(nest: Any) -> Iterator[np.ndarray]:
    for leaf in leaves(nest):
        value = array(leaf)
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            yield np.array(value)


def queries(case: Case, mode: str, trace: Recorder, seed: int) -> Iterator[Query]:
    """The question of the run, and the one at kinks; none if the layers cannot be replaced, or are the whole."""
    holders = {parent for call in trace.calls.values() for parent in call.parents}
    inner = [call for key, call in trace.calls.items() if key not in holders and key[0] != ROOT and not call.passes]
    if not inner or any(call.after is not None for call in trace.calls.values()):
        return
    kind = kind_of(case.right, ROOT)
    stands = [
        Stand(*call.key, call.output, [call.dxs.get(i) for i in range(len(call.inputs()))],
              [key[0] for key in call.parents if key[0] != ROOT]) for call in inner
    ]  # fmt: skip
    plain = Query(f"{mode}-between", ROOT, 0, mode, kind, *case.given, None, case.target, stands=stands)
    yield plain
    values = [*_numeric(tuple(case.given)), *(x for stand in stands for x in _numeric(stand.output))]
    if case.backward and sum(x.size for x in values) <= LARGEST:
        grid = [replace(s, output=_grid(s.output, [seed, s.number, crc32(s.layer.encode())])) for s in stands]
        args, kwargs = _grid((plain.args, plain.kwargs), [seed])
        yield replace(plain, name=f"{mode}-between-kinks", args=args, kwargs=kwargs, stands=grid, kinks=True)


def _grid(nest: Any, seed: list[int]) -> Any:
    rng = np.random.default_rng(seed)
    return map_nest(lambda x: on_grid(x, rng, seed[:1]), nest)


def ask(case: Case, side: Side, query: Query, dtype: Any = None) -> Numbers:
    """What arrives on one side, and what the end gives; nothing if it does not call the same layers."""
    if not all(stand.layer in side.modules for stand in query.stands):
        return {}
    probe = StandIns(query.stands, dtype)
    given = Given(query.args, query.kwargs)
    numbers = case.run(side, query.training, probe, given=given if dtype is None else Given(*cast(tuple(given), dtype)))
    if len(probe.reached) < len(probe.stands):
        return {}
    ends = {w: v for w, v in numbers.items() if w.startswith(("output", "grad input")) and v.dtype.kind in "fiub"}
    return probe.arrived | ends


def judged(case: Case, query: Query) -> tuple[Numbers, Numbers, dict[str, float]]:
    """What the code gives, in float64, and its own error over the draws. Empty if there is no float64 twin."""
    if case.twin is None:
        return {}, {}, {}
    dtype = np.float32 if case.fine else np.float64
    first = ask(case, case.right, query)
    truth: Numbers = {}
    u: dict[str, float] = {}
    for draw in range(1 if query.kinks else DRAWS):
        rng = np.random.default_rng([case.seed, draw])
        near = query if not draw else replace(
            query, args=moved(query.args, rng), kwargs=moved(query.kwargs, rng),
            stands=[replace(s, output=moved(s.output, rng)) for s in query.stands])  # fmt: skip
        rough = first if not draw else ask(case, case.right, near)
        exact = ask(case, case.twin, near, dtype)
        rough, exact = (exact, rough) if case.fine else (rough, exact)
        for what in exact.keys() & rough.keys():
            u[what] = max(u.get(what, 0.0), judge.own_error(rough[what], exact[what]))
        truth = truth or exact
    both = [what for what in first if what in truth]
    return {w: first[w] for w in both}, {w: truth[w] if is_float(truth[w]) else first[w] for w in both}, u


def holder_of(query: Query, layer: str) -> str:
    """The layer whose code makes what arrives at this one."""
    for stand in query.stands:
        path = [*stand.inside, stand.layer]
        if layer in path:
            return path[path.index(layer) - 1] if path.index(layer) else ROOT
    return ROOT


class Arrivals:
    """What was measured of the code between layers, taken out in the order of a run."""

    def __init__(self, measured: list[Measurement]) -> None:
        apart = {m.what for m in measured if not m.ok and not m.at_kinks}  # these are so at kinks too
        self.left = [m for m in measured if not (m.at_kinks and m.what.removesuffix(AT_KINKS) in apart)]

    def take(self, what: str, query: Query) -> list[Measurement]:
        """What arrives at a call, and at the layers that hold it."""
        keys = (query.layer, query.number), query.about["inside"]
        return self._take(lambda place: place is not None and place[0] == what and (
            place[2] == keys[0] or place[2][0] in keys[1]))  # fmt: skip

    def take_end(self, what: str) -> list[Measurement]:
        """Numbers of this name that the end gives; with no name all that is left."""
        taken = [m for m in self.left if m.what.startswith(what)]
        self.left = [m for m in self.left if not m.what.startswith(what)]
        return taken

    def _take(self, wanted: Any) -> list[Measurement]:
        taken = [m for m in self.left if wanted(key_of(m.what.removesuffix(AT_KINKS).partition(" in ")[0]))]
        self.left = [m for m in self.left if m not in taken]
        return taken


def cause_of(query: Query, side: Any, what: str, value: Any, other: Any, limit: float) -> Cause | None:
    """The convention by which the code differs, where the right's can be run; at kinks, what each side gives."""
    place = key_of(what)
    if isinstance(side, Side) and side.engine == "torch" and (place is None) == what.startswith("output"):
        calls = {(s.layer, s.number): Call((s.layer, s.number), (), output=s.output) for s in query.stands}
        where = (place[2], place[0], place[1]) if place is not None else (None, "output", what)
        gap = diagnose.Gap(side, Standing(calls, ()), where, Given(query.args, query.kwargs), query.target,
                           query.training, 0, value, other, limit)  # fmt: skip
        found = diagnose.between(gap)
        if found is not None:
            return found
    if not query.kinks:
        return diagnose.relation(value, other, limit)
    if np.shape(value) != np.shape(other):
        return None
    apart = np.argwhere(np.abs(value.astype(np.float64) - other) > 0)
    if not len(apart):
        return None
    left, right = (float(x[tuple(apart[0])]) for x in (value, other))
    text = f"two conventions at a bound, at zero or for equal values: {left:g} on the left, {right:g} on the right"
    return Cause("kink", text + CONVENTIONS * (what.startswith(("cotangent", "grad"))))

"""Differences from which nothing follows: a flag, a mask of another kind, work done before a layer or after it.

A correct port is full of them. Beside a mistake they would be named in its place, as they come earlier. So where the
end is apart, those in front are put to the test, up to the first one that matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity_tests.comparer.findings import Measurement
from parity_tests.comparer.judge import apart
from parity_tests.comparer.side import ROOT, Key, Probe
from parity_tests.comparer.trace import Call
from parity_tests.comparer.trial import Trial
from parity_tests.comparer.values import Numbers, is_float
from parity_tests.rule import FLOOR

SAME = 16 * FLOOR  # ulp: the same numbers, rounded in another order
TESTS = 8  # differences that are tested, each by a run or less


def without_idle(trial: Trial, found: list[Measurement], end: list[Measurement]) -> list[Measurement]:
    """What was found, in order, but for the first of the differences, as long as nothing follows from them.

    They become notes. If nothing follows from any, all remain. One that was tested in the forward pass alone may still
    be the reason for gradients that are apart: it remains where the first that matters is one of those.
    """
    bad = [m for m in found if not m.ok and not m.at_kinks]
    idle: list[Measurement] = []
    test = _Test(trial, end, bad)
    first = None
    for m in bad[:TESTS] if len(bad) > 1 else ():
        try:
            if test.matters(m):
                first = m
                break
        except Exception:  # anything a user's own code may raise when it is run in another way
            first = m
            break
        idle.append(m)
    if first is None or not idle:
        return found
    if first.phase == "backward" or first.what.startswith(("grad ", "cotangent", "gradient")):
        idle = idle[: next((i for i, m in enumerate(idle) if id(m) in test.ahead), len(idle))]
    ids = {id(m) for m in idle}
    rest = [m for m in found if id(m) not in ids]
    busy = {id(trial.places[id(m)].line) for m in rest if not m.ok and id(m) in trial.places}
    for m in idle:
        trial.case.report.note(f"inside, {m}: nothing that follows depends on it")
        line = trial.places[id(m)].line
        if line is not None and id(line) not in busy:
            line.idle = True
    return rest


def at_a_dead_end(trial: Trial, found: list[Measurement]) -> str | None:
    """Why agreement at the end says nothing of a difference: nothing that the right gives depends on that layer.

    The gradient of its output is zero, as behind dead ReLUs.
    """
    for m in (m for m in found if not m.ok and not m.at_kinks):
        placed = trial.places.get(id(m))
        if placed is None or placed.what not in ("input", "output") or m.phase in ("buffer", "backward", "state"):
            continue
        dys = trial.trace.calls[placed.key].dys.values()
        if dys and not any(np.any(dy) for dy in dys):
            return (
                f"{m.what} differs, and with these inputs nothing depends on it: the gradient of the output of "
                f"{placed.key[0]} is zero on the right. Other inputs or parameters would tell"
            )
    return None


class _Test:
    """Whether anything follows from a difference."""

    def __init__(self, trial: Trial, end: list[Measurement], bad: list[Measurement]) -> None:
        self.trial, self.bad = trial, bad
        self.limits = {m.what: m.limit for m in end}
        self.outputs = [m.what for m in end if not m.ok and m.what.startswith(("output", "prediction"))]
        self.gradients = {m.what.removeprefix("grad ") for m in end if not m.ok and m.what.startswith("grad ")}
        self.free: Numbers | None = None
        self.known: dict[Key, bool] = {}
        self.ahead: set[int] = set()  # measurements that were tested in the forward pass alone

    def matters(self, m: Measurement) -> bool:
        placed = self.trial.places.get(id(m))
        if placed is None:
            return True
        key, what, other = placed.key, placed.what, placed.other
        if what == "absent":
            return self._absent(key)
        if what == "cotangent":
            return self._gradients_change(key)
        if what not in ("input", "after", "output") or m.phase in ("buffer", "backward", "state"):
            return True
        if other is not None and other[0] in ("state", "random state"):
            return True  # whoever drew a random number more is to be found, or who changed the mode
        if other is not None and what == "input" and not self._argument_counts(key, other):
            return False
        self.ahead.add(id(m))
        return self._output_counts(key)

    def _output_counts(self, key: Key) -> bool:
        """Whether the left's end changes if this layer gives what it gives on the right, in each of its calls."""
        if key not in self.known:
            self.known[key] = self._replaced(key)
        return self.known[key]

    def _replaced(self, key: Key) -> bool:
        call = self.trial.trace.calls[key]
        if key[0] == ROOT or call.passes:
            return True
        if not self.outputs:  # the forward pass is right at the end: what is left are gradients of its own parameters
            return any(name.startswith(f"{key[0]}.") for name in self.gradients)
        case, training = self.trial.case, self.trial.training
        if self.free is None:
            self.free = case.run(case.left, training, backward=False)
        other = case.run(case.left, training, _Given(self.trial.trace.calls, key[0]), backward=False)
        return any(
            other[w].shape != y.shape or apart(other[w], y) > 2 * self.limits.get(w, FLOOR)
            for w, y in self.free.items()
            if w.startswith(("output", "prediction")) and is_float(y)
        )

    def _argument_counts(self, key: Key, other: Any) -> bool:
        """Whether the right's layer gives something else if one argument is the left's."""
        name, _, ours, _ = other
        call = self.trial.trace.calls[key]
        if "." in name or name.startswith("argument"):
            return True
        return self._local(key, call.kwargs | {name: ours}, call.cotangents())

    def _gradients_change(self, key: Key) -> bool:
        """Whether the layer makes other gradients of the left's than of the right's."""
        call = self.trial.trace.calls[key]
        given = self.trial.arrived.get(key, {})
        dys = [given.get(i, None if dy is None else np.zeros_like(dy)) for i, dy in enumerate(call.cotangents())]
        return self._local(key, call.kwargs, dys)

    def _local(self, key: Key, kwargs: Any, dys: list[Any]) -> bool:
        case, call, training = self.trial.case, self.trial.trace.calls[key], self.trial.training
        if key[0] == ROOT:
            return True
        own = case.right.local(key[0], call.args, call.kwargs, call.cotangents(), training, case.seed)
        other = case.right.local(key[0], call.args, kwargs, dys, training, case.seed)
        used = {f"output {i}" if i else "output" for i, dy in enumerate(call.cotangents()) if dy is not None}
        for what, value in own.items():
            if what.startswith("output") and used and what not in used:
                continue  # nothing uses it
            if is_float(value) and (what not in other or apart(other[what], value) > SAME):
                return True
        return False

    def _absent(self, key: Key) -> bool:
        """A layer of the right that the left does not call.

        If it has parameters and the left uses them, it computes the layer in code of its own, which is compared as
        that. If it has none, it matters if what arrives next is something else.
        """
        asked = [n for n in self.trial.case.right.trainable() if n.startswith(f"{key[0]}.")]
        if asked:
            return not self._used(f"{key[0]}.")
        events = self.trial.trace.events
        after = events[events.index(("enter", key)) + 1 :]
        step, place = next(event for event in after if event in self.trial.number and event[1] != key)
        return any(self._arrives(m, step, place) for m in self.bad)

    def _used(self, layer: str) -> bool:
        """Whether the left has a gradient for any parameter of a layer."""
        case = self.trial.case
        own = {n for n, link in case.pairing.links.items() if any(t.startswith(layer) for t in link.theirs)}
        numbers = case.run(case.left, self.trial.training, None, own) if own and case.backward else {}
        return any(np.any(numbers[f"grad {n}"]) for n in own if f"grad {n}" in numbers)

    def _arrives(self, m: Measurement, step: str, key: Key) -> bool:
        """Whether this is a difference of what arrives there; at the end, of the output."""
        placed = self.trial.places.get(id(m))
        if placed is not None:
            return placed.key == key and placed.what == ("input" if step == "enter" else "output")
        return key[0] == ROOT and m.phase == "between" and m.what.startswith("output")


class _Given(Probe):
    """One layer gives what it gives on the right."""

    def __init__(self, calls: Mapping[Key, Call], name: str) -> None:
        self.calls = {key: call for key, call in calls.items() if key[0] == name}

    def stand_in(self, key: Key, args: Any, kwargs: Any) -> Any:
        call = self.calls.get(key)
        if call is not None and call.ended is not None:
            call.ended.restore()
        return None if call is None else call.output

    def written(self, key: Key) -> Any:
        return self.calls[key].after

    def again(self, key: Key) -> Any:
        return self.calls[key].output if key in self.calls else None

    def stand_in_gradients(self, key: Key) -> list[np.ndarray | None]:
        return [self.calls[key].dxs.get(i) for i in range(len(self.calls[key].inputs()))]

"""The truth: what the right side gives when it is run alone, and how far float32 takes it from that.

The truth is the right side in float64, U its own float32 error over the draws; the limit is 4 U + 4. Where no float64
twin can be made or run, or it computes something else, U is how far the right's float32 moves when its inputs and
parameters move by an ulp, and the limit 5 U + 4. A right side that is float64 itself has its U from float32, in ulp, as
everywhere in this project.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity_tests.comparer import judge
from parity_tests.comparer.case import OTHER_FUNCTION, Case
from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.shelf import Shelf
from parity_tests.comparer.side import random_numbers_drawn
from parity_tests.comparer.values import Numbers, is_float, moved
from parity_tests.rule import DRAWS, FLOOR

ULP = 2.0**-23
NOISE = 2.0**7  # ulp by which the twin of a model that draws random numbers draws others: no rounding is as large


@dataclass
class Truth:
    """What the right gives: `rough` as it computes, `exact` in float64, and its own error `u` over the draws."""

    rough: MutableMapping[str, np.ndarray]
    exact: MutableMapping[str, np.ndarray]
    twin: bool
    u: dict[str, float] = field(default_factory=dict)
    by_twin: bool = False

    def limit(self, what: str, largest: float) -> float:
        u = self.u.get(what, 0.0)
        if judge.is_parameter_gradient(what):
            return judge.gradient_limit(u, self.exact[what], self.rough[what].dtype, largest, self.twin)
        return judge.limit(u, self.twin)


def truth_of(case: Case, training: bool) -> Truth:
    """The right's free runs. A failure of the first cannot be compared with."""
    wanted = set(case.right.trainable())
    if case.twin is not None:
        empty = Truth(_numbers(case), _numbers(case), not case.fine)
        found = _by_twin(case, training, wanted, empty, (0,))
        if found is not None:
            return found
    return _by_moves(case, training, case.run(case.right, training, wanted=wanted), wanted)


def _numbers(case: Case) -> MutableMapping[str, np.ndarray]:
    """Where the numbers of a run are kept: those of a large model on a shelf."""
    return Shelf() if case.large and not case.fine else {}


def widen(case: Case, training: bool, truth: Truth) -> bool:
    """The further draws of U, where the first has not been enough. Whether there were any."""
    if case.twin is None or not truth.by_twin:
        return False
    return _by_twin(case, training, set(case.right.trainable()), truth, range(1, DRAWS)) is not None


def _by_twin(case: Case, training: bool, wanted: set[str], truth: Truth, draws: Iterable[int]) -> Truth | None:
    """None if the twin cannot be run, or is another function: then the caller uses the right's float32 draws.

    A large model's gradients are compared as the twin hands them over.
    """
    assert case.twin is not None
    truth.by_twin = True
    for draw in draws:
        given = case.drawn(draw)
        rough = _numbers(case)
        keep = rough.__setitem__ if isinstance(rough, Shelf) else None
        rough.update(case.run(case.right, training, wanted=wanted, given=given, sink=keep))

        def take(what: str, exact: Any, rough: Any = rough, last: bool = draw == 0) -> None:
            if what not in rough:
                return
            pair = (exact, rough[what]) if case.fine else (rough[what], exact)
            truth.u[what] = max(truth.u.get(what, 0.0), judge.own_error(*pair))
            if last:
                truth.rough[what], truth.exact[what] = rough.pop(what), np.array(pair[1])

        try:
            exact = case.run(case.twin, training, wanted=wanted, given=given, sink=take if keep else None)
        except Exception as error:
            case.report.note(
                f"the right's float64 twin cannot be run ({told(error)}): the right's float32 draws alone judge"
            )
            case.drop_twin()
            return None
        bound = NOISE if case.draws else OTHER_FUNCTION
        if _another_function(exact if case.fine else rough, rough if case.fine else exact, bound):
            case.report.note(
                "the right's float64 twin draws other random numbers or takes other branches: the right's float32 "
                "draws alone judge"
            )
            if case.draws:
                case.drop_twin()
            return None
        for what in list(exact):
            take(what, exact.pop(what))
    return truth


def _another_function(rough: Mapping[str, Any], exact: Mapping[str, Any], bound: float) -> bool:
    outputs = [w for w in rough if w.startswith(("output", "prediction")) and is_float(rough[w]) and w in exact]
    return any(judge.own_error(rough[w], exact[w]) > bound for w in outputs)


def _by_moves(case: Case, training: bool, rough: Numbers, wanted: set[str]) -> Truth:
    truth = Truth(rough, rough, False)
    size = 2.0**-52 if case.fine else ULP
    parameters = {name: np.array(value) for name, value in case.right.state().items() if is_float(value)}
    for draw in range(1, DRAWS + 1):
        rng = np.random.default_rng([case.seed, 77, draw])
        try:
            for name, value in parameters.items():
                case.right.load(name, moved(value, rng, size))
            near = case.run(case.right, training, wanted=wanted, given=case.drawn(draw, size))
        finally:
            for name, value in parameters.items():
                case.right.load(name, value)
        for what, value in rough.items():
            if what in near:
                truth.u[what] = max(truth.u.get(what, 0.0), judge.own_error(near[what], value))
    return truth


def repeats(case: Case, training: bool) -> bool:
    """Whether the right gives the same twice from one seed, up to a few ulp. If not, it cannot be the reference."""
    first, again = (case.run(case.right, training, backward=False) for _ in range(2))
    case.draws = random_numbers_drawn(case.seed)
    outputs = [what for what in first if not what.startswith("buffer ")]
    if case.right.loss is not None and not any(what.startswith("output") for what in outputs):
        raise CompareError("compare: the loss gives no number on the right side.")
    return all(what in again and judge.error(again[what], first[what], first[what]) <= FLOOR for what in outputs)


def same_function(case: Case, training: bool, seen: Truth) -> bool:
    """Whether a large model gives in this mode what it gave in the other: then its truth is the same."""
    if not case.large:
        return False
    numbers = case.run(case.right, training, backward=False)
    outputs = [what for what in numbers if what.startswith("output")]
    return all(what in seen.rough and np.array_equal(numbers[what], seen.rough[what]) for what in outputs) and all(
        np.array_equal(numbers[what], seen.rough[what]) for what in numbers if what.startswith("buffer ")
    )

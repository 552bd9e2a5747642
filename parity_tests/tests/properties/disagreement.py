"""One way in which scratch and torch are known to differ, and the conditions on which it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from parity_tests.nests import leaves
from parity_tests.tests.properties.example import Departure, Example
from parity_tests.tests.properties.verdict import Problem

Holds = Callable[[Example, Problem], bool]


@dataclass(frozen=True)
class Disagreement:
    """Problems of the components that match `names`, where `holds` says so."""

    names: str
    reason: str
    holds: Holds
    witness: Example
    by_chance: bool = False  # memory that was never written may hold the right number
    until: tuple[int, int] | None = None  # the release of torch that agrees with scratch

    def covers(self, example: Example, problem: Problem) -> bool:
        name = example.pair().name
        return any(fnmatchcase(name, pattern) for pattern in self.names.split()) and self.holds(example, problem)


def scratch_refuses(*words: str, after: tuple[type[Departure], ...] = (Departure,)) -> Holds:
    """Scratch alone refuses, with one of these words, an example with one of these departures."""
    return lambda example, problem: (
        problem.what == "verdict"
        and problem.theirs.error is None
        and any(word in str(problem.ours.error) for word in words)
        and example.has_departure(*after)
    )


def torch_refuses(*words: str) -> Holds:
    """Torch alone refuses, with one of these words."""
    return lambda _, problem: (
        problem.what == "verdict" and problem.ours.error is None and any(w in str(problem.theirs.error) for w in words)
    )


def other_class(*words: str) -> Holds:
    """Both refuse, torch with one of these words."""
    return lambda _, problem: problem.what == "class" and any(word in str(problem.theirs.error) for word in words)


def is_empty(example: Example) -> bool:
    return any(isinstance(x, np.ndarray) and x.size == 0 for x in leaves(example.inputs(example.pair(), example.dtype)))

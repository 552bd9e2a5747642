"""A Case to measure, the limits on it, and the Work that one engine does for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any


class Unavailable(RuntimeError):
    """An engine that cannot run a case here; the text says why."""


@dataclass(frozen=True)
class Limit:
    """The limit of the case's first engine: at most `most` times another engine's value, or `most` in its own unit.

    If a phase is named, only that is judged, else the sum of all phases. `late` compares an engine with itself: its
    last rounds with its first ones, in units of another engine's value if one is named, for the machine may change too.
    """

    most: float
    against: str = ""
    phase: str = ""
    late: bool = False


@dataclass(frozen=True)
class Case:
    """One thing that several engines do, each in its own process.

    name      its name in the report; patterns are searched in "group/name"
    group     the module of experiments.bench.cases whose `prepare(engine, **setting)` returns an engine's Work
    engines   the engines that do it; limits are on the first
    setting   numbers and words that define the work, all of which JSON can hold
    threads   of every pool of every engine, and the number of processors that its process may use
    rounds    measurements of each engine, taken in turn
    seconds   the least time of one measurement, in which the work is repeated; 0 for work that cannot be repeated
    unit      of what is measured
    judged    whether the accuracy is measured after every round
    fresh     a new process for this case alone
    reason    why a limit is missed, or why the figure is as it is
    """

    name: str
    group: str
    engines: tuple[str, ...] = ("scratch", "torch")
    setting: dict[str, Any] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    threads: int = 1
    rounds: int = 15
    seconds: float = 0.05
    unit: str = "s"
    judged: bool = False
    fresh: bool = False
    reason: str = ""

    @property
    def label(self) -> str:
        return f"{self.group}/{self.name}"


class Work:
    """One engine's part of a case, prepared in the worker process."""

    def warm_up(self) -> None:
        """Work that happens once, before anything is measured."""

    def measure(self, seconds: float) -> dict[str, float]:
        """One measurement: phase -> value."""
        raise NotImplementedError

    def accuracy(self) -> float | None:
        """The accuracy of the training, if something is trained."""
        return None

    def facts(self) -> dict[str, Any]:
        """Further remarks, read after all measurements."""
        return {}


@dataclass
class Timed(Work):
    """Phases that follow one another and can be repeated, each timed. `reset` comes first and is not timed."""

    phases: dict[str, Callable[[], Any]]
    reset: Callable[[], Any] = lambda: None
    notes: Callable[[], dict[str, Any]] = dict

    def warm_up(self) -> None:
        for _ in range(2):
            self.measure(0)

    def measure(self, seconds: float) -> dict[str, float]:
        """The mean seconds of each phase over as many repetitions as take `seconds`, at least one."""
        spent = dict.fromkeys(self.phases, 0.0)
        repeats = 0
        while not repeats or sum(spent.values()) < seconds:
            self.reset()
            for name, phase in self.phases.items():
                start = perf_counter()
                phase()
                spent[name] += perf_counter() - start
            repeats += 1
        return {name: total / repeats for name, total in spent.items()}

    def facts(self) -> dict[str, Any]:
        return self.notes()


def library(engine: str) -> Any:
    """The package behind an engine: scratch, or torch under scratch's names."""
    if engine.split()[0] == "scratch":
        import scratch

        return scratch
    import torch_impl

    return torch_impl

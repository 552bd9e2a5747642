"""Speed ratios for the overview, from the files that the benchmark wrote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from experiments.bench import run as bench
from experiments.bench import stored
from experiments.bench.lines import described, lines
from experiments.bench.measure import Result
from experiments.site.pages import Component

GROUPS = ("components", "optimizers")  # of the benchmark
STANDARD = "100 thousand"  # the size at which every optimizer is measured
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


@dataclass(frozen=True)
class Speed:
    """Scratch beside torch: the ratio of their times, round by round, and its spread."""

    component: Component
    scratch: str
    torch: str
    ratio: float
    spread: str
    limit: str
    missed: bool
    remark: str


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis of ratios."""

    low: float
    high: float

    @classmethod
    def of(cls, speeds: Sequence[Speed]) -> Scale:
        """From a tick below all ratios to a tick above; 1 is always on it."""
        ratios = [1.0, *(one.ratio for one in speeds)]
        below = [tick for tick in TICKS if tick < min(ratios)] or [min(ratios) / 2]
        above = [tick for tick in TICKS if tick > max(ratios)] or [max(ratios) * 2]
        return cls(below[-1], above[0])

    @property
    def ticks(self) -> list[float]:
        return [tick for tick in TICKS if self.low <= tick <= self.high]

    def place(self, ratio: float) -> float:
        """Percent of the way from low to high."""
        return round(100 * math.log(ratio / self.low) / math.log(self.high / self.low), 2)


def read(components: Sequence[Component]) -> tuple[dict[str, Speed], list[str]]:
    """The measured speed of every component, with the place and date of the measurement."""
    pages = {one.name: one for one in components}
    speeds: dict[str, Speed] = {}
    sources = []
    for report in _reports(bench.RESULTS):
        found = [(pages.get(_name(result)), result) for result in report["results"]]
        of_group = {one.name: _speed(one, result) for one, result in found if one and "torch" in result["ratios"]}
        if of_group:
            speeds |= of_group
            sources.append(described(report))
    return speeds, sources


def _reports(folder: Path) -> list[Any]:
    paths = [path for group in GROUPS if (path := folder / f"bench-{group}.json").is_file()]
    return [_report(path, path.stat().st_mtime_ns) for path in paths]


@cache  # every page of a component asks
def _report(path: Path, changed: int) -> Any:
    return stored.read(path)


def _name(result: Result) -> str:
    """The component that a case measures; empty for other sizes and options of an optimizer."""
    setting: dict[str, Any] = result["setting"]
    if "rule" not in setting:
        return setting.get("name", "")
    return f"optim.{setting['rule']}" if setting["size"] == STANDARD else ""


def _speed(component: Component, result: Result) -> Speed:
    line = next(line for line in lines(result) if line.theirs.startswith("torch "))
    return Speed(
        component,
        line.ours,
        line.theirs.removeprefix("torch "),
        result["ratios"]["torch"]["median"],
        line.spread,
        line.limit,
        line.verdict == "MISSED",
        "; ".join(part for part in (line.remark, line.reason) if part),
    )


def middle(speeds: Sequence[Speed]) -> float | None:
    return median(one.ratio for one in speeds) if speeds else None

"""The time of a component on both engines, from the benchmark or else measured here."""

from __future__ import annotations

from statistics import median

from experiments.bench.case import Work
from experiments.bench.cases import components, optimizers
from experiments.bench.measure import ratios, totals
from experiments.site.figures.first_row import quietly
from experiments.site.pages import Component, duration
from experiments.site.speed import STANDARD, Speed, read
from parity_tests.engine import ENGINES

ROUNDS, SECONDS, BUDGET = 3, 0.004, 0.1  # rounds, seconds of one measurement, and of all unless one takes longer
IN_PASSING = "measured while this site was built, with other work on the machine: rough"


def speed(component: Component) -> Speed | None:
    """None if nothing can be timed."""
    saved, _ = read([component])
    return saved.get(component.name) or in_passing(component)


def in_passing(component: Component) -> Speed | None:
    """Scratch and torch in turn, a few rounds; ratios round by round."""
    rule = component.name.removeprefix("optim.")
    with quietly():
        try:
            if component.family == "optim":
                work: dict[str, Work] = {engine: optimizers.prepare(engine, rule, STANDARD) for engine in ENGINES}
            else:
                work = {engine: components.prepare(engine, component.name) for engine in ENGINES}
        except (KeyError, AttributeError, RuntimeError, ValueError, TypeError):
            return None
        once = sum(sum(timed.measure(0).values()) for timed in work.values())
        values: dict[str, dict[str, list[float]]] = {engine: {} for engine in work}
        for _ in range(max(2, min(ROUNDS, int(BUDGET / max(once, 2 * SECONDS))))):
            for engine, timed in work.items():
                for phase, value in timed.measure(SECONDS).items():
                    values[engine].setdefault(phase, []).append(value)
    rounds = ratios(values["scratch"], values["torch"])
    ours, theirs = (duration(median(totals(values[engine]))) for engine in ("scratch", "torch"))
    spread = f"{min(rounds):.2f} to {max(rounds):.2f}"
    return Speed(component, ours, theirs, median(rounds), spread, "", False, IN_PASSING)

"""One case measured: its engines in turn, round after round; then ratios, spreads, and whether the limits are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any, TypeVar

from experiments.bench.case import Case, Limit, Unavailable
from experiments.bench.engine_process import EngineProcess, WorkerError

PAUSE = 0.3  # seconds in which the idle threads of one engine stop spinning, before the next engine is measured
TAIL = 3  # rounds that "first" and "last" mean

Start = Callable[[str], EngineProcess]
Result = dict[str, Any]
T = TypeVar("T")


def measure(case: Case, start: Start, tick: Callable[[], None] = lambda: None) -> Result:
    """Prepare each engine, measure them A B A B, and return the case's entry for the file of results.

    An engine that is not available is skipped with its reason. One that fails ends the case.
    """
    result: Result = {
        "case": case.name,
        "setting": case.setting,
        "threads": case.threads,
        "unit": case.unit,
        "values": {},
        "accuracy": {},
        "ratios": {},
        "limits": [],
        "facts": {},
        "threads_in_effect": {},
        "versions": {},
        "unavailable": {},
        "error": "",
        "reason": case.reason,
    }
    try:
        workers = _prepared(case, start, result)
        in_turn([partial(_once, case, engine, worker, result) for engine, worker in workers.items()], case.rounds, tick)
        for engine, worker in workers.items():
            result["facts"][engine] = worker.ask("facts")
    except WorkerError as error:
        result["error"] = str(error)
        return result
    _judge(case, result)
    return result


def in_turn(works: Sequence[Callable[[], T]], rounds: int, tick: Callable[[], None] = lambda: None) -> list[list[T]]:
    """Call them A B A B, since neighbors in time see the same machine; return what each gave, round after round."""
    given: list[list[T]] = [[] for _ in works]
    for _ in range(rounds):
        for work, own in zip(works, given, strict=True):
            own.append(work())
        tick()
    return given


def _once(case: Case, engine: str, worker: EngineProcess, result: Result) -> None:
    """One measurement of one engine."""
    if case.threads > 1:
        time.sleep(PAUSE)
    for phase, value in worker.ask("measure", seconds=case.seconds).items():
        result["values"].setdefault(engine, {}).setdefault(phase, []).append(value)
    if case.judged:
        result["accuracy"].setdefault(engine, []).append(worker.ask("accuracy"))


def _prepared(case: Case, start: Start, result: Result) -> dict[str, EngineProcess]:
    workers = {}
    for engine in case.engines:
        try:
            worker = start(engine)
            said = worker.prepare(case)
        except Unavailable as reason:
            result["unavailable"][engine] = str(reason)
            continue
        workers[engine] = worker
        result["threads_in_effect"][engine] = said["threads"]
        result["versions"] |= said["versions"]
    return workers


def _judge(case: Case, result: Result) -> None:
    """Ratios of the first engine to each of the others, and every limit."""
    first, *others = case.engines
    values = result["values"]
    if first not in values:
        return
    for other in others:
        if other in values:
            result["ratios"][other] = spread(ratios(values[first], values[other]))
    for limit in case.limits:
        if limit.against and limit.against not in values:
            continue
        value = _limited(limit, values[first], values.get(limit.against))
        verdict = {"most": limit.most, "against": limit.against, "phase": limit.phase, "late": limit.late}
        result["limits"].append({**verdict, "value": value, "kept": value <= limit.most})


def _limited(limit: Limit, ours: Mapping[str, Sequence[float]], theirs: Mapping[str, Sequence[float]] | None) -> float:
    if limit.late:
        rounds = ratios(ours, theirs) if theirs is not None else totals(ours)
        return median(rounds[-TAIL:]) / median(rounds[:TAIL])
    if theirs is not None:
        return median(ratios(ours, theirs, limit.phase))
    return median(totals(ours, limit.phase))


def totals(values: Mapping[str, Sequence[float]], phase: str = "") -> list[float]:
    """The sum of the phases of each round, or one phase."""
    return list(values[phase]) if phase else [sum(parts) for parts in zip(*values.values(), strict=True)]


def ratios(ours: Mapping[str, Sequence[float]], theirs: Mapping[str, Sequence[float]], phase: str = "") -> list[float]:
    """Round by round: neighbors in time saw the same machine."""
    return [a / b for a, b in zip(totals(ours, phase), totals(theirs, phase), strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": median(values), "low": min(values), "high": max(values)}


def failed(result: Result) -> bool:
    """Whether a limit is missed, or the case failed."""
    return bool(result["error"]) or not all(limit["kept"] for limit in result["limits"])

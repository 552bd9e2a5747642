"""A result as lines of a table: for the terminal and for SPEED.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple

from experiments.bench import cost_curves
from experiments.bench.cases import GROUPS
from experiments.bench.measure import Result, ratios, totals

NO_REASON = "no reason given"


class Line(NamedTuple):
    """One engine beside the first one, or one limit that is not a ratio."""

    what: str
    ours: str
    theirs: str
    ratio: str
    spread: str
    limit: str
    verdict: str  # kept, MISSED or empty
    remark: str
    reason: str = ""  # why a limit is missed, or why the figure is as it is


HEAD = Line("what", "scratch", "other engine", "ratio", "spread", "limit", "", "remark", "reason")


def show(report: dict[str, Any]) -> None:
    """One group as a table, with the environment of its measurement."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    out = Console(highlight=False, width=None if sys.stdout.isatty() else 190)
    table = Table(
        *HEAD[:-1], title=f"{report['group']}: {GROUPS[report['group']]}", title_justify="left", box=box.SIMPLE_HEAD
    )
    colors = {"kept": "green", "MISSED": "red", "": ""}
    for result in report["results"]:
        for line in lines(result):
            verdict = f"[{colors[line.verdict]}]{line.verdict}[/]" if line.verdict else ""
            remark = _joined([line.remark, line.reason]).replace("[", r"\[")
            table.add_row(*line._replace(verdict=verdict, remark=remark)[:-1])
    out.print(table)
    out.print(described(report))


def described(report: dict[str, Any]) -> str:
    """The facts of a run, and how to read its table."""
    return f"{about(report)} Medians; ratio: scratch / other engine, round by round, lowest to highest."


def about(report: dict[str, Any]) -> str:
    """One line: exponents if there are any, machine, versions, commit, date."""
    machine, versions = report["machine"], report["versions"]
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    grows = cost_curves.summary(report["results"])
    return (grows + " " if grows else "") + (
        f"{machine['processor']}, {machine['cores']} cores, {machine['instructions']}; {libraries}; commit "
        f"{report['commit']}, {report['date']}."
    )


def lines(result: Result) -> Iterator[Line]:
    """One line for each other engine; then one for each limit that none of these lines shows."""
    if result["error"]:
        yield Line(result["case"], "", "", "", "", "", "MISSED", result["error"])
        return
    engines = list(result["values"])
    if not engines:
        yield Line(result["case"], "", "", "", "", "", "", _unavailable(result))
        return
    first, *others = engines
    ours = value(median(totals(result["values"][first])), result["unit"])
    told = [_accuracy(result, first), _facts(result, first), _unavailable(result)]
    reason = result["reason"] if all(limit["kept"] for limit in result["limits"]) else ""
    if not others and not result["limits"]:
        yield Line(result["case"], ours, "", "", "", "", "", _joined([_shares(result, first), *told]), reason)
    for other in others:
        ratio = result["ratios"].get(other)
        if ratio is None:
            continue
        theirs = f"{other} {value(median(totals(result['values'][other])), result['unit'])}"
        limits = [limit for limit in result["limits"] if limit["against"] == other and not _apart(limit)]
        remarks = [_phases(result, first, other), *told, _accuracy(result, other), _facts(result, other)]
        yield Line(
            result["case"],
            ours,
            theirs,
            f"{ratio['median']:.2f}",
            f"{ratio['low']:.2f} to {ratio['high']:.2f}",
            "".join(f"{limit['most']:.2f}" for limit in limits),
            _verdict(limits),
            _joined(remarks),
            reason or _why(result, limits),
        )
        told, reason = [], ""
    for limit in result["limits"]:
        if limit["against"] == "" or _apart(limit):
            yield _own_limit(result, first, limit, _joined(told), reason or _why(result, [limit]))
            told, reason = [], ""


def _apart(limit: dict[str, Any]) -> bool:
    """Whether a limit is on anything but the ratio of an engine's line."""
    return bool(limit["phase"] or limit["late"])


def _own_limit(result: Result, first: str, limit: dict[str, Any], remark: str, reason: str) -> Line:
    """A limit on a phase, on the value itself, or on the last rounds against the first."""
    what = f"{result['case']}, {limit['phase']}" if limit["phase"] else result["case"]
    if limit["late"]:
        ratio, most = f"{limit['value']:.2f}", f"{limit['most']:.2f}"
        unit = f", in units of {limit['against']}" if limit["against"] else ""
        return Line(f"{what}: last rounds / first{unit}", "", "", ratio, "", most, _verdict([limit]), remark, reason)
    if limit["against"]:
        ratio, most = f"{limit['value']:.2f}", f"{limit['most']:.2f}"
        return Line(what, "", limit["against"], ratio, "", most, _verdict([limit]), remark, reason)
    ours, most = value(limit["value"], result["unit"]), value(limit["most"], result["unit"])
    rounds = totals(result["values"][first], limit["phase"])
    between = f"{value(min(rounds), result['unit'])} to {value(max(rounds), result['unit'])}"
    return Line(what, ours, "", "", between, most, _verdict([limit]), remark, reason)


def value(number: float, unit: str) -> str:
    """Three digits, with a suitable unit of seconds."""
    if unit != "s":
        return f"{number:.4g} {unit}"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if number * factor >= 1:
            return f"{number * factor:.3g} {name}"
    return f"{number * 1e9:.0f} ns"


def _verdict(limits: list[dict[str, Any]]) -> str:
    return "" if not limits else "kept" if all(limit["kept"] for limit in limits) else "MISSED"


def _why(result: Result, limits: list[dict[str, Any]]) -> str:
    """Why a limit is missed."""
    return (result["reason"] or NO_REASON) if _verdict(limits) == "MISSED" else ""


def _phases(result: Result, first: str, other: str) -> str:
    """The ratio of every phase, where there are several."""
    ours, theirs = result["values"][first], result["values"][other]
    if len(ours) < 2:
        return ""
    return ", ".join(f"{phase} {median(ratios(ours, theirs, phase)):.2f}" for phase in ours if phase in theirs)


def _shares(result: Result, engine: str) -> str:
    """The share of the time of every phase, the largest first; those below a hundredth are added up."""
    medians = {phase: median(rounds) for phase, rounds in result["values"][engine].items()}
    if len(medians) < 2:
        return ""
    whole = sum(medians.values())
    large = {phase: time / whole for phase, time in medians.items() if time >= whole / 100}
    told = [f"{phase} {large[phase]:.0%}" for phase in sorted(large, key=lambda phase: -large[phase])]
    rest = 1 - sum(large.values())
    return ", ".join(told + [f"all else {rest:.0%}"] * (rest >= 0.005))


def _accuracy(result: Result, engine: str) -> str:
    """Of the last round."""
    reached = [share for share in result["accuracy"].get(engine, []) if share is not None]
    return f"{engine} {reached[-1]:.2%} right" if reached else ""


def _facts(result: Result, engine: str) -> str:
    """The facts of the first engine, and those of the others that differ."""
    facts = result["facts"].get(engine, {})
    first = next(iter(result["facts"]), engine)
    known = {} if engine == first else result["facts"][first]
    told = {name: fact for name, fact in facts.items() if known.get(name) != fact}
    return ", ".join(f"{name} {fact}" for name, fact in told.items())


def _unavailable(result: Result) -> str:
    return "; ".join(f"{engine} not measured: {why}" for engine, why in result["unavailable"].items())


def _joined(parts: list[str]) -> str:
    return "; ".join(part for part in parts if part)

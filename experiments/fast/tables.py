"""The results of the fast runs: tables for the terminal, and JSON files under experiments/results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.bench.stored import RESULTS
from experiments.fast.recipe import RECIPES

GPU, CPU, ACCURACY = (RESULTS / f"fast-{name}.json" for name in ("gpu", "cpu", "accuracy"))
MISSING = "not measured"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest entry, under a rule."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    return "\n".join(line.rstrip() for line in (lines[0], "─" * len(lines[0]), *lines[1:]))


def runs_table(runs: Sequence[dict[str, Any]]) -> str:
    """One line for each measured recipe and loop."""
    rows = []
    for run in runs:
        limit = f"{run['seconds_goal']:g} on a GPU" if run["seconds_goal"] else ""
        seeds, prepare, goal = str(len(run["accuracies"])), f"{run['prepare_seconds']:.1f}", f"{run['goal']:.1%}"
        how = (run["recipe"], run["engine"], run["loop"], run["precision"], seeds, run["judged_on"])
        rows.append((*how, percent(run["accuracy"]), goal, plus_minus(run["seconds"]), limit, prepare, verdict(run)))
    head = ("recipe", "engine", "loop", "precision", "seeds", "judged on")
    return table((*head, "accuracy", "at least", "seconds", "at most", "prepare, s", "verdict"), rows)


def cpu_table(result: dict[str, Any]) -> str:
    runs, ratio = result["runs"], result["scratch_to_torch"]
    rows = [
        (run["engine"], str(run["epochs"]), run["precision"], percent(run["accuracy"]), plus_minus(run["seconds"]))
        for run in runs
    ]
    spread = f"{ratio['low']:.2f} to {ratio['high']:.2f}"
    lines = [
        f"{runs[0]['recipe']} on the {result['environment']['device']}, threads: {result['environment']['threads']}",
        table(("engine", "epochs", "precision", "accuracy", "seconds"), rows),
        f"an epoch by scratch takes {ratio['median']:.2f} times as long as by torch ({spread})",
        *(f"{what}: {'ok' if ok else 'MISSED'}" for what, ok in result["checks"].items()),
    ]
    return "\n".join(lines)


def goals_table(gpu: dict[str, Any] | None) -> str:
    """Every recipe and loop that has a goal on a GPU, with its measurements there."""
    measured = {(run["recipe"], run["loop"]): run for run in (gpu or {}).get("runs", [])}
    rows = []
    for recipe in RECIPES.values():
        for loop, limit in recipe.seconds.items():
            run = measured.get((recipe.name, loop))
            accuracy, seconds = (percent(run["accuracy"]), plus_minus(run["seconds"])) if run else (MISSING, MISSING)
            goal = (f"{recipe.goal:.1%}", f"{limit:g}")
            rows.append((recipe.name, loop, accuracy, goal[0], seconds, goal[1], verdict(run) if run else ""))
    where = gpu["environment"]["device"] if gpu else "a GPU"
    return f"Goals on {where}\n" + table(
        ("recipe", "loop", "accuracy", "at least", "seconds", "at most", "verdict"), rows
    )


def benchmark_table(result: dict[str, Any]) -> str:
    head = ("loop", "steps a chunk", "µs a step", "times plain", "spread", "prepare, s")
    rows = [
        (
            row["loop"],
            str(row["chunk"]),
            f"{row['microseconds_a_step']:.0f}",
            f"{row['ratio']['median']:.3f}",
            f"{row['ratio']['low']:.3f} to {row['ratio']['high']:.3f}",
            f"{row['prepare_seconds']:.2f}",
        )
        for row in result["rows"]
    ]
    title = (
        f"{result['recipe']}, batch {result['batch_size']}, {result['precision']}, medians of {result['rounds']} rounds"
    )
    return f"{title}\n{table(head, rows)}"


def verdict(run: dict[str, Any]) -> str:
    return "MISSED" if run["in_time"] is False or not run["goal_met"] else "ok"


def percent(spread: dict[str, float | None]) -> str:
    return plus_minus({key: value and 100 * value for key, value in spread.items()}) + " %"


def plus_minus(spread: dict[str, float | None]) -> str:
    """Mean and standard deviation, if there is one."""
    deviation = "" if spread["sd"] is None else f" ± {spread['sd']:.2f}"
    return f"{spread['mean']:.2f}{deviation}"

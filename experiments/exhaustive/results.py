"""The results: one line for each function, quantity and kernel, in results.json."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import mpmath
import numpy as np

from experiments.exhaustive.floats import BINS, OCTAVE, OCTAVES, TINY, octave, ulp
from experiments.exhaustive.functions import Function
from experiments.exhaustive.run import QUANTITIES, State
from experiments.exhaustive.tally import Rows, Tally
from parity_tests.environment import versions
from torch_impl.files import write_text

RESULTS = Path(__file__).with_name("results.json")
DIGITS = 40
FINE = range(-4, 7)  # exponents whose octaves keep all their bins in a curve; outside a bin is four octaves


def lines(function: Function, state: State, step: int) -> Iterable[dict[str, Any]]:
    """The results of a function; the worst inputs judged again in mpmath."""
    known = versions("numpy", "torch")
    for quantity in QUANTITIES:
        for name in state.names:
            tally = state.tallies[quantity, name]
            worst, doubt = judged_again(function, quantity, tally.worst)
            yield {
                "function": function.label,
                "component": function.component,
                "quantity": quantity,
                "kernel": name,
                "version": known["numpy" if name == "scratch" else "torch"],
                "inputs": tally.inputs,
                "step": step,
                "worst": short(worst[0]) if worst else 0.0,
                "at": worst[1] if worst else None,
                "came": worst[2] if worst else None,
                "truth": worst[3] if worst else None,
                "reference_off": short(doubt),
                "beyond_1": short(tally.beyond_1 / max(tally.normal, 1)),
                "beyond_4": short(tally.beyond_4 / max(tally.normal, 1)),
                "subnormal": short(tally.subnormal),
                "wrong": {what: count for what, count in tally.counts.items() if count},
                "examples": {what: tally.examples[what] for what, count in tally.counts.items() if count},
                "at_infinity": tally.at_infinity,
                "lost_nan": tally.lost_nan,
                "curve": curve(tally) if name in state.names[:2] else [],  # other instructions give the same to the eye
            }


def judged_again(
    function: Function, quantity: str, worst: Rows
) -> tuple[tuple[float, float, float, float] | None, float]:
    """(ulp, x, y, truth) of the worst input by a truth in 40 digits, and how far float64's truth was off, in ulp."""
    if not worst:
        return None, 0.0
    if function.exact is None:
        size, x, y = worst[0]
        truth = (function.y if quantity == "y" else function.slope)(np.array([x]))
        return (size, x, y, float(truth[0])), 0.0
    exact = function.exact[QUANTITIES.index(quantity)]
    best, doubt = None, 0.0
    with mpmath.workdps(DIGITS):
        for size, x, y in worst:
            truth = exact(mpmath.mpf(x))
            if abs(truth) < TINY:  # rounding decided that it was a normal number
                continue
            unit = float(ulp(np.array([abs(float(truth))]))[0])
            error = float(abs(mpmath.mpf(y) - truth) / unit)
            doubt = max(doubt, abs(error - size))
            if best is None or error > best[0]:
                best = error, x, y, float(truth)
    return best, doubt


def bins() -> Iterator[tuple[float, slice]]:
    """The intervals of a curve, left ends and bins of a tally: eighths of octaves near 1, four octaves elsewhere."""
    number = 1
    while number < OCTAVES - 1:
        exponent = (255 - number if number < 256 else number - 256) - 127
        if exponent in FINE:
            for part in range(BINS):
                yield (
                    float(octave(number, OCTAVE // BINS, 0)[part]),
                    slice(number * BINS + part, number * BINS + part + 1),
                )
            number += 1
        else:
            wide = min(4, _until_fine(number), OCTAVES - 1 - number)
            yield float(octave(number, OCTAVE, 0)[0]), slice(number * BINS, (number + wide) * BINS)
            number += wide


def _until_fine(number: int) -> int:
    """How many octaves there are before the next fine one; many if there is none."""
    starts = [255 - 127 - FINE[-1], 256 + 127 + FINE[0]]
    return min([start - number for start in starts if start > number], default=OCTAVES)


def curve(tally: Tally) -> list[float]:
    """The largest error of each interval of `bins`. [] if all are exact."""
    return [short(max(tally.curve[part])) for _, part in bins()] if any(tally.curve) else []


def short(value: float) -> float:
    return float(f"{value:.4g}") if math.isfinite(value) else value


def load(path: Path = RESULTS) -> list[dict[str, Any]]:
    return json.loads(path.read_text()) if path.is_file() else []


def save(found: Iterable[dict[str, Any]], path: Path = RESULTS) -> None:
    """Puts results in the file, in place of older ones of the same function, unless those saw more inputs."""
    kept = {_key(line): line for line in load(path)}
    for line in found:
        before = kept.get(_key(line))
        if before is None or line["inputs"] >= before["inputs"]:
            kept[_key(line)] = line
    write_text(path, "[\n" + ",\n".join(json.dumps(line) for line in kept.values()) + "\n]\n")


def _key(line: dict[str, Any]) -> tuple[str, str, str]:
    return line["function"], line["quantity"], line["kernel"]

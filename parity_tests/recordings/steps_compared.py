"""The steps of an optimizer, where one side or both are files: parameters and state after every step, by the rule."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from parity_tests.comparer.findings import Measurement, first_element
from parity_tests.comparer.pairing import Pairing
from parity_tests.comparer.trace import same_numbers
from parity_tests.recordings.live import Live
from parity_tests.recordings.read import Folder
from parity_tests.recordings.steps import ROW, Course, cause_of, judged, options_of, walk
from parity_tests.rule import distance, limit
from parity_tests.vectors.files import read_manifest

Histories = dict[str, dict[str, np.ndarray]]  # by precision and what: the values of all steps


def same_course(course: Course, other: Course | None) -> bool:
    """Whether two folders tell of the same start, gradients and rates."""
    if other is None or course.drop != other.drop or len(course.gradients) != len(other.gradients):
        return False
    mine, theirs = ([c.starts, *c.gradients] for c in (course, other))
    return all(a.keys() == b.keys() and same_numbers(list(a.values()), [b[n] for n in a])
               for a, b in zip(mine, theirs, strict=True))  # fmt: skip


def compare_steps(left: Folder | Live, right: Folder | Live, course: Course, pairing: Pairing) -> list[Measurement]:
    """What the left's optimizer gives against the right's; nothing if the left does not answer."""
    if isinstance(left, Folder):
        given = left.answers(ROW)
        ours: Histories = {
            p: _renamed({what: value for what, (value, _) in numbers.items()}, pairing) for p, numbers in given.items()
        }
    else:
        ours = {"float32": walk(left, course, np.float32).values}
    if isinstance(right, Folder):
        truth, limits, (kind, options) = *_written(right), _described(right)
    else:
        if isinstance(left, Folder):
            course = _course_renamed(course, pairing)
        found = judged(right, course)
        used = found.rough.optimizer
        truth, kind, options = found.exact.values, type(used).__name__, options_of(used) or {}
        limits = {p: {what: limit(u, p) for what, u in found.u.items()} for p in ("float32", "float64")}
    measured: list[Measurement] = []
    for precision, numbers in ours.items():
        mine = {what: numbers[what] for what in limits.get(precision, {}) if what in numbers}
        found_here = {w: _measure(w, kind, precision, v, truth[w], limits[precision][w]) for w, v in mine.items()}
        apart = [what for what, m in found_here.items() if not m.ok and m.first is not None]
        causes = (cause_of(w, mine[w], truth[w], found_here[w].limit, course, kind, options) for w in apart)
        cause = next((cause for cause in causes if cause is not None), None)
        for what in apart:
            found_here[what].cause = cause
        measured += found_here.values()
    return measured


def _measure(what: str, kind: str, precision: str, value: Any, truth: Any, limit: float) -> Measurement:
    entry, _, name = what.partition(" ")
    what = f"{entry}, all steps" + f" in {precision}" * (precision != "float32")
    m = Measurement(name, kind, "step", what, 0.0, limit)
    if value.shape != truth.shape or value.dtype.name != (precision if value.dtype.kind == "f" else value.dtype.name):
        m.error, m.note = math.inf, f"left is {value.dtype}{list(value.shape)}, right {precision}{list(truth.shape)}"
        return m
    m.error = distance(value, truth)
    if not m.ok:
        m.first = first_element(value, truth, limit)
        m.what = m.what.replace("all steps", f"after step {m.first.index[0] + 1}") if m.first is not None else m.what
    return m


def _written(folder: Folder) -> tuple[dict[str, np.ndarray], dict[str, dict[str, float]]]:
    """The truth and the limits that a folder holds."""
    asked = folder.asked(ROW)
    limits: dict[str, dict[str, float]] = {}
    for entry in asked.expected:
        limits.setdefault(entry["precision"], {})[entry["what"]] = entry["limit_ulp"]
    return {entry["what"]: asked.truths[entry["truth"]] for entry in asked.expected}, limits


def _described(folder: Folder) -> tuple[str, dict[str, Any]]:
    """The class of the optimizer and its options, as far as they are plain numbers and words."""
    manifest = read_manifest(folder.path / f"{ROW}.json")
    name, options = str(manifest.get("component")).rpartition(".")[2], manifest.get("kwargs")
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()} if isinstance(options, dict) else {}
    usable = type(plain.get("lr")) in (int, float) and name.isidentifier()
    return (name if name.isidentifier() else ""), plain if usable else {}


def _renamed(numbers: dict[str, np.ndarray], pairing: Pairing) -> dict[str, np.ndarray]:
    """Under the right's names and in its layouts."""
    found = {}
    for what, value in numbers.items():
        entry, _, own = what.partition(" ")
        name = pairing.names.get(own, own)
        found[f"{entry} {name}"] = np.stack([pairing.turned(name, step) for step in value]) if value.ndim > 1 else value
    return found


def _course_renamed(course: Course, pairing: Pairing) -> Course:
    def turned(numbers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = {own: pairing.names.get(own, own) for own in numbers}
        return {names[own]: pairing.turned(names[own], value) for own, value in numbers.items()}

    return Course(turned(course.starts), [turned(gradients) for gradients in course.gradients], course.drop)

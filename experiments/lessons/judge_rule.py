"""Is a rule right? An optimizer, a schedule, an initialiser or a clipping function beside torch's, in every case that
the table has for it. The first number that differs is told, since the later ones follow from it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import scratch
from experiments.lessons import exercise
from experiments.lessons.mistakes import alike, mistakes
from experiments.lessons.rules import cases, numbers
from experiments.lessons.update import Numbers
from experiments.lessons.verdict import Verdict, close, failed, is_told, told
from parity_tests.engine import REFERENCE, SCRATCH, find
from parity_tests.table.row import Pair


def judge_rule(name: str, answer: Any) -> Verdict:
    """Judge another `optim.Adam`, say, in each of its cases until one is wrong."""
    verdict = Verdict()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row in cases(name):
            expected = numbers(row, REFERENCE)
            try:
                got = numbers(row, SCRATCH.replacing(name, answer))
            except Exception as error:
                return failed(exercise.method_of(find(scratch, name)), error)
            if (text := first_difference(got, expected)) is None:
                verdict.right.append(row.case or "the plain case")
                continue
            verdict.ok = False
            verdict.wrong.append(f"{text}{in_case(row)}")
            if not is_told(verdict):
                verdict.wrong += list(_named(row, name, got))
            break
    return verdict


def first_difference(got: Numbers, expected: Numbers) -> str | None:
    """The first number that is not torch's, in words."""
    for what, right in expected.items():
        ours = got.get(what)
        if ours is None or not close(ours, right):
            return told(what, ours, right)
    return None


def in_case(row: Pair) -> str:
    options = ", ".join(f"{name}={value!r:.40}" for name, value in row.kwargs.items())
    return f" (with {options})" if row.case and options else ""


def _named(row: Pair, name: str, got: Numbers) -> Iterator[str]:
    """The known mistake that gives the same numbers."""
    for mistake in mistakes(find(scratch, name)):
        try:
            if alike(numbers(row, SCRATCH.replacing(name, mistake.kind)), got):
                yield mistake.words
                return
        except Exception:  # such a rule does not run
            continue

"""What one process does at a time: choose the variants of one network, or make one comparison."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from parity_tests.tests.mutants import steps, trial, variants
from parity_tests.tests.mutants.trial import KINDS, Result

Task = tuple[str, str, float]  # network, kind, share of the quota
Work = tuple[str, Any, Any]  # kind, variant, the oracle's word


def choose(task: Task) -> list[Work]:
    """The variants of one kind of one network; of steps their names, since functions do not travel."""
    network, kind, share = task
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if network == "steps":
            return [(kind, case.name, None) for case in list(steps.CASES[kind]())[:: round(1 / share)]]
        return [(kind, variant, truth) for variant, truth in trial.chosen(network, kind, share)]


def find(task: Task, names: set[str]) -> list[Work]:
    """Those of these names."""
    network, kind, _ = task
    if network == "steps":
        return [work for work in choose(task) if work[1] in names]
    found = (v for v in variants.variants(network, KINDS[kind]) if v.name in names)
    return [(kind, variant, trial.judge(variant)) for variant in found]


def compare(work: Work) -> Result:
    kind, variant, truth = work
    torch.set_num_threads(1)
    if truth is None:
        return steps.trial(kind, next(case for case in steps.CASES[kind]() if case.name == variant))
    return trial.trial(kind, variant, truth)


def name_of(work: Work) -> str:
    return work[1] if work[2] is None else work[1].name

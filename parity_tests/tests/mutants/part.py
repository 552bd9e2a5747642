"""The part of the work that one process does at a time: one kind of variants of one network."""

from __future__ import annotations

import warnings

import torch

from parity_tests.tests.mutants import steps, variants
from parity_tests.tests.mutants.trial import KINDS, Result, chosen, judge, trial

Task = tuple[str, str, float, frozenset[str]]


def run(task: Task) -> list[Result]:
    """All variants of one kind of one network: a share of the quota, or those named."""
    network, kind, share, names = task
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if network == "steps":
            cases = [c for c in steps.CASES[kind]() if not names or c.name in names]
            return [steps.trial(kind, case) for case in cases[:: round(1 / share)]]
        if names:
            again = (v for v in variants.variants(network, KINDS[kind]) if v.name in names)
            return [trial(kind, variant, judge(variant)) for variant in again]
        return [trial(kind, variant, truth) for variant, truth in chosen(network, kind, share)]

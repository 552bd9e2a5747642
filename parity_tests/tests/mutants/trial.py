"""One comparison: what the oracle says beside what compare says."""

from __future__ import annotations

import itertools
import math
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from parity_tests import compare
from parity_tests.comparer.report import CompareError
from parity_tests.tests.mutants import changes, rewrites, variants
from parity_tests.tests.mutants.oracle import Oracle, Verdict
from parity_tests.tests.mutants.variants import Variant

KINDS = {"mutant": changes.RULES, "rewrite": rewrites.RULES}
# Of each network, so many variants of which the oracle says this; nobody asks about rewrites that are not equal.
QUOTA = {
    "mutant": {"different": 28, "raises": 3, "structure": 3, "equal": 2, "undecided": 2},
    "rewrite": {"equal": 16},
}
MOST = 4  # tried for each one wanted


@dataclass
class Result:
    """`truth` is the oracle's word, `verdict` compare's: PARITY, DIVERGENCE, COULD NOT COMPARE or TRACEBACK."""

    kind: str
    name: str
    rule: str
    truth: str
    ratio: float
    what: str
    verdict: str
    where: str = ""
    place: bool | None = None
    note: str = ""
    seconds: float = 0.0

    @property
    def failure(self) -> str:
        """What is wrong with the verdict, or nothing."""
        if self.verdict == "TRACEBACK":
            return "traceback"
        if self.kind == "rewrite":
            return {"PARITY": "", "DIVERGENCE": "accused"}.get(self.verdict, "refused")
        if self.truth in ("different", "structure", "raises") and self.verdict == "PARITY":
            return "missed"
        if self.truth == "different" and self.verdict == "COULD NOT COMPARE":
            return "refused"
        return "misplaced" if self.truth == "different" and self.place is False else ""


def verdict_of(run: Callable[[], Any]) -> tuple[str, Any, str]:
    """What compare ends in, its report if there is one, and the error if it raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = run()
    except CompareError as error:
        return "COULD NOT COMPARE", None, " ".join(str(error).split())[:200]
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
        return "TRACEBACK", None, f"{type(error).__name__}: {' '.join(str(error).split())[:150]} ({place})"
    said = report.verdict()
    return next((v for v in ("PARITY", "DIVERGENCE") if said.startswith(v)), "COULD NOT COMPARE"), report, said[:200]


@cache
def oracle(network: str) -> Oracle:
    reference, twin = (variants.build(network, reference=True) for _ in range(2))
    return Oracle(reference, variants.inputs(network), twin.double())


def judge(variant: Variant) -> Verdict:
    """The oracle's word; `unbuilt` if the changed source makes no model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model, twin = (variants.build(variant.network, variant.text) for _ in range(2))
        except Exception as error:
            return Verdict("unbuilt", math.inf, type(error).__name__)
        try:
            twin = twin.double() if isinstance(twin, torch.nn.Module) else None
        except RuntimeError:  # it holds what cannot be float64, such as a NumPy layer
            twin = None
        return oracle(variant.network).judge(model, twin)


def chosen(network: str, kind: str, share: float = 1.0) -> Iterator[tuple[Variant, Verdict]]:
    """Variants of one network, as many as are asked for of each word of the oracle."""
    quota = {says: math.ceil(count * share) for says, count in QUOTA[kind].items()}
    had: Counter[str] = Counter()
    tried = itertools.islice(variants.variants(network, KINDS[kind]), MOST * sum(quota.values()))
    for variant in tried:
        if had["different" if kind == "mutant" else "equal"] >= max(quota.values()):
            return
        truth = judge(variant)
        if had[truth.says] < quota.get(truth.says, 0):
            had[truth.says] += 1
            yield variant, truth


def trial(kind: str, variant: Variant, truth: Verdict, compare: Callable[..., Any] = compare) -> Result:
    """Ask compare about one variant."""
    left, right = variants.build(variant.network, variant.text), variants.build(variant.network, reference=True)
    began = time.perf_counter()
    verdict, report, note = verdict_of(lambda: compare(left, right, variants.inputs(variant.network)))
    result = Result(kind, variant.name, variant.rule, truth.says, truth.ratio, truth.what, verdict, note=note)
    result.seconds = round(time.perf_counter() - began, 2)  # as the file keeps it
    if verdict == "DIVERGENCE":
        first = report.first_divergence
        result.where = first.where
        named = first.what.partition(" of ")[2]  # input of LAYER: the call whose arguments were changed
        result.place = variant.accepts(first.where, left, right) or variant.calls(named, left, right)
        result.note = str(first)[:300]
    return result

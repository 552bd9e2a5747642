"""What torch.compile changes: each side that is compiled is run once more without it.

Compiled sums, means and norms add in a few vector accumulators; their error is several times that of eager code. A
compiled left may be apart for that reason alone, and a compiled right makes the limits, 4 U + 4, as wide as its error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from parity_tests.comparer import ends, judge
from parity_tests.comparer.case import Case
from parity_tests.comparer.findings import Cause, Measurement, number
from parity_tests.comparer.side import Side
from parity_tests.comparer.torch_side import TorchSide
from parity_tests.comparer.truth import Truth
from parity_tests.comparer.values import Numbers


def explains(case: Case, training: bool, truth: Truth, found: Iterable[Measurement], end: list[Measurement]) -> bool:
    """Whether the left, not compiled, is within every limit of the end: then that is the cause of what is apart."""
    if not is_compiled(case.left):
        return False
    with _eagerly(case.left):
        plain = {m.what: m for m in ends.compare_ends(case, training, truth)}
    if not all(m.ok for m in plain.values()):
        return False
    for m in (*found, *end):
        if not m.ok and not m.at_kinks:  # a guess, such as a factor, counts for less
            without = plain[m.what].error if m.what in plain else math.nan
            m.cause = Cause("compiled", "with torch.compile's code, not the left's own", m.error, without)
    return True


def note_right(case: Case, training: bool, truth: Truth) -> None:
    """Say where the right's own error, which widens the limits, is that of its compilation."""
    if not is_compiled(case.right):
        return
    with _eagerly(case.right):
        plain: Numbers = case.run(case.right, training, wanted=case.right.trainable())
    for what, value in truth.rough.items():
        if what in plain and what in truth.exact:
            own, eager = (judge.own_error(v, truth.exact[what]) for v in (value, plain[what]))
            if own > judge.limit(eager):
                off, without = number(own), number(eager)
                case.report.note(
                    f"the right is compiled: its {what} is {off} ulp off, {without} without torch.compile; the limits "
                    "are as wide as that. Compare with the module itself."
                )


def is_compiled(side: Side) -> bool:
    """Whether torch.compile, or a module's own compile, is in it."""
    parts = [*side.model.modules(), *side.layers.modules()] if isinstance(side, TorchSide) else []
    return any(hasattr(m, "_orig_mod") or getattr(m, "_compiled_call_impl", None) is not None for m in parts)


@contextmanager
def _eagerly(side: Side) -> Iterator[None]:
    """Inside, its runs are those of the modules without torch.compile."""
    assert isinstance(side, TorchSide)
    side.eager = True
    try:
        yield
    finally:
        side.eager = False

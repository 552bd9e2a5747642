"""How many examples run, and how many ran.

The fixed profile tries the same examples in every run, so continuous integration never fails by chance. The deep one
(`make test-deep`) tries thousands of new ones for every component; what it finds it prints as an Example to keep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from parity_tests.tests.properties.counting import RAN

FIXED: dict[str, Any] = {"derandomize": True, "phases": [Phase.explicit, Phase.generate, Phase.shrink]}
DEEP: dict[str, Any] = {"derandomize": False, "print_blob": True}
COMMON: dict[str, Any] = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}


def hold(
    family: str, strategy: st.SearchStrategy[Any], problem: Callable[[Any], str], examples: int, deep: bool = False
) -> None:
    """Draw so many examples; the first with a problem is made as small as can be, and fails."""

    @settings(max_examples=examples, **(DEEP if deep else FIXED), **COMMON)
    @given(strategy)
    def holds(example: Any) -> None:
        RAN[family] += 1
        text = problem(example)
        assert not text, f"{text}\n{example!r}"

    holds()

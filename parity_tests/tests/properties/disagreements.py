"""Where scratch and torch are known to differ: each with its reason, and a witness that still shows it.

A test demands that every witness still disagrees, so an entry that is no longer needed must go: the list only shrinks.
What a single row of the table leaves out, its `notes` say.
"""

from __future__ import annotations

from collections.abc import Iterable

from parity_tests.tests.properties.disagreement import Disagreement
from parity_tests.tests.properties.example import Example
from parity_tests.tests.properties.other_numbers import OTHER_NUMBERS
from parity_tests.tests.properties.refused_by_one import REFUSED_BY_ONE
from parity_tests.tests.properties.verdict import Problem

DISAGREEMENTS: list[Disagreement] = [*REFUSED_BY_ONE, *OTHER_NUMBERS]


def unknown(example: Example, problems: Iterable[Problem]) -> list[Problem]:
    """The problems that no entry explains."""
    return [p for p in problems if not any(entry.covers(example, p) for entry in DISAGREEMENTS)]

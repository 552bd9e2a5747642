"""THE TABLE: one row for each component and case, family by family. Everything else reads it."""

from __future__ import annotations

from fnmatch import fnmatchcase

from parity_tests.pairs import dropout, linear
from parity_tests.pairs.row import Pair, Refusal

FAMILIES: dict[str, list[Pair | Refusal]] = {
    "linear": linear.ROWS,
    "dropout": dropout.ROWS,
}

TABLE: list[Pair | Refusal] = [row for rows in FAMILIES.values() for row in rows]


def select(pattern: str = "") -> list[Pair | Refusal]:
    """The rows whose label contains the pattern, or matches it if it has wildcards; upper and lower case differ."""
    if any(c in pattern for c in "*?"):
        return [row for row in TABLE if fnmatchcase(row.label, pattern)]
    return [row for row in TABLE if pattern in row.label]

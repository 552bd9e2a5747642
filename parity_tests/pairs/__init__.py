"""THE TABLE: one row for each component and case, family by family. Everything else reads it."""

from __future__ import annotations

from fnmatch import fnmatchcase
import importlib, pkgutil, sys

from parity_tests.pairs.row import Pair, Refusal

FAMILIES: dict[str, list[Pair | Refusal]] = {}
for _m in sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "row"):
    try:
        FAMILIES[_m] = importlib.import_module(f"parity_tests.pairs.{_m}").ROWS
    except Exception as e:
        print("pairs:", _m, type(e).__name__, e, file=sys.stderr)

TABLE: list[Pair | Refusal] = [row for rows in FAMILIES.values() for row in rows]


def select(pattern: str = "") -> list[Pair | Refusal]:
    """The rows whose label contains the pattern, or matches it if it has wildcards; upper and lower case differ."""
    if any(c in pattern for c in "*?"):
        return [row for row in TABLE if fnmatchcase(row.label, pattern)]
    return [row for row in TABLE if pattern in row.label]

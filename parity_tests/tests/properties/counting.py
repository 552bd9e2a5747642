"""How many examples ran, by family: one count a process, added up at the end of the run."""

from collections import Counter

RAN: Counter[str] = Counter()


def summary() -> str:
    total = ", ".join(f"{family} {count}" for family, count in sorted(RAN.items()))
    return f"properties: {sum(RAN.values())} examples through both engines ({total})"

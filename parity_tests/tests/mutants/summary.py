"""Counts of what was asked and answered, and one result a line."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from parity_tests.environment import versions
from parity_tests.tests.mutants.trial import Result
from torch_impl.files import write_whole


def counts(results: list[Result]) -> dict[str, Any]:
    """What was tried, by the oracle's word; what went wrong, by kind; the share of places that are right."""
    tried = Counter(f"{r.kind}s {r.truth}" for r in results)
    wrong = Counter(r.failure for r in results if r.failure)
    placed = [r.place for r in results if r.truth == "different" and r.place is not None]
    return {
        **dict(sorted(tried.items())),
        **{failure: wrong[failure] for failure in ("missed", "accused", "refused", "traceback", "misplaced")},
        "place right": round(sum(placed) / len(placed), 4) if placed else None,
        "equal mutants accused": sum(
            r.kind == "mutant" and r.truth == "equal" and r.verdict == "DIVERGENCE" for r in results
        ),
        "seconds in compare": round(sum(r.seconds for r in results), 1),
    }


def write(path: Path, results: list[Result]) -> None:
    head = versions("numpy", "torch") | counts(results)
    lines = [json.dumps(_line(r), ensure_ascii=False) for r in sorted(results, key=lambda r: (r.kind, r.name))]
    body = ",\n".join(f"  {line}" for line in lines)
    text = json.dumps(head, indent=1)[:-2] + ',\n "results": [\n' + body + "\n ]\n}\n"
    write_whole(path, lambda file: file.write(text.encode()))


def _line(result: Result) -> dict[str, Any]:
    line = {key: value for key, value in vars(result).items() if key != "note" or result.failure}
    ratio = f"{result.ratio:.3g}" if math.isfinite(result.ratio) else "inf"
    return line | {"ratio": ratio, "seconds": result.seconds}


def read(path: Path) -> list[Result]:
    """The results of an earlier run."""
    lines = json.loads(path.read_text(encoding="utf-8"))["results"]
    return [Result(**{**line, "ratio": float(line["ratio"])}) for line in lines]


def text(results: list[Result]) -> str:
    width = max(map(len, counts(results)))
    return "\n".join(f"{key:<{width}}  {value}" for key, value in counts(results).items())

"""What came when the statements were run, kept with versions and dates: one line of results.json for each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from parity_tests.conventions.statement import Statement, release, same
from parity_tests.conventions.statements import STATEMENTS
from torch_impl.files import write_text

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Came:
    """What one statement's function gave with one version of its library."""

    library: str
    name: str
    version: str
    run_on: str
    holds: bool
    came: Any

    @property
    def key(self) -> str:
        return f"{self.library}: {self.name}"


def load(path: Path = RESULTS) -> list[Came]:
    if not path.is_file():
        return []
    return [Came(**line) for line in json.loads(path.read_text())]


def save(found: Iterable[Came], path: Path = RESULTS) -> None:
    """Adds results to the file, in the table's order.

    A result like the one that stands there keeps its date only if it is the same run again: the newer date is written.
    Results of other versions, and of libraries that are not installed here, stay.
    """
    kept = {(one.key, one.version): one for one in [*load(path), *found]}
    order = {statement.key: number for number, statement in enumerate(STATEMENTS)}
    lines = sorted(
        (one for one in kept.values() if one.key in order), key=lambda one: (order[one.key], release(one.version))
    )
    text = ",\n".join(json.dumps(asdict(one) | {"came": _finite(one.came)}, ensure_ascii=False) for one in lines)
    write_text(path, f"[\n{text}\n]\n")


def _finite(value: Any) -> Any:
    """Numbers that JSON has, to six digits; NaN and infinities as text."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    return value


@cache
def recorded() -> dict[str, list[Came]]:
    """The committed results of each statement, the newest version last."""
    found: dict[str, list[Came]] = {}
    for one in load():
        found.setdefault(one.key, []).append(one)
    return found


def seen(statement: Statement) -> str:
    """How a statement is known: "run with Keras 3.15.1 on 2026-11-30", or "read: its source"."""
    if statement.show is None:
        return f"read: {statement.source}"
    runs = recorded().get(statement.key, [])
    if not runs:
        return "not run yet"
    versions = ", ".join(one.version for one in runs)
    return f"run with {statement.library} {versions} on {runs[-1].run_on}"


def evidence(cause: str, text: str, kind: str = "") -> list[str]:
    """Libraries that were seen to do what a cause of `compare` says: "as Keras 3.15.1 does, run on 2026-11-30".

    If the table knows the class that it was found in, such as LayerNorm or Adam, only what is said of that: an epsilon
    of layers is none of optimizers.
    """
    known = [one for one in STATEMENTS if one.concerns(f"nn.{kind}") or one.concerns(f"optim.{kind}")]
    found = []
    for statement in known or STATEMENTS:
        runs = recorded().get(statement.key, [])
        if runs and runs[-1].holds and statement.explains(cause, text):
            found.append(f"as {statement.library} {runs[-1].version} does, run on {runs[-1].run_on}: {statement.name}")
    return found


def agrees(one: Came, statement: Statement) -> bool:
    """Whether a committed result is what the statement says today, so that no text outlives its run."""
    return same(one.came, _finite(statement.gives))

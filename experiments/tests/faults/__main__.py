"""`make faults`: attack every command that writes, print what was lost, write the counts as JSON, a command a line."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from experiments.tests.faults.attack import Faults, attack
from experiments.tests.faults.cases import CASES
from torch_impl.files import write_text


def main() -> int:
    parser = argparse.ArgumentParser("python -m experiments.tests.faults", description=__doc__)
    parser.add_argument("commands", nargs="*", help=f"some of {', '.join(CASES)}; all by default")
    parser.add_argument("--moments", type=int, default=100, help="kills at random moments of each command")
    parser.add_argument("--json", type=Path, help="write the counts to this file, the others' lines in it are kept")
    parser.add_argument("--missing", action="store_true", help="only the commands that have no line in the file")
    options = parser.parse_args()
    unknown = set(options.commands) - set(CASES)
    if unknown:
        parser.error(f"unknown command {', '.join(sorted(unknown))}; choose from {', '.join(CASES)}")
    there = options.json and options.json.exists()
    rows = {row["command"]: row for row in json.loads(options.json.read_text(encoding="utf-8"))} if there else {}
    names = [name for name in options.commands or CASES if not (options.missing and name in rows)]
    harm = 0
    with Faults() as faults, tempfile.TemporaryDirectory() as home:
        for name in names:
            rows[name] = report(faults, name, Path(home), options.moments)
            harm += rows[name]["with harm"]
            if options.json:
                lines = ",\n".join(json.dumps(rows[name]) for name in CASES if name in rows)
                write_text(options.json, f"[\n{lines}\n]\n")
    return int(harm > 0)


def report(faults: Faults, name: str, home: Path, moments: int) -> dict[str, Any]:
    """The counts of one command, printed with what is wrong."""
    count: Counter[str] = Counter()
    begun, harm = time.monotonic(), 0
    strikes = attack(faults, name, home, moments, random.Random(0))
    bar, hidden = Console(stderr=True), not sys.stderr.isatty()
    for kind, at, wrong in track(strikes, name, total=None, console=bar, transient=True, disable=hidden):
        count[kind] += 1
        harm += bool(wrong)
        for line in wrong:
            print(f"{name}: {kind} {at}: {line}", flush=True)
    row = {
        "command": name,
        "killed at every write": count["kill"],
        "disk full at every write": count["full"],
        "read-only disk": count["read-only"],
        "no folder": count["missing"],
        "killed at random moments": count["moment"],
        "with harm": harm,
    }
    print(f"{', '.join(f'{key}: {value}' for key, value in row.items())}; {time.monotonic() - begun:.0f} s", flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())

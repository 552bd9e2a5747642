"""`make faults`: attack every command, print what was lost, write the counts as JSON."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track

from experiments.tests.faults.attack import CASES, Faults, attack
from torch_impl.files import write_text


def main() -> int:
    parser = argparse.ArgumentParser("python -m experiments.tests.faults", description=__doc__)
    parser.add_argument("commands", nargs="*", help=f"some of {', '.join(CASES)}; all by default")
    parser.add_argument("--moments", type=int, default=100, help="kills at random moments of each command")
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    options = parser.parse_args()
    unknown = set(options.commands) - set(CASES)
    if unknown:
        parser.error(f"unknown command {', '.join(sorted(unknown))}; choose from {', '.join(CASES)}")
    found, bar = [], Console(stderr=True)
    with Faults() as faults, tempfile.TemporaryDirectory() as folder:
        for name in options.commands or CASES:
            faulty, count = 0, 0
            strikes = attack(faults, name, Path(folder, "work"), options.moments, random.Random(0))
            for what, wrong in track(strikes, name, console=bar, transient=True, disable=not sys.stderr.isatty()):
                count += 1
                faulty += bool(wrong)
                for line in wrong:
                    print(f"{what}: {line}", flush=True)
            print(f"{name}: {count} faults, {faulty} with harm", flush=True)
            found.append({"command": name, "faults": count, "with harm": faulty})
    if options.json:
        rows = ",\n".join(json.dumps(row) for row in found)
        write_text(options.json, f"[\n{rows}\n]\n")
    return int(any(row["with harm"] for row in found))


if __name__ == "__main__":
    sys.exit(main())

"""The supported versions: a fresh environment for each, which runs the table, the random streams and the suite.

    make versions                                    every cell, into experiments/results/versions.json and VERSIONS.md
    python -m experiments.versions "torch 2.12"      the cells whose label contains this; the others' results are kept

An environment is a virtual environment with this checkout in it, torch and NumPy of the cell, and the newest versions
of everything else. A build of torch for CUDA takes about 6 GB; only one environment exists at a time unless --keep
names a folder, which a later run reuses. Runs outside continuous integration.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch_impl.files import write_text, write_whole

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
NEWEST = "newest"


@dataclass(frozen=True)
class Cell:
    """One combination; NEWEST is the version that pip installs by default."""

    python: str
    torch: str
    numpy: str

    @property
    def label(self) -> str:
        return f"Python {self.python}, torch {self.torch}, NumPy {self.numpy}"


MATRIX = [
    Cell("3.11", "2.11.0", "2.2.6"),
    Cell("3.11", "2.12.1", "2.4.6"),
    Cell("3.12", "2.13.0", "2.2.6"),
    Cell("3.12", "2.14.1", "2.4.6"),
    Cell("3.13", "2.14.1", NEWEST),
    Cell("3.13", NEWEST, NEWEST),
]
VERSIONS_HERE = """
import importlib.metadata as m, json, platform, torch
names = "torch numpy lightning scikit-learn pytest hypothesis scipy".split()
print(json.dumps({"python": platform.python_version()} | {n: m.version(n) for n in names}
                 | {"capability": torch.backends.cpu.get_cpu_capability()}))
"""


def build(cell: Cell, folder: Path) -> tuple[Path | None, str]:
    """The environment's Python, or None and why it could not be made. One that is complete is used again."""
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if ready.exists():
        return python, ""
    base = shutil.which(f"python{cell.python}")
    if base is None:
        return None, f"there is no python{cell.python} on PATH"
    shutil.rmtree(folder, ignore_errors=True)
    wanted = [name if version == NEWEST else f"{name}=={version}" for name, version in _pins(cell).items()]
    for command in (
        [base, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted, "-e", f"{ROOT}[dev]"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            said = [line for line in lines if line.startswith("ERROR")] or lines[:1]  # what follows is advice
            return None, said[-1] if said else f"{command[-1]}: exit code {done.returncode}"
    ready.touch()
    return python, ""


def _pins(cell: Cell) -> dict[str, str]:
    return {"torch": cell.torch, "numpy": cell.numpy}


def run_cell(cell: Cell, python: Path, processes: int) -> dict[str, Any]:
    """The installed versions, and the exit codes and last lines of the table, the streams and the suite."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(python), *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)

    installed = json.loads(run("-c", VERSIONS_HERE).stdout)
    with tempfile.TemporaryDirectory() as folder:
        check = run("-m", "parity_tests", "check", "--json", f"{folder}/check.json")
        results = json.loads(Path(folder, "check.json").read_text())["results"]
    failed = [f"{r['row']}: {r['what']} {r['dtype']}".strip() for r in results if not r["ok"]]
    seeds = run("-m", "parity_tests", "seeds")
    suite = run("-m", "pytest", "-n", str(processes), "-p", "no:cacheprovider")
    lines = suite.stdout.splitlines()
    write_text(python.parents[1] / "suite.txt", suite.stdout)  # stays where --keep names a folder
    return {
        "installed": installed,
        "check": {"exit": check.returncode, "results": len(results), "failed": failed},
        "seeds": {"exit": seeds.returncode, "said": _streams(seeds.stdout)},
        "suite": {
            "exit": suite.returncode,
            "said": _last(suite.stdout),
            "failed": [line.split(" - ")[0] for line in lines if line.startswith(("FAILED ", "ERROR "))],
        },
    }


def _streams(text: str) -> str:
    """How many lines of the table of streams are bit-identical, and which are not."""
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if line[:1] == "│"]
    other = [f"{name} {dtype}" for name, dtype, verdict, _ in cells if verdict != "bit-identical"]
    but = f", all but {', '.join(other)}" if other else ""
    return f"{len(cells) - len(other)} of {len(cells)} bit-identical{but}"


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def green(result: dict[str, Any]) -> bool:
    return "unbuilt" not in result and not any(result[part]["exit"] for part in ("check", "seeds", "suite"))


def page(results: Sequence[dict[str, Any]]) -> str:
    """The table as Markdown, one line per cell, and below it the failures."""
    lines = [
        "# The versions that this was run with",
        "",
        "Written by `make versions`: each line is a fresh environment in which the parity table, the streams and",
        "the suite ran. Everything without a column was the newest that pip found.",
        "",
        "| asked for | installed | check | streams | suite |",
        "| --- | --- | --- | --- | --- |",
    ]
    notes = []
    for result in results:
        label = Cell(**result["cell"]).label
        if "unbuilt" in result:
            lines.append(f"| {label} | could not be built: {result['unbuilt']} | | | |")
            continue
        names = ("python", "torch", "numpy", "capability")
        installed = ", ".join(f"{name} {result['installed'][name]}" for name in names)
        check = f"{result['check']['results']} results, {len(result['check']['failed'])} failed"
        lines.append(f"| {label} | {installed} | {check} | {result['seeds']['said']} | {result['suite']['said']} |")
        notes += [f"- {label}: {line}" for line in result["check"]["failed"] + result["suite"]["failed"]]
    return "\n".join([*lines, *(["", "What failed:", "", *notes] if notes else [])]) + "\n"


def write(results: Sequence[dict[str, Any]], folder: Path) -> None:
    rows = ",\n".join(json.dumps(result) for result in results)
    write_whole(folder / "versions.json", lambda file: file.write(f"[\n{rows}\n]\n".encode()))
    write_whole(folder / "VERSIONS.md", lambda file: file.write(page(results).encode()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells asked for, write after each one. 0 if all are green, 1 if one is not."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        "python -m experiments.versions",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("pattern", nargs="?", default="", help="only cells whose label contains this")
    parser.add_argument("--keep", type=Path, help="a folder for the environments; otherwise each is removed after use")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for versions.json and VERSIONS.md")
    parser.add_argument("--processes", type=int, default=2, help="processes of the suite")
    parser.add_argument("--only-build", action="store_true", help="make the environments, run nothing")
    options = parser.parse_args(arguments)
    cells = [cell for cell in MATRIX if options.pattern in cell.label]
    if not cells:
        parser.error(f"no cell contains {options.pattern!r}; there are: " + "; ".join(cell.label for cell in MATRIX))
    file = options.results / "versions.json"
    known = {Cell(**r["cell"]): r for r in json.loads(file.read_text())} if file.exists() else {}
    for number, cell in enumerate(cells, 1):
        print(f"[{number}/{len(cells)}] {cell.label}: installing", flush=True)
        with tempfile.TemporaryDirectory() as temporary:
            name = cell.label.replace(", ", "-").replace(" ", "")
            python, why = build(cell, (options.keep or Path(temporary)).resolve() / name)
            if options.only_build:
                print(why or "built", flush=True)
                continue
            if python is None:
                result: dict[str, Any] = {"unbuilt": why}
            else:
                print("    running the table, the streams and the suite", flush=True)
                result = run_cell(cell, python, options.processes)
        known[cell] = {"cell": asdict(cell), **result}
        print("    " + (why or f"{result['check']['results']} results, {result['suite']['said']}"), flush=True)
        write([known[c] for c in MATRIX if c in known], options.results)
    return 0 if options.only_build or all(green(known[cell]) for cell in cells) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The commands that write, and what must hold after a fault: every file under its name is whole, the older one or the
new one; a full disk is one line that names the file, and exit code 2; afterwards the same command succeeds.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from PIL import Image
from safetensors.numpy import load_file

from parity_tests.vectors.export import PAGES as PAGES_OF_VECTORS

PAGES = {page.name: page.read_bytes() for page in PAGES_OF_VECTORS}
ROOT = Path(__file__).parents[3]
EXAMPLE = "parity_tests.comparer.example"
NO_TABLE = "import parity_tests.checks.parallel as p; p.check_rows = lambda *ignored: []"
NO_TWINS = "import experiments.site.twins as t, experiments.site.replays as r; t.write = r.write = lambda site: None"


@dataclass(frozen=True)
class Case:
    """A command; `files` it is given; `patches` leave out what takes long and writes nothing."""

    command: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    patches: tuple[str, ...] = ()
    again: tuple[str, ...] = ()  # how one goes on after a fault, if not by the same command
    code: int = 0


COMPONENTS = (ROOT / "parity_tests/table/COMPONENTS.md").read_text(encoding="utf-8")
SPEED = (ROOT / "experiments/results/SPEED.md").read_text(encoding="utf-8")
TRAIN = ("train", "--data", "digits", "--hidden", "4", "--epochs", "2", "--limit-train", "128", "--output", "run")
CASES = {
    "check": Case(("check", "nn.Identity", "--json", "check.json")),
    "compare": Case(
        ("compare", f"{EXAMPLE}:left", f"{EXAMPLE}:right", "--input", "2,8,16", "--html", "r.html", "--json", "r.json"),
        code=1,
    ),
    "table": Case(("table", "--write", "COMPONENTS.md"), {"COMPONENTS.md": COMPONENTS}, (NO_TABLE,)),
    "vectors": Case(("vectors", "export", "vectors", "nn.Identity")),
    "bench": Case(("bench", "--write", "SPEED.md"), {"SPEED.md": SPEED}),
    "replay": Case(("replay", "tree-age", "--output", "replay")),
    "report": Case(("report", "nn.Identity", "--output", "site"), {}, (NO_TWINS,)),
    "train": Case(TRAIN, again=(*TRAIN, "--overwrite")),
}


def is_whole(path: Path) -> bool:
    """Whether a file is what its ending says, to its last byte."""
    data = path.read_bytes()
    if path.name in PAGES:
        return data == PAGES[path.name]
    try:
        match path.suffix:
            case ".json":
                json.loads(data)
            case ".yaml":
                return isinstance(yaml.safe_load(data), dict)
            case ".png":
                Image.open(path).load()
            case ".safetensors":
                load_file(path)
            case ".html":
                return data.rstrip().endswith(b"</html>")
            case ".md":
                return data.count(b"begin, written by") == data.count(b": end -->") > 0
            case ".csv":
                return data.endswith(b"\n")
            case ".ckpt":
                import torch

                torch.load(path, weights_only=True)
    except Exception:
        return False
    return bool(data)


class Faults:
    """The forking server, and what is asked of it."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-W", "ignore", "-m", "experiments.tests.faults.server"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.communicate()  # closes both pipes: the server ends with its input

    def run(self, case: Case, folder: Path, at: int | None = None, how: str = "kill", **more: Any) -> dict[str, Any]:
        """The exit code, the output and the number of writes of one run of a command in a folder."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"command": case.command, "folder": str(folder), "at": at, "how": how, "patches": case.patches}
        self.process.stdin.write(json.dumps({**request, **more}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def fresh(self, case: Case, folder: Path) -> Path:
        """The folder as a user has it before: with the older result of the same command where it leaves one."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, text in case.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    def writes(self, case: Case, folder: Path) -> dict[str, Any]:
        """One run without a fault."""
        return self.run(case, self.fresh(case, folder))

    def strike(self, case: Case, folder: Path, at: int | None, how: str, **more: Any) -> list[str]:
        """What is wrong after a fault at one write: nothing, it is hoped."""
        self.fresh(case, folder)
        done = self.run(case, folder, at, how, **more)
        wrong = [f"half a file: {path.relative_to(folder)}" for path in halves(folder)]
        if how == "full" and done["code"] != case.code:  # the last writes may be of what nobody needs
            if done["code"] != 2:
                wrong.append(f"exit code {done['code']}: {done['err'][-300:]}")
            if len(done["err"].strip().splitlines()) != 1:
                wrong.append(f"more than one line: {done['err'][-300:]}")
        again = Case(case.again or case.command, {}, case.patches, code=case.code)
        then = self.run(again, folder)
        if then["code"] != case.code:
            wrong.append(f"afterwards the same command ends with {then['code']}: {then['err'][-300:]}")
        wrong += [f"half a file afterwards: {path.relative_to(folder)}" for path in halves(folder)]
        return wrong


def halves(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and not is_whole(path):
            yield path


def attack(
    faults: Faults, name: str, folder: Path, moments: int, rng: random.Random
) -> Iterator[tuple[str, list[str]]]:
    """Every write killed and every write on a full disk, then kills at random moments: (what, what is wrong)."""
    case = CASES[name]
    plain = faults.writes(case, folder)
    assert plain["code"] == case.code, plain["err"]
    for at in range(1, plain["writes"] + 1):
        for how in ("kill", "full"):
            yield f"{name}: {how} at write {at} of {plain['writes']}", faults.strike(case, folder, at, how)
    for _ in range(moments):
        after = rng.uniform(0, plain["seconds"])
        yield f"{name}: SIGKILL after {after:.3f} s", faults.strike(case, folder, None, "SIGKILL", after=after)

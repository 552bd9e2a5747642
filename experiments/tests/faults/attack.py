"""What must hold after a fault in a command that writes.

Every file under its name is whole, the older one or the new one; a disk that is full or read-only is one line that
says so, and exit code 2; no process is left; afterwards the same command, or its --resume, succeeds.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from experiments.tests.faults.cases import CASES, ROOT, Case
from experiments.tests.faults.wholeness import files, is_whole_content

PROGRESS = "report: "  # the lines of progress without a terminal


class Faults:
    """The forking server, and what is asked of it."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-W", "ignore", "-m", "experiments.tests.faults.server"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.communicate()  # closes both pipes: the server ends with its input

    def run(self, case: Case, folder: Path, at: int | None = None, how: str = "SIGKILL", **more: Any) -> dict[str, Any]:
        """The exit code, the output and the number of writes of one run of a command in a folder."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"command": case.command, "folder": str(folder), "at": at, "how": how, "patches": case.patches}
        self.process.stdin.write(json.dumps({**request, **more}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Attack:
    """One command, its folder before and after a run without a fault, and the faults it is given in copies of them."""

    def __init__(self, faults: Faults, case: Case, home: Path) -> None:
        self.faults, self.case, self.folder = faults, case, home / "work"
        self.before, self.older = home / "before", home / "older"
        for folder in (self.before, self.older, self.folder):
            shutil.rmtree(folder, ignore_errors=True)
        self.before.mkdir(parents=True)
        for name, content in case.files.items():
            (self.before / name).write_bytes(content)
        if case.before:
            done = faults.run(Case(case.before, patches=case.patches), self.before)
            assert done["code"] == 0, done
        shutil.copytree(self.before, self.older)
        self.plain = faults.run(case, self.older)
        assert self.plain["code"] == case.code, self.plain
        self.start = self.before if case.refuses else self.older  # where kills strike
        self.writes, self.seconds = self.plain["writes"], self.plain["seconds"]
        self.seen: dict[int, bool] = {}  # contents that were once found whole, or not
        self.continued: set[Any] = set()  # the states of the folder from which the command was run again

    def strike(self, start: Path, at: int | None, how: str, **more: Any) -> tuple[dict[str, Any], list[str]]:
        """What a fault did, and what is wrong afterwards: nothing, it is hoped."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(start, self.folder)
        done = self.faults.run(self.case, self.folder, at, how, **more)
        wrong = [f"{done['left']} processes are left"] if done["left"] else []
        wrong += self.damage("")
        if not self.case.replaces:
            there = {path.relative_to(start) for path in files(start)}
            lost = there - {path.relative_to(self.folder) for path in files(self.folder)}
            wrong += [f"an older file is lost: {name}" for name in sorted(lost)]
        if how in ("full", "read-only"):  # that it ends well is right only if nothing lacks
            wrong += self.lacking() if done["code"] == self.case.code else plain_refusal(done)
        return done, wrong + self.again()

    def again(self) -> list[str]:
        """The command succeeds from here on; tried once from each state of the folder."""
        state = self.state()
        if state in self.continued:
            return []
        self.continued.add(state)
        case = self.case
        resumes = bool(case.resume) and (self.folder / "run/config.yaml").exists()
        then = self.faults.run(Case(case.resume, patches=case.patches) if resumes else case, self.folder)
        if then["code"] != case.code and not (case.refuses and then["code"] == 2):
            return [f"afterwards it ends with {then['code']}: {then['err'][-300:]}"]
        wrong = self.damage(" afterwards")
        for name in case.same:
            if (self.folder / name).read_bytes() != (self.older / name).read_bytes():
                wrong.append(f"{name} is not that of a run without a fault")
        return wrong + self.lacking()

    def lacking(self) -> list[str]:
        """The files that a run without a fault leaves, and this one does not."""
        wanted, there = ({path.relative_to(at) for path in files(at)} for at in (self.older, self.folder))
        return [f"it lacks {name}" for name in sorted(wanted - there)]

    def state(self) -> Any:
        """The names, and the contents of what is continued: figures that hold seconds are the same state."""
        found = []
        for path in sorted(self.folder.rglob("*")):
            name = re.sub(r"\d+$", "", str(path.relative_to(self.folder)))  # process ids of begun files
            exact = path.suffix in (".ckpt", ".csv", ".yaml")
            found.append((name, zlib.crc32(path.read_bytes()) if exact else 0))
        return tuple(found)

    def damage(self, when: str) -> list[str]:
        return [f"half a file{when}: {path.relative_to(self.folder)}" for path in files(self.folder) if self.half(path)]

    def half(self, path: Path) -> bool:
        content = path.read_bytes()
        key = hash((path.name, content))
        if key not in self.seen:
            self.seen[key] = not is_whole_content(path.name, content)
        return self.seen[key]

    def missing(self) -> tuple[dict[str, Any], list[str]]:
        """The same with all its files in a folder that is not there, and cannot be made: a file has its name."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.before, self.folder)
        name, *words = self.case.command
        moved = (name, *(f"nowhere/{word}" if (self.older / word).exists() else word for word in words))
        (self.folder / "nowhere").write_text("a file\n")
        done = self.faults.run(Case(moved, patches=self.case.patches), self.folder)
        return done, plain_refusal(done)


def plain_refusal(done: dict[str, Any]) -> list[str]:
    """One line on stderr, beside those of its progress, and the exit code of what cannot be done."""
    wrong = [] if done["code"] == 2 else [f"exit code {done['code']}: {done['err'][-300:]}"]
    *progress, last = done["err"].splitlines() or [""]
    told = last.startswith("nn-parity: ") and all(line.startswith(PROGRESS) for line in progress)
    return wrong if told else [*wrong, f"not one line: {done['err'][-300:]}"]


def attack(
    faults: Faults, name: str, home: Path, moments: int, rng: random.Random
) -> Iterator[tuple[str, str, list[str]]]:
    """Every write killed, and every write on a full disk; a read-only disk, no folder; then kills at random moments.

    Yields the kind of fault, where it struck, and what is wrong. Kills find an older result in the folder, in turn with
    none; a moment after the end of a run is drawn again.
    """
    one = Attack(faults, CASES[name], home)
    for at in range(1, one.writes + 1):
        place = f"{at} of {one.writes}"
        yield "kill", place, one.strike(one.start, at, "SIGKILL")[1]
        yield "full", place, one.strike(one.before, at, "full")[1]
    yield "read-only", "", one.strike(one.before, 1, "read-only")[1]
    yield "missing", "", one.missing()[1]
    done = 0
    while done < moments:
        start, after = (one.start, one.before)[done % 2], rng.uniform(0, one.seconds)
        found, wrong = one.strike(start, None, "SIGKILL", after=after)
        if found["code"] == -9 or wrong:
            done += 1
            yield "moment", f"after {after:.3f} s", wrong

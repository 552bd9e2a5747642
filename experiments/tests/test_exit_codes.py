"""Every command through the table of exit codes: right, failed where it compares, cannot, SIGINT and SIGTERM."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import typer

from experiments import cli
from experiments.tests.faults.attack import Faults
from experiments.tests.faults.cases import CASES, EXAMPLE, Case
from parity_tests import workers
from parity_tests.exits import CODES, CannotError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")

WRONG = "from scratch.nn import Identity as I; f = I.forward; I.forward = lambda self, x: f(self, 2 * x)"
ANSWERED = """
from pathlib import Path
from parity_tests.vectors.answer import answer
answer(Path("vectors"), "nn.Identity")
"""
MISSED = "import dataclasses; c.RECIPES['mlp'] = dataclasses.replace(c.RECIPES['mlp'], goal=1.1)"
STREAM = "import parity_tests.checks.streams as s; s.table = lambda: [s.row(s.DRAWS[0], s.DRAWS[0].dtypes[0], (16,))]"
STATES = "import parity_tests.checks.streams as s; s.same_state = lambda: False"
APART = "import experiments.training.twins as t, experiments.demo as d; t.LIMIT = d.LIMIT = -1"
STALE = Case(
    ("table", "--write", "COMPONENTS.md", "--check"),
    {"COMPONENTS.md": CASES["table"].files["COMPONENTS.md"].replace(b"Linear", b"Linaer")},
)


@dataclass(frozen=True)
class Ends:
    """How a command ends well, how it fails, if it can, and what it cannot do."""

    right: Case
    failed: Case | None
    cannot: tuple[str, ...]


def spoiled(case: Case, *patches: str) -> Case:
    return replace(case, patches=(*case.patches, *patches))


ENDS = {
    "check": Ends(CASES["check"], spoiled(CASES["check"], WRONG), ("no such row",)),
    "seeds": Ends(
        Case(("seeds",), patches=(STREAM,)), Case(("seeds",), patches=(STREAM, STATES)), ("--no-such-option",)
    ),
    "table": Ends(CASES["table"], STALE, ("--write", "nowhere.md")),
    "compare": Ends(
        Case(("compare", f"{EXAMPLE}:repaired", f"{EXAMPLE}:right", "--input", "2,8,16")),
        replace(CASES["compare"], code=0),
        ("nowhere.py:left", "nowhere.py:right"),
    ),
    "vectors export": Ends(CASES["vectors"], None, ("nowhere", "no such row")),
    "record": Ends(CASES["record"], None, ("nowhere.py:net", "recorded", "--input", "2")),
    "vectors check": Ends(
        Case(("vectors", "check", "vectors"), before=CASES["vectors"].command, patches=(ANSWERED,)),
        Case(("vectors", "check", "vectors"), before=CASES["vectors"].command, patches=(WRONG, ANSWERED)),
        ("nowhere",),
    ),
    "train": Ends(
        CASES["train"],
        spoiled(CASES["train"], "import experiments.training.outcome as o; o.Comparison.ok = False"),
        ("--engine", "jax"),
    ),
    "fast": Ends(
        CASES["fast"],
        spoiled(CASES["fast"], f"import experiments.fast.command as c; {MISSED}"),
        ("no such recipe",),
    ),
    "twins": Ends(CASES["twins"], spoiled(CASES["twins"], APART), ("--seeds", "0")),
    "predict": Ends(CASES["predict"], None, ("nowhere.png", "--checkpoint", "nowhere.ckpt")),
    "demo": Ends(CASES["demo"], spoiled(CASES["demo"], APART), ("--output", "COMPONENTS.md/x")),
    "replay": Ends(
        CASES["replay"],
        spoiled(CASES["replay"], "from experiments.articles.article import Replay; Replay.ok = False"),
        ("no such article",),
    ),
    "bench": Ends(
        CASES["bench, measuring"],
        spoiled(CASES["bench, measuring"], "import experiments.bench.cases.optimizers as o; o.MOST = 1e-9"),
        ("no such case",),
    ),
    "conventions": Ends(
        CASES["conventions"],
        spoiled(
            CASES["conventions"],
            "from parity_tests.conventions.statement import Statement as S; S.holds = lambda self, came: False",
        ),
        ("no such statement",),
    ),
    "exercise": Ends(CASES["exercise"], None, ("no such layer",)),
    "report": Ends(CASES["report"], spoiled(CASES["report"], WRONG), ("no such row",)),
}


def commands() -> set[str]:
    """The names of all commands, from the parser."""
    found = set()
    for name, command in typer.main.get_command(cli.app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found |= {name} if inner is None else {f"{name} {one}" for one in inner}
    return found


@pytest.fixture(scope="module")
def faults() -> Iterator[Faults]:
    with Faults() as server:
        yield server


def folder_of(case: Case, faults: Faults, home: Path) -> Path:
    """A folder with what the command is given."""
    home.mkdir()
    for name, content in case.files.items():
        (home / name).write_bytes(content)
    if case.before:
        assert faults.run(replace(case, command=case.before, patches=()), home)["code"] == 0
    return home


def test_every_command_has_its_ends() -> None:
    assert set(ENDS) == commands()


@pytest.mark.parametrize("name", ENDS)
def test_a_command_ends_as_the_table_says(name: str, faults: Faults, tmp_path: Path) -> None:
    ends = ENDS[name]
    plain = faults.run(ends.right, folder_of(ends.right, faults, tmp_path / "right"), how="SIGINT", at_call=0)
    assert plain["code"] == 0, plain
    if ends.failed is not None:
        failed = faults.run(ends.failed, folder_of(ends.failed, faults, tmp_path / "failed"))
        assert (failed["code"], "Traceback" in failed["err"]) == (1, False), failed
    cannot = faults.run(Case((*name.split(), *ends.cannot)), folder_of(CASES["table"], faults, tmp_path / "cannot"))
    assert (cannot["code"], "Traceback" in cannot["err"]) == (2, False), cannot
    assert cannot["err"]
    for how, code in (("SIGINT", 130), ("SIGTERM", 143)):
        folder = folder_of(ends.right, faults, tmp_path / how)
        stopped = faults.run(ends.right, folder, how=how, at_call=plain["calls"] // 2)
        assert stopped["code"] == code, stopped
        assert stopped["err"].count("\n") == 1, stopped
        assert f"nn-parity: stopped by {how}; " in stopped["err"]
        assert stopped["left"] == 0


@pytest.mark.parametrize(
    ("command", "work"),
    [
        (("demo", "--output", "COMPONENTS.md/x"), "import experiments.demo as d; d.check_rows = None"),
        (
            ("fast", "mlp", "--json", "nowhere/x.json"),
            "import experiments.fast.command as c; c.RECIPES = {'mlp': None}",
        ),
        (("check", "--json", "nowhere/x.json"), "import parity_tests.cli as c; c.run = None"),
        (
            ("compare", "a.py:f", "b.py:g", "--json", "nowhere/x.json"),
            "import parity_tests.comparer.cli as c; c.run = None",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(
    command: tuple[str, ...], work: str, faults: Faults, tmp_path: Path
) -> None:
    case = Case(command, patches=(work,))
    done = faults.run(case, folder_of(replace(CASES["table"], patches=()), faults, tmp_path / "home"))
    assert (done["code"], "Traceback" in done["err"]) == (2, False), done


def test_help_prints_the_table() -> None:
    done = subprocess.run([sys.executable, "-m", "experiments", "--help"], capture_output=True, text=True, check=True)
    said = " ".join(done.stdout.split())
    assert all(" ".join(line.split()) in said for line in CODES.splitlines())


def test_without_shared_memory_a_pool_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_semaphores(*ignored: object, **options: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(workers, "ProcessPoolExecutor", no_semaphores)
    with pytest.raises(CannotError, match=r"cannot be started: .*Read-only.* Is /dev/shm there, and writable\?"):
        workers.workers().__enter__()

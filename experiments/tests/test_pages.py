"""The README's code runs and prints what stands below it; what commands print is what they print; no link is dead."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from parity_tests.checks import check
from parity_tests.cli import COMPONENTS
from parity_tests.exits import CannotError
from parity_tests.table import TABLE, markdown

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[:2]
OUTPUTS = re.findall(r"<td>\n\n```\n(.*?)```", TEXT, re.DOTALL)[:2]


@pytest.mark.parametrize(("program", "output"), list(zip(PROGRAMS, OUTPUTS, strict=True)), ids=["scratch", "torch"])
def test_the_model_prints_what_stands_below_it(program, output):
    """To six digits: the last ones are the rounding of the machine at hand, and the comparison shows them."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program, {})
    got, shown = ([float(word) for word in text.split()] for text in (printed.getvalue(), output))
    assert got == pytest.approx(shown, rel=1e-4)
    assert len(got) == 12


def test_the_two_programs_differ_in_the_library_and_the_backward_alone():
    ours, theirs = (program.replace("scratch", "torch").splitlines() for program in PROGRAMS)
    different = [(a.strip(), b.strip()) for a, b in zip(ours, theirs, strict=True) if a != b]
    assert different == [("net.backward(criterion.backward())", "loss.backward()")]


# Lines of prose with a number, and the command that CONTRIBUTING.md names for it.
NUMBERS = {
    r"training loss .* over 460 steps": "make demo",
    r"^You need Python 3\.11 or newer and torch 2\.11 or newer": "make versions",
    r"of \d+ limits .*, \d+ are kept": "make bench",
    r"in 0\.6 of the time of torch": "make bench",
    r"The exit code is 1; with `:repaired`": "the command above it",
    r"`nn-parity conventions` runs (?:some )?\d+ statements": "nn-parity conventions",
    r"other people's GPUs printed": "parity_tests/tests/test_random_philox.py",
    r"version 0\.1\.0, 2026": "nn-parity --version",
}
CODE = r" {4}|\||\d\. "  # commands, tables and the items of lists


def test_every_number_has_its_command():
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    lines = [line for line in prose.splitlines() if re.search(r"\b\d", line) and not re.match(CODE, line)]
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    unknown = [line for line in lines if not any(re.search(pattern, line, re.IGNORECASE) for pattern in NUMBERS)]
    assert not unknown, "name in CONTRIBUTING.md, and here, the command that prints it"
    assert [command for command in NUMBERS.values() if command not in told] == []


def test_it_is_short():
    assert len(TEXT.encode()) <= 12_000


def test_the_demo_counts_the_rows_of_the_table():
    assert f"Checking {len(TABLE)} rows of the parity table" in TEXT
    assert f"{len({row.name for row in TABLE})} in {len(TABLE)} rows, " in TEXT


def test_the_report_of_compare_is_what_compare_prints(monkeypatch):
    """Line by line; its numbers are those of the machine at hand."""
    monkeypatch.chdir(ROOT)
    command, shown = re.search(r"nn-parity (compare [^\n]*)\n\n```\n(.*?)```", TEXT, re.DOTALL).groups()
    printed = [without_numbers(line) for line in CliRunner().invoke(app, command.split()).output.splitlines()]
    lines = [without_numbers(line) for line in shown.splitlines() if line != "..."]
    assert len(lines) >= 10
    assert [line for line in lines if line not in printed] == []


def without_numbers(line):
    return re.sub(r"[-+]?\d[\d.]*(e[-+]\d+)?", "0", line).split()


PAGES = [
    path for path in ROOT.rglob("*.md") if not {".venv", "node_modules", "runs"} & set(path.relative_to(ROOT).parts)
]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_is_dead(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)
    dead = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert dead == []


# --- COMPONENTS.md ----------------------------------------------------------------------------------------------------


def test_the_tables_are_not_stale():
    assert not markdown.stale(COMPONENTS), "run `nn-parity table`"


def test_a_missing_component_makes_them_stale(tmp_path):
    lines = COMPONENTS.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "a.md").write_text("".join(line for line in lines if "`nn.Linear`" not in line), encoding="utf-8")
    assert markdown.stale(tmp_path / "a.md")


def test_tables_need_their_marks(tmp_path):
    (tmp_path / "a.md").write_text("no marks", encoding="utf-8")
    with pytest.raises(CannotError, match="lacks the lines"):
        markdown.write(tmp_path / "a.md", [])


def test_a_line_shows_the_worst_result_and_leaves_empty_what_there_is_not(tmp_path):
    """A container has no forward; no cell is wider than a screen."""
    (tmp_path / "a.md").write_text(f"{markdown.BEGIN}{markdown.END}", encoding="utf-8")
    rows = [row for name in ("nn.Linear", "nn.ModuleList") for row in TABLE if row.name == name]
    markdown.write(tmp_path / "a.md", [result for row in rows for result in check(row)])
    lines = (tmp_path / "a.md").read_text(encoding="utf-8").splitlines()
    (linear,), (container,) = (
        [line for line in lines if f"`{name}`" in line] for name in ("nn.Linear", "nn.ModuleList")
    )
    assert re.fullmatch(r"\| `nn.Linear` \| \d+: default; .* \| \d+ \| ✓ \| ✓ \| [\d.]+ of [\d.]+ \| ok \|", linear)
    assert re.fullmatch(r"\| `nn.ModuleList` \|  \| \d+ \|  \|  \|  \| ok \|", container)
    assert max(map(len, lines)) < 250

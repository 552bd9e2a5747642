"""The table of conventions: what it says of torch, NumPy and scikit-learn is run; of the others, that it was run."""

from __future__ import annotations

import ast
import json
import math
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import scratch
from parity_tests import comparer
from parity_tests.cli import Commands, check
from parity_tests.conventions import statement
from parity_tests.conventions.cli import conventions
from parity_tests.conventions.results import RESULTS, Came, agrees, evidence, load, recorded, save, seen
from parity_tests.conventions.run import given, run
from parity_tests.conventions.statement import LIBRARIES, Statement, same, which
from parity_tests.conventions.statements import STATEMENTS, TABLES, concerning, select
from parity_tests.table import TABLE

HERE = ("torch", "NumPy", "scikit-learn")
RUNNABLE = [one for one in STATEMENTS if one.library in HERE and one.runs]


@pytest.mark.parametrize("one", RUNNABLE, ids=lambda one: one.key)
def test_statement(one: Statement) -> None:
    came = given(one)
    assert one.holds(came), f"{one.text} It gives {one.gives}, came {came}"


def test_names_are_unique_and_every_library_is_known() -> None:
    keys = [one.key for one in STATEMENTS]
    assert len(set(keys)) == len(keys)
    assert {one.library for one in STATEMENTS} <= LIBRARIES.keys()
    for one in STATEMENTS:
        assert one.text[0].isupper() or one.text[0].islower()
        assert one.text.endswith(".")


def test_a_statement_is_run_or_says_where_it_was_read() -> None:
    for one in STATEMENTS:
        assert (one.show is None) == bool(one.source), one.key


def test_every_statement_is_about_components_that_exist() -> None:
    names = {row.name for row in TABLE}
    for one in STATEMENTS:
        for pattern in one.about:
            assert any(fnmatchcase(name, pattern) for name in names), f"{one.key}: {pattern}"


def test_every_statement_was_run_and_the_results_say_what_it_says_today() -> None:
    known = {one.key: one for one in STATEMENTS}
    for one in STATEMENTS:
        assert one.show is None or recorded().get(one.key), f"not run yet: {one.key}"
    for came in load():
        assert came.holds, came
        assert agrees(came, known[came.key]), f"{came.key}: the statement was changed after it was run"
        assert known[came.key].covers(came.version), came


def test_what_a_docstring_says_of_other_libraries_is_in_the_table() -> None:
    """Each component whose docstring has a section "Differs" has a statement."""
    for file in sorted(Path(scratch.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and "\n    Differs  " in (
                ast.get_docstring(node, False) or ""
            ):
                assert any(row.name.endswith(f".{node.name}") and concerning(row.name) for row in TABLE), node.name


def test_a_false_statement_does_not_hold() -> None:
    false = Statement("NumPy", "false", "1 + 1 is 3.", lambda: 1 + 1, 3)
    broken = Statement("NumPy", "broken", "It raises.", lambda: [][0], 3)
    ((_, came),) = run([false])
    assert (came.holds, came.came) == (False, 2)
    ((_, came),) = run([broken])
    assert (came.holds, str(came.came)) == (False, "IndexError: list index out of range")


def test_what_counts_as_the_same() -> None:
    assert same([1.0, [math.nan, "x"]], [1.00001, [math.nan, "x"]])
    assert not same(1.001, 1.0)
    assert not same(True, 1)
    assert not same("1", 1)
    assert not same([1.0], [1.0, 2.0])
    assert which(1.0, one=1.0, two=2.0) == "one"
    assert which(1.0, one=1.0, uno=1.0) == "one and uno"
    assert which(3.0, one=1.0) == "none"


def test_a_statement_about_other_versions_is_not_run() -> None:
    assert Statement("NumPy", "old", "Old.", lambda: 1, 1, before="2.0").runs is False
    assert Statement("NumPy", "new", "New.", lambda: 1, 1, since="99").runs is False
    assert Statement("NumPy", "now", "Now.", lambda: 1, 1, since="2.0", before="99").runs
    assert statement.release("2.14.1+cpu") == (2, 14)


def test_results_are_kept_by_version(tmp_path: Path) -> None:
    file, first = tmp_path / "results.json", STATEMENTS[0]
    for version, came in (("2.9.0", 1.0), ("2.10.0", math.inf), ("2.9.0", 2.0)):
        save([Came(first.library, first.name, version, "2026-01-01", True, came)], file)
    assert [(one.version, one.came) for one in load(file)] == [("2.9.0", 2.0), ("2.10.0", "inf")]
    assert len(file.read_text().splitlines()) == 4


def test_the_committed_file_is_as_the_command_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    save(load(), file)
    assert file.read_text() == RESULTS.read_text()
    assert json.loads(RESULTS.read_text())


def test_a_cause_says_who_was_seen_to_do_so() -> None:
    (text,) = [text for text in evidence("adam-eps-hat + eps-value", "with epsilon-hat") if "scikit-learn" in text]
    assert text.startswith("as scikit-learn ")
    assert " does, run on 20" in text
    assert evidence("no such cause", "") == []


@pytest.mark.parametrize(
    ("cause", "text", "kind", "seen", "not_seen"),
    [
        ("eps-value", "with eps=0.001", "LayerNorm", "Keras", "thinc"),
        ("eps-value", "with eps=1e-08", "LayerNorm", "thinc", "Keras"),
        ("eps-value", "with eps=1e-08", "Adam", "", "thinc"),
        ("eps-place", "with epsilon outside the root, x / (sqrt(var) + eps)", "LayerNorm", "", "Keras"),
        ("eps-inside", "with epsilon inside the root", "NAdam", "", "Keras"),
        ("count-include-pad", "with count_include_pad=True, with padding in the mean", "AvgPool2d", "", "Keras"),
        ("count-include-pad", "with count_include_pad=False, without padding", "AvgPool2d", "Keras", "tiny"),
        ("mask-polarity", "with the mask inverted: True read as 'blocked'", "", "torch", "JAX"),
        ("masked-rows", "with masked rows of its own: a query that may see nothing gets NaN", "", "OpenVINO", "onnx"),
        ("float32-correction", "with 1 - beta^t computed by a product in float32 (tinygrad)", "Adam", "tiny", "Keras"),
        ("sgd-lr-inside", "with lr inside the momentum buffer", "RMSprop", "", "scikit-learn"),
        ("nearest-exact", "with mode='nearest'", "Upsample", "", "Keras"),
    ],
)  # fmt: skip
def test_no_library_is_said_to_do_what_it_was_not_seen_to_do(
    cause: str, text: str, kind: str, seen: str, not_seen: str
) -> None:
    found = "; ".join(evidence(cause, text, kind))
    assert seen in found
    assert not_seen not in found


def test_the_causes_of_statements_are_causes_of_compare() -> None:
    names = {cause.partition(": ")[0] for one in STATEMENTS for cause in one.causes}
    code = "".join(file.read_text() for file in Path(comparer.__file__).parent.rglob("*.py"))
    assert [name for name in names if f'"{name}"' not in code] == []


def test_a_part_of_a_number_is_no_evidence() -> None:
    one = Statement("Keras", "x", "X.", causes=("alpha: alpha=0.9",))
    assert one.explains("alpha", "with alpha=0.9")
    assert one.explains("alpha + eps-value", "with alpha=0.9, eps=1e-7")
    assert not one.explains("alpha", "with alpha=0.99")
    assert not one.explains("eps-value", "with alpha=0.9")


def test_command() -> None:
    app = typer.Typer(cls=Commands)
    app.command("conventions")(conventions)
    app.command()(check)
    done = CliRunner().invoke(app, ["conventions", "NumPy"])
    assert done.exit_code == 0, done.output
    assert f"{len(select('NumPy'))} statements: " in done.output
    done = CliRunner().invoke(app, ["conventions", "no such thing"])
    assert done.exit_code == 2
    listed = CliRunner().invoke(app, ["conventions", "optim.Adam", "--list"]).output.splitlines()
    assert len(listed) == len(concerning("optim.Adam"))


def test_how_a_statement_is_known() -> None:
    assert seen(Statement("Keras", "x", "X.", source="its documentation")) == "read: its documentation"
    one = next(one for one in STATEMENTS if one.library == "NumPy")
    assert seen(one).startswith("run with NumPy 2.")


def test_what_needs_more_than_a_library_is_not_run_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one = next(one for one in STATEMENTS if one.library == "torch.compile")
    assert one.version is not None
    monkeypatch.setattr(statement.shutil, "which", lambda name: None)
    assert not one.runs


def test_every_table_has_statements() -> None:
    assert all(table.statements for table in TABLES)

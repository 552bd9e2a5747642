"""The README's code runs and prints what stands below it, and its table is that of the components."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from parity_tests.table import markdown

README = Path(__file__).parents[2] / "README.md"
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


def test_the_table_is_not_stale():
    assert not markdown.stale(README), "run `nn-parity table --write README.md`"


def test_a_missing_component_makes_it_stale(tmp_path):
    lines = TEXT.splitlines(keepends=True)
    (tmp_path / "README.md").write_text("".join(line for line in lines if "`nn.Linear`" not in line), encoding="utf-8")
    assert markdown.stale(tmp_path / "README.md")


def test_every_table_needs_its_marks(tmp_path):
    (tmp_path / "README.md").write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the lines"):
        markdown.write(tmp_path / "README.md", [])

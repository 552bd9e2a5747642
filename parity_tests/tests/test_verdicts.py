"""The table of verdicts in a file is the one that rich would print."""

from io import BytesIO, StringIO, TextIOWrapper
from types import SimpleNamespace

import pytest
from rich.console import Console

from parity_tests import verdicts
from parity_tests.rule import Result

RIGHT = [Result("nn.A[size [2]]", "output", "float32", 1.25, 6.84), Result("nn.A[size [2]]", "init → w", "", 0.0, 0.0)]
WRONG = [
    Result("nn.B", "runs", "", float("inf"), 0.0, "ValueError: 幅"),
    Result("nn.B", "grad 幅", "float64", 2e9, 4.0),
]
REPORTS = [(SimpleNamespace(label=results[0].row), results) for results in (RIGHT, WRONG)]


def printed(reports, verbose, **options):
    file = StringIO()
    verdicts.print_table(Console(width=verdicts.PIPE, highlight=False, file=file, **options), reports, verbose)
    return file.getvalue()


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("reports", [REPORTS, REPORTS[:1], []])
def test_a_file_has_the_text_that_rich_prints(reports, verbose):
    plain = printed(reports, verbose)
    file = StringIO()
    console = Console(width=verdicts.PIPE, highlight=False, file=file)
    console.print(verdicts._table(verdicts._lines(reports, verbose)))
    assert plain == file.getvalue()
    assert ("FAILED" in plain) == (len(reports) == 2)


def test_what_a_terminal_or_an_encoding_asks_is_left_to_rich(monkeypatch):
    monkeypatch.setattr(verdicts, "_unwrapped", None)
    assert "\x1b[" in printed(REPORTS, False, force_terminal=True, color_system="standard")
    file = TextIOWrapper(BytesIO(), "ascii")
    verdicts.print_table(Console(width=verdicts.PIPE, file=file), REPORTS[:1], False)  # has no line that ASCII lacks
    odd = [(SimpleNamespace(label="nn.A\x07"), RIGHT)]
    assert "\x07" not in printed(odd, False)

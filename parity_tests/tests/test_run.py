"""The table spread over processes is the table."""

import os

from parity_tests.checks import parallel as run
from parity_tests.table import TABLE

LINEAR = [row for row in TABLE if row.name == "nn.Linear"][:2]


def test_the_table_in_several_processes_is_the_table(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    answers = []
    for workers in (2, 1):
        monkeypatch.setattr(run, "WORKERS", workers)
        monkeypatch.setattr(run, "WORTH_A_POOL", 1)
        answers.append(
            [(row, [(r.row, r.what, r.dtype, r.ok) for r in results]) for row, results in run.check_rows(LINEAR)]
        )
    several, one = answers
    assert [(row, sorted(results)) for row, results in several] == [(row, sorted(results)) for row, results in one]
    assert os.environ["OMP_NUM_THREADS"] == "7"

"""The table of what an older torch does otherwise: every entry is needed, true, and the only place with versions."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import parity_tests
import scratch
from parity_tests.checks import CHECKS, check
from parity_tests.checks.release import check_release
from parity_tests.engine import SCRATCH, TORCH
from parity_tests.table import TABLE
from parity_tests.table.versions import CHANGES, RELEASE, in_force

ROOT = Path(parity_tests.__file__).parents[1]
IN_FORCE = in_force()


def named(change):
    return f"{change.component}, {change.what}"


def rows(change):
    return [row for row in TABLE if change.concerns(row)]


def judged_by(engine, change):
    """Whether scratch's component agrees with an engine's in all rows; one that refuses a row does not."""
    try:
        dtypes = (change.dtype or "float64",)
        results = [r for row in rows(change) for r in CHECKS[type(row)](row, dtypes, SCRATCH, engine)]
    except (TypeError, RuntimeError):
        return False
    assert results
    return all(result.ok for result in results)


@pytest.mark.parametrize("change", CHANGES, ids=named)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_entry_is_needed_where_it_is_in_force_and_nowhere_else(change):
    """The installed torch itself agrees with scratch from the release on that the entry names, and not before."""
    assert judged_by(TORCH, change) == (change.release <= RELEASE)


@pytest.mark.parametrize("change", CHANGES, ids=named)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_stands_in_for_the_newest_torch_agrees_with_scratch_on_every_release(change):
    assert judged_by(TORCH.replacing(change.component, change.newest), change)


@pytest.mark.parametrize("change", IN_FORCE, ids=named)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_older_torch_that_did_otherwise_than_the_table_says_is_found(change):
    wrong = replace(change, older=change.newest)
    found = [result for row in rows(change) for result in check_release(row, wrong, ("float64",))]
    assert not all(result.ok for result in found)
    told = [result for row in rows(change) for result in check_release(row, change, ("float64",))]
    assert all(result.ok for result in told)


@pytest.mark.parametrize("change", IN_FORCE, ids=named)
def test_the_check_of_a_row_judges_the_older_torch_too(change):
    row = next(iter(rows(change)))
    assert any("as listed" in result.what for result in check(row))


def test_only_the_table_asks_for_a_version():
    asks = re.compile(r"__version__\)?\s*(\.split|\.startswith|[<>=]=?\s)|parse\(.*__version__|TorchVersion")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for package in ("scratch", "torch_impl", "parity_tests", "experiments")
        for path in (ROOT / package).rglob("*.py")
        if path.name not in ("versions.py", Path(__file__).name)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if asks.search(line)
    ]
    assert not found, f"these lines ask for a version: {found}. parity_tests/table/versions.py is the place."


# --- the slope of clamp at its bound, by hand -------------------------------------------------------------------------


def array(*values):
    return np.array(values, np.float32)


def test_at_a_margin_that_is_just_reached_nothing_is_pulled():
    loss = scratch.nn.MarginRankingLoss(margin=0.5, reduction="sum")
    loss(array(1.0, 1.0), array(0.5, 1.0), array(1.0, 1.0))  # ahead by just the margin; not ahead
    assert [dx.tolist() for dx in loss.backward()] == [[0.0, -1.0], [0.0, 1.0]]

    loss = scratch.nn.HingeEmbeddingLoss(margin=1.0, reduction="sum")
    loss(array(1.0, 0.5), array(-1.0, -1.0))
    assert loss.backward().tolist() == [0.0, -1.0]

    loss = scratch.nn.CosineEmbeddingLoss(reduction="sum")
    loss(array([1.0, 0.0]), array([0.0, 1.0]), array(-1.0))  # a right angle: the cosine is the margin, 0
    assert [dx.tolist() for dx in loss.backward()] == [[[0.0, 0.0]], [[0.0, 0.0]]]

    loss = scratch.nn.TripletMarginLoss(margin=1.0, eps=0.0, reduction="sum")
    loss(array([0.0, 0.0]), array([2.0, 0.0]), array([3.0, 0.0]))  # farther by just the margin
    assert [dx.tolist() for dx in loss.backward()] == [[[0.0, 0.0]]] * 3

"""Scratch and torch through inputs that nobody wrote down: sizes, strides, dtypes, extreme values, options.

The components come from the table. How many examples ran the end of the test run says.
"""

import pytest

import scratch
from parity_tests.checks.sides import ScratchSide
from parity_tests.table import FAMILIES
from parity_tests.table.versions import RELEASE
from parity_tests.tests.properties.disagreements import DISAGREEMENTS, unknown
from parity_tests.tests.properties.optimizers import trainings
from parity_tests.tests.properties.profiles import hold
from parity_tests.tests.properties.strategies import components, examples
from parity_tests.tests.properties.unsafe import UNSAFE, is_unsafe
from parity_tests.tests.properties.verdict import problems

FAMILY = {row.name: family for family, rows in FAMILIES.items() for row in rows}
RULES = [name for name in scratch.optim.__all__ if name[0].isupper() and name != "Optimizer"]
FEW, MANY = 50, 2000
SLOW = {"transformer": 15, "recurrent": 30, "attention": 40}  # families whose examples take longer


def trouble(example):
    return "\n".join(f"{p.what}: {p.text}" for p in unknown(example, problems(example)))


@pytest.mark.parametrize("name", components())
def test_a_layer(name):
    hold(FAMILY[name], examples(name), trouble, SLOW.get(FAMILY[name], FEW))


@pytest.mark.deep
@pytest.mark.parametrize("name", components())
def test_a_layer_in_depth(name):
    hold(FAMILY[name], examples(name), trouble, MANY, deep=True)


@pytest.mark.parametrize("rule", RULES)
def test_an_optimizer(rule):
    hold("optim", trainings(rule), lambda training: training.problem(), FEW)


@pytest.mark.deep
@pytest.mark.parametrize("rule", RULES)
def test_an_optimizer_in_depth(rule):
    hold("optim", trainings(rule), lambda training: training.problem(), MANY, deep=True)


@pytest.mark.parametrize(
    "entry", [entry for entry in DISAGREEMENTS if not entry.by_chance], ids=lambda e: e.reason[:60]
)
def test_every_known_disagreement_still_disagrees(entry):
    disagree = any(entry.covers(entry.witness, problem) for problem in problems(entry.witness))
    if entry.until is not None and entry.until <= RELEASE:
        assert not disagree, f"torch {entry.until} does not agree with scratch: {entry.reason}"
    else:
        assert disagree, f"scratch and torch agree here now; take the entry off the list: {entry.reason}"


@pytest.mark.parametrize("name", UNSAFE)
def test_what_torch_would_not_survive_is_refused(name):
    """Torch reads or writes outside of its arrays here, so only scratch is asked."""
    witness = UNSAFE[name][1]
    inputs, call = witness.inputs(witness.pair(), witness.dtype)
    with pytest.raises((RuntimeError, IndexError)) as error:
        ScratchSide(witness.pair(), witness.dtype).forward(inputs, call, True, 0)
    assert is_unsafe(name, error.value)

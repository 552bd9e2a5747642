"""The statements: a file for each library and topic, in the order in which the table prints them."""

from parity_tests.conventions.statement import Statement
from parity_tests.conventions.statements import (
    numpy_arrays,
    sklearn_estimators,
    torch_kinks,
    torch_layers,
    torch_losses,
    torch_numbers,
    torch_optimizers,
)

FILES = (
    torch_optimizers,
    torch_layers,
    torch_losses,
    torch_kinks,
    torch_numbers,
    numpy_arrays,
    sklearn_estimators,
)
STATEMENTS: list[Statement] = [statement for file in FILES for statement in file.TABLE.statements]


def select(pattern: str) -> list[Statement]:
    """All statements about a library or a component, or with the pattern in their text."""
    wanted = pattern.lower()
    exact = [one for one in STATEMENTS if one.library.lower() == wanted or one.concerns(pattern)]
    return exact or [one for one in STATEMENTS if wanted in f"{one.key} {one.text} {' '.join(one.about)}".lower()]


def concerning(component: str) -> list[Statement]:
    """The statements that are told on a component's page."""
    return [one for one in STATEMENTS if one.concerns(component)]

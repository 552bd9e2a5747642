"""Tests that need the real MNIST are collected where NN_PARITY_DATA names its folder; the summary says if they ran."""

import os

import pytest

from experiments.data import DATA_DIR

FOLDER = os.environ.get(DATA_DIR)
collect_ignore = [] if FOLDER else ["test_mnist.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = f"tests read MNIST from {FOLDER}" if FOLDER else f"tests of MNIST did not run: {DATA_DIR} is not set"
    terminalreporter.write_line(found)


@pytest.fixture(autouse=True)
def no_data_by_accident(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the tests of MNIST see the environment variable."""
    if "test_mnist" not in request.node.nodeid:
        monkeypatch.delenv(DATA_DIR, raising=False)

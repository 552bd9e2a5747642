"""The end of every test run says on what it ran, and what could not run here."""

import shutil

import pytest
import torch

from parity_tests.__main__ import environment


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    env = environment("cpu")
    terminalreporter.write_line(
        f"NumPy {env['numpy']}, torch {env['torch']} on {env['device']}, Python {env['python']}, {env['machine']}"
    )
    if shutil.which("node") is None:
        terminalreporter.write_line("the Node.js checker of the vectors did not run: there is no node")
    if torch.cuda.is_available():
        terminalreporter.write_line(f"tests on the GPU ran: {torch.cuda.get_device_name()}")
    else:
        terminalreporter.write_line("tests on a GPU did not run: torch sees none here")

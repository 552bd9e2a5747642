"""Tests that need the real MNIST are collected where NN_PARITY_DATA names its folder, those that need a browser where
there is a Chromium, those of scripts where there is a Node.js, those of the README and other files of the checkout
there alone; the summary says if they ran.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.tests.browser import NAMES, executable
from experiments.training.data import DATA_DIR
from parity_tests.engine import ENGINES
from parity_tests.installed import ROOT

FOLDER = os.environ.get(DATA_DIR)
CHROMIUM = executable()
NODE = shutil.which("node")
CHECKOUT = (ROOT / "pyproject.toml").is_file()
OF_CHECKOUT = ("test_bench_pages.py", "test_ci.py", "test_findings.py", "test_pages.py", "test_wheel.py")
NEEDS = {
    "test_mnist.py": FOLDER,
    "test_report_browser.py": CHROMIUM,
    "test_report_scripts.py": NODE,
    **dict.fromkeys(OF_CHECKOUT, CHECKOUT),
}
collect_ignore = [name for name, there in NEEDS.items() if not there]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = f"tests read MNIST from {FOLDER}" if FOLDER else f"tests of MNIST did not run: {DATA_DIR} is not set"
    terminalreporter.write_line(found)
    if CHROMIUM is None:
        terminalreporter.write_line(f"tests of pages in a browser did not run: none of {', '.join(NAMES)} is here")
    elif count := ran(terminalreporter, "test_report_browser.py"):
        terminalreporter.write_line(f"tests of pages in a browser ran: {count}")
    if not CHECKOUT:
        terminalreporter.write_line(f"{', '.join(OF_CHECKOUT)} did not run: they read files of the checkout")
    if NODE is None:
        terminalreporter.write_line("tests of the pages' scripts did not run: there is no node")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where there is no pytest-xdist nobody asks for it, and nothing is imported."""
    from experiments.tests.sharing import Sharing

    return Sharing(config, log) if config.getvalue("dist") == "load" else None


def ran(reporter: pytest.TerminalReporter, file: str) -> int:
    """How many tests of a file were called, whatever came of them."""
    reports = [report for of_outcome in reporter.stats.values() for report in of_outcome]
    calls = (report for report in reports if isinstance(report, pytest.TestReport) and report.when == "call")
    return sum(Path(report.location[0]).name == file for report in calls)


@pytest.fixture(scope="session")
def small_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report of a few components, built once."""
    from experiments.tests.report_site import write_report

    return write_report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of both engines. Nobody writes into it."""
    from experiments.tests.small_runs import SMALL
    from experiments.training.run import train

    folder = tmp_path_factory.mktemp("finished")
    with drawing_nothing():
        train(replace(SMALL, output=str(folder)))
    return folder


@pytest.fixture
def copied_run(small_run: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(small_run, tmp_path / "run"))


@contextmanager
def drawing_nothing() -> Iterator[None]:
    """Runs without their pictures, which take nine tenths of a small run's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.training.results.find_spec", lambda name: None)
        yield


@pytest.fixture(scope="module")
def no_pictures() -> Iterator[None]:
    """For a file whose tests look at no picture of a run."""
    with drawing_nothing():
        yield


@pytest.fixture
def no_pictures_here() -> Iterator[None]:
    """For one test."""
    with drawing_nothing():
        yield


@pytest.fixture(autouse=True)
def same_start() -> None:
    """Every test finds the global generators as the first one does."""
    for engine in ENGINES.values():
        engine.seed(0)


@pytest.fixture(autouse=True)
def no_data_by_accident(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the tests of MNIST see the environment variable."""
    if request.path.name != "test_mnist.py":
        monkeypatch.delenv(DATA_DIR, raising=False)

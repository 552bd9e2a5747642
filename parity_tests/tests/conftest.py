"""The end of every test run says on what it ran, what could not run here, and how many examples properties tried."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from parity_tests.engine import ENGINES
from parity_tests.environment import environment
from parity_tests.installed import ROOT
from parity_tests.tests.foreign.matrix import frameworks
from parity_tests.tests.properties.counting import RAN, summary
from parity_tests.tests.recorded import COMPILER, models, record

settings.register_profile("fixed", derandomize=True, database=None)  # the same examples in every run
settings.load_profile("fixed")


def pytest_configure(config: pytest.Config) -> None:
    """Outside the checkout, as in `pytest --pyargs parity_tests`, no pyproject.toml tells which tests take minutes."""
    if config.inipath != ROOT / "pyproject.toml":
        config.addinivalue_line("markers", "deep: exhaustive proofs that take minutes")
        config.option.markexpr = config.option.markexpr or "not deep"


@pytest.fixture(autouse=True)
def same_start() -> None:
    """Every test finds the global generators as the first one does."""
    for engine in ENGINES.values():
        engine.seed(0)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """models.py, and recordings of net, mlp and half of it. Nobody writes into them."""
    folder = tmp_path_factory.mktemp("recorded")
    source = models(folder)
    for name, shape in (("net", "4,7"), ("mlp", "5,6"), ("half", "4,7:bfloat16")):
        done = record(f"{source}:{name}", folder / name, "--input", shape)
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def copied(recordings: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    shutil.copytree(recordings, tmp_path, dirs_exist_ok=True)
    return tmp_path


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands its count to the process that started it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["examples"] = dict(RAN)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    RAN.update(getattr(node, "workeroutput", {}).get("examples", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    env = environment("cpu")
    terminalreporter.write_line(
        f"NumPy {env['numpy']}, torch {env['torch']} on {env['device']}, Python {env['python']}, {env['machine']}"
    )
    if RAN:
        terminalreporter.write_line(summary())
    seed = getattr(terminalreporter.config.option, "randomly_seed", None)
    if isinstance(seed, int):
        terminalreporter.write_line(f"tests ran in random order; the same again with --randomly-seed={seed}")
    if shutil.which("node") is None:
        terminalreporter.write_line(
            "the Node.js checker of the vectors and the port in JavaScript did not run: there is no node"
        )
    if not COMPILER:
        terminalreporter.write_line("the port in C did not run: there is no cc, gcc or clang")
    missing = [framework.name for framework in frameworks() if not framework.installed()]
    if missing:
        terminalreporter.write_line(f"tests of ports to {', '.join(missing)} did not run: these are not installed")
    if torch.cuda.is_available():
        terminalreporter.write_line(f"tests on the GPU ran: {torch.cuda.get_device_name()}")
    else:
        terminalreporter.write_line("tests on a GPU did not run: torch sees none here")

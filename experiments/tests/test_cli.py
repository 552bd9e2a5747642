"""The command line: what it exits with, and that a mistake is answered in one line."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from experiments import demo
from experiments.cli import app
from experiments.training.config import Config
from experiments.training.outcome import Comparison
from parity_tests.checks import check
from parity_tests.rule import exactly
from parity_tests.table import TABLE


def nn_parity(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    heavy = {"torch", "lightning", "matplotlib", "sklearn", "platformdirs", "scipy", "numpy"}
    code = f"import sys, experiments.cli; print(*(m for m in {sorted(heavy)} if m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
    for command in ((), ("train",), ("demo",), ("check",), ("seeds",)):
        assert nn_parity(*command, "--help").exit_code == 0


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command, by its path: ("vectors", "export")."""
    group = group or get_command(app)
    for name, command in group.commands.items():
        yield from commands(command, (*path, name)) if hasattr(command, "commands") else [((*path, name), command)]


@pytest.mark.parametrize(("path", "command"), [pytest.param(*each, id=" ".join(each[0])) for each in commands()])
def test_a_command_has_two_examples_that_parse(path: tuple[str, ...], command: Any) -> None:
    start = " ".join(("nn-parity", *path))
    examples = [line.strip() for line in command.help.splitlines() if line.strip().startswith("nn-parity ")]
    assert len(examples) >= 2
    for example in examples:
        assert f"{example} ".startswith(f"{start} ")
        before_the_shell = example.removeprefix(start).partition(" > ")[0]
        command.make_context(start, shlex.split(before_the_shell))


def test_versions_and_choices() -> None:
    done = nn_parity("--version")
    assert (done.exit_code, done.stdout.split()[0]) == (0, "nn-parity")
    assert f"numpy {version('numpy')}" in done.stdout
    assert "scratch|torch|both" in nn_parity("train", "--help").stdout
    offered = CliRunner().invoke(
        app,
        env={"_NN_PARITY_COMPLETE": "complete_bash", "COMP_WORDS": "nn-parity train --model m", "COMP_CWORD": "3"},
        prog_name="nn-parity",
    )
    assert offered.stdout.split() == ["mlp"]


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_defaults_are_shown_in_one_way(path: tuple[str, ...]) -> None:
    text = " ".join(nn_parity(*path, "--help").stdout.replace("│", " ").split())
    assert "(default" not in text
    assert path != ("train",) or "[default: digits]" in text


def test_rows_are_listed_and_not_run() -> None:
    done = nn_parity("check", "nn.Linear", "--list")
    assert (done.exit_code, done.stdout.split("\n")[:2]) == (0, ["nn.Linear", "nn.Linear[no bias]"])


@pytest.mark.usefixtures("no_pictures_here")
def test_train(tmp_path: Path) -> None:
    done = nn_parity("train", "--epochs", 1, "--hidden", "20,10", "--limit-train", 200, "--output", tmp_path)
    assert done.exit_code == 0, done.output
    assert "every bit equal" in done.output
    assert done.stdout.count("epoch 1 of 1: training loss") == 2
    config = Config.from_dict(Config.values_from_yaml(tmp_path / "config.yaml"))
    assert (config.epochs, config.hidden, config.limit_train) == (1, (20, 10), 200)


@pytest.mark.usefixtures("no_pictures_here")
def test_options_win_over_the_config_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("epochs: 2\nseed: 3\nlimit_train: 64\nengine: torch\n")
    done = nn_parity("train", "--config", tmp_path / "mine.yaml", "--epochs", 1, "--output", tmp_path / "run")
    assert done.exit_code == 0, done.output
    config = Config.from_dict(Config.values_from_yaml(tmp_path / "run" / "config.yaml"))
    assert (config.epochs, config.seed, config.engine) == (1, 3, "torch")


MISTAKES: dict[str, tuple[list[str], str]] = {
    "an engine": (["--engine", "jax"], "engine: must be one of scratch, torch, both, got 'jax'"),
    "scratch on a GPU": (["--engine", "scratch", "--accelerator", "gpu"], "NumPy runs on the CPU"),
    "no MNIST": (["--data", "mnist", "--data-dir", "nowhere"], "MNIST: there is no folder nowhere. Put the four .gz"),
    "no config file": (["--config", "nowhere.yaml"], "config: nowhere.yaml cannot be read"),
    "output": (["--output", f"{__file__}/run"], "cannot be written"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_in_one_line(mistake: str) -> None:
    arguments, message = MISTAKES[mistake]
    done = nn_parity("train", *arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.startswith("nn-parity: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("seeds", [0, -1])
@pytest.mark.parametrize("command", ["twins", "fast"])
def test_no_seed_is_refused_before_any_work(command: str, seeds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*arguments: Any, **options: Any) -> None:
        raise AssertionError("it began to work")

    monkeypatch.setattr("experiments.training.data.mnist", work)
    monkeypatch.setattr("experiments.training.twins.train", work)
    done = nn_parity(command, "--seeds", seeds)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"nn-parity: seeds: must be at least 1, got {seeds}.\n"


def test_an_option_that_does_not_exist() -> None:
    assert nn_parity("train", "--colour", "red").exit_code == 2


@pytest.mark.usefixtures("no_pictures_here")
def test_twins_that_differ_exit_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Comparison, "ok", False)
    arguments = ("train", "--epochs", 1, "--limit-train", 64)
    assert nn_parity(*arguments, "--output", tmp_path / "both").exit_code == 1
    assert nn_parity(*arguments, "--engine", "torch", "--output", tmp_path / "torch").exit_code == 0


LINEAR = [row for row in TABLE if row.label.startswith("nn.Linear")][:2]


@pytest.fixture(autouse=True)
def short_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "check_rows", lambda: [(row, check(row)) for row in LINEAR])
    monkeypatch.setattr(demo, "EPOCHS", 2)


def test_demo(tmp_path: Path) -> None:
    done = nn_parity("demo", "--output", tmp_path)
    assert done.exit_code == 0, done.output
    for text in ("components checked", "worst error against its limit", "after 46 steps, scratch", "curves.png"):
        assert text in done.output
    assert "FAILED" not in done.output
    assert (tmp_path / "curves.png").is_file()


@pytest.mark.usefixtures("no_pictures_here")
def test_demo_exits_1_if_a_component_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        demo, "check_rows", lambda: [(LINEAR[0], [exactly("nn.Linear", "output", "float32", False, "planted")])]
    )
    done = nn_parity("demo", "--output", tmp_path)
    assert done.exit_code == 1
    assert "FAILED" in done.output
    assert "planted" in done.output


@pytest.mark.usefixtures("no_pictures_here")
def test_demo_exits_1_if_the_losses_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "LIMIT", 0.0)
    assert nn_parity("demo", "--output", tmp_path).exit_code == 1

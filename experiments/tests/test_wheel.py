"""The wheel: every file, the licence, NumPy alone without an extra; what an installation lacks is said in one line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

from parity_tests.conventions.statement import LIBRARIES
from parity_tests.conventions.statements import STATEMENTS
from parity_tests.installed import EXTRAS, FLOORS, ROOT, lacking
from parity_tests.tests import patience

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BUILD = "from setuptools.build_meta import build_wheel; print('built', build_wheel('dist'))"
# Every command, on an interpreter without the packages of these extras.
COMMANDS = """
import sys
for package in sys.argv[2:]:
    sys.modules[package] = None
from experiments.__main__ import main
for command in sys.argv[1].split(";"):
    sys.argv = ["nn-parity", *command.split()]
    try:
        main()
    except SystemExit as end:
        print(command, end.code, file=sys.stderr, flush=True)
"""
NEED_ALL = ("train --output here", "fast mlp", "twins --data digits", "replay tree-age", "predict x.png --checkpoint y",
            "report nn.Linear --output here")  # fmt: skip

LACKS_ALL = r"nn-parity: this needs \w+, which is not installed: pip install 'nn-parity\[all\]'\."


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in FLOORS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    done = patience.run([sys.executable, "-c", BUILD], cwd=copy)
    assert done.returncode == 0, done.stderr
    (packed,) = (copy / "dist").glob("*.whl")
    installed = copy / "installed"
    with ZipFile(packed) as archive:
        for name in archive.namelist():
            (installed / name).parent.mkdir(parents=True, exist_ok=True)
            (installed / name).write_bytes(archive.read(name))
    return installed


def files(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for name in FLOORS for path in (folder / name).rglob("*") if path.is_file())
    return {str(path) for path in found if "__pycache__" not in path.parts}


def test_every_file_is_in_it(wheel: Path) -> None:
    assert files(wheel) == files(ROOT)


def test_licence_metadata_and_entry_points(wheel: Path) -> None:
    (folder,) = wheel.glob("*.dist-info")
    assert (folder / "licenses" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    metadata = (folder / "METADATA").read_text(encoding="utf-8")
    for line in ("License-Expression: MIT", "Author: the nn-parity authors", "Requires-Python: >=3.11"):
        assert line in metadata.splitlines()
    always = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra" not in line]
    assert always == ["Requires-Dist: numpy>=2.2"]
    entries = (folder / "entry_points.txt").read_text()
    assert "nn-parity = experiments.__main__:main" in entries
    assert "nn_parity = parity_tests.plugin" in entries


@pytest.mark.parametrize("extra", ["torch", "all"])
def test_the_table_of_missing_packages_is_that_of_the_extras(extra: str) -> None:
    wanted = {re.split(r"[<>=\[]", line)[0].lower() for line in PROJECT["optional-dependencies"][extra]} - {"nn-parity"}
    owners = {module: {name.lower() for name in names} for module, names in packages_distributions().items()}
    known = set().union(*(owners[module] for module in EXTRAS[extra]))
    assert wanted <= known, f"{wanted - known}: add the name that is imported to EXTRAS"
    assert all(f"nn-parity[{extra}]" in lacking(f"{module}.inner") for module in EXTRAS[extra])
    assert lacking("somebodys_own") == lacking(None) == ""


def python(wheel: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return patience.run([sys.executable, *arguments], cwd=folder, env={**os.environ, "PYTHONPATH": str(wheel)})


def run(wheel: Path, folder: Path, commands: tuple[str, ...], *without: str) -> list[str]:
    return python(wheel, folder, "-P", "-c", COMMANDS, ";".join(commands), *without).stderr.splitlines()


def test_the_extra_conventions_brings_every_library_of_the_table() -> None:
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *extras["torch"], *extras["all"], *extras["conventions"]]
    brought = {re.split(r"[<>=\[]", line)[0] for line in lines}
    by_hand = {"thinc", "skorch", "openvino"}  # a few statements each, with many dependencies
    assert {name for one in STATEMENTS if one.show for name in LIBRARIES[one.library]} - brought == by_hand


def test_numpy_alone_is_enough_for_scratch_and_for_one_line(wheel: Path, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({[*EXTRAS['torch'], *EXTRAS['all']]})); import scratch\n"
        "layer = scratch.nn.Linear(3, 2); dx = layer.backward(layer(scratch.randn(4, 3)))\n"
        "print(dx.shape, scratch.__file__)"
    )
    done = python(wheel, tmp_path, "-P", "-c", code)
    assert done.stdout.split(") ") == ["(4, 3", f"{wheel / 'scratch' / '__init__.py'}\n"], done.stderr
    told = run(wheel, tmp_path, ("check", "--help"), *EXTRAS["torch"], *EXTRAS["all"])
    assert len(told) == 4, told
    assert "typer, which is not installed: pip install 'nn-parity[torch]'" in told[0]
    assert told[1] == "check 2"


def test_a_command_names_the_extra_that_it_lacks(wheel: Path, tmp_path: Path) -> None:
    lines = run(wheel, tmp_path, ("check nn.Identity", *NEED_ALL), *EXTRAS["all"])
    assert lines[0] == "check nn.Identity 0", lines
    assert len(lines) == 1 + 2 * len(NEED_ALL), lines
    for command, line, code in zip(NEED_ALL, lines[1::2], lines[2::2], strict=True):
        assert re.fullmatch(LACKS_ALL, line)
        assert code == f"{command} 2"
    assert not [*tmp_path.iterdir()], "a command that cannot begin leaves nothing"


@pytest.mark.parametrize(("module", "name"), [("parity_tests", "scratch"), ("experiments", "torch_impl")])
def test_a_folder_of_the_users_own_is_named(module: str, name: str, wheel: Path, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    done = python(wheel, tmp_path, "-m", module, "check", "nn.Linear")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"nn-parity: Python finds {tmp_path / name} where nn-parity imports its own package {name}.")

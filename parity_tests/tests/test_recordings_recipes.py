"""Every command of the page about models as files, run in its order; and what the page shows is there."""

import re
import shlex
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from parity_tests import recordings
from parity_tests.comparer.cli import compare_command
from parity_tests.recordings.cli import record_command
from parity_tests.tests import patience
from parity_tests.tests.recorded import NODE
from parity_tests.vectors.cli import app as vectors

PAGE = (Path(recordings.__file__).parent / "README.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", PAGE, re.M))
RECIPES = {title: re.findall(r"```\n(.*?)```", body, re.S) for title, body in SECTIONS.items()}


@pytest.fixture(scope="module")
def commands():
    app = typer.Typer()
    app.command("compare")(compare_command)
    app.command("record")(record_command)
    app.add_typer(vectors, name="vectors")
    return app


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(re.search(r"```python\n(.*?)```", PAGE, re.S)[1])
    return tmp_path


@pytest.mark.parametrize("title", [title for title, blocks in RECIPES.items() if blocks])
def test_a_recipe_runs_and_finds_parity(title, commands, home):
    for line in "".join(RECIPES[title]).splitlines():
        program, *words = shlex.split(line)
        if program == "node":
            for node in NODE:
                assert patience.run([node, *words]).returncode == 0, line
            if not NODE:
                pytest.skip("there is no node to answer")
            continue
        done = CliRunner().invoke(commands, words)
        assert done.exit_code == 0, f"{line}\n{done.output}{done.stderr}"
        assert words[0] != "compare" or done.output.startswith("PARITY"), done.output


def test_every_kind_of_recipe_is_there():
    titles = " ".join(title for title, blocks in RECIPES.items() if blocks)
    for word in ("port", "releases of torch", "upgrade", "machines", "CPU and GPU", "quantization"):
        assert word in titles


def test_a_worse_quantization_is_a_divergence(commands, home):
    """Six bits in place of eight, in one layer."""
    source = (home / "model.py").read_text()
    (home / "model.py").write_text(source.replace("def bits(x):\n    step = x.detach().abs().max() / 127",
                                                  "def bits(x):\n    step = x.detach().abs().max() / 31"))  # fmt: skip
    run = CliRunner().invoke
    assert (
        run(commands, shlex.split("record model.py:cpu float --input 64,8 --mode eval --precision int8")).exit_code == 0
    )
    done = run(commands, shlex.split("compare model.py:quantized float --precision int8"))
    assert done.exit_code == 1
    assert "fc1 (Linear), eval mode: output in int8" in done.output
    assert "root mean square in steps of max / 127, and its limit" in done.output
    assert "ulp of the largest value" not in done.output
    assert re.search(r"signal to noise [\d.]+ dB, at least [\d.]+ dB asked", done.output)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
def test_the_recording_of_a_gpu_names_it(commands, home):
    assert CliRunner().invoke(commands, shlex.split("record model.py:net gpu --input 16,8")).exit_code == 0
    assert torch.cuda.get_device_name() in (home / "gpu" / "vectors.json").read_text()

"""Vectors folders, maps and inputs from a stranger, and reports of what a stranger named: through the commands."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from parity_tests.comparer.cli import compare_command
from parity_tests.comparer.comparison import compare
from parity_tests.comparer.load import CompareError, load_arrays, load_inputs, load_map
from parity_tests.table import TABLE
from parity_tests.tests import patience
from parity_tests.tests.strangers import JSONS, MARKER, checkpoints, npys, npzs, safetensors_files
from parity_tests.vectors import files
from parity_tests.vectors.answer import answer
from parity_tests.vectors.cli import app
from parity_tests.vectors.export import export
from parity_tests.vectors.files import VectorsError
from parity_tests.vectors.judge import judge_row

NODE = [node] if (node := shutil.which("node")) else []
CHECKER = Path(files.__file__).with_name("check.mjs")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "vectors"
    export(folder, [row for row in TABLE if row.label in ("nn.Linear", "optim.SGD")], {})
    answer(folder, "nn.Linear")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "vectors")


def check(folder: Path) -> Any:
    return CliRunner().invoke(app, ["check", str(folder)])


def edit(path: Path, change: Any) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


@pytest.mark.parametrize("name", JSONS)
@pytest.mark.parametrize("file", ["vectors.json", "nn.Linear.json"])
def test_a_hostile_manifest_is_one_line(folder: Path, file: str, name: str) -> None:
    (folder / file).write_bytes(JSONS[name][0])
    refused = check(folder)
    assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1), refused.output
    assert refused.output.strip().isprintable()
    with pytest.raises(VectorsError, match=f"{file} cannot be read: .*({JSONS[name][1]})"):
        files.read_manifest(folder / file)


@pytest.mark.parametrize("limit", [10**4000, 10**30, True, -1, "4", None, [4]])
def test_a_limit_is_a_number(folder: Path, limit: Any) -> None:
    edit(folder / "nn.Linear.json", lambda manifest: manifest["expected"][0].update(limit_ulp=limit))
    refused = check(folder)
    if limit == 10**30:
        assert refused.exit_code == 0  # a number is a number
    else:
        assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1), refused.output


def test_one_truth_for_many_numbers_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def many(manifest: dict[str, Any]) -> None:
        entry = manifest["expected"][0]
        manifest["expected"] = [{**entry, "name": f"{i}"} for i in range(50)]

    edit(folder / "nn.Linear.json", many)
    read: list[str] = []
    real = files.Tensors.read
    monkeypatch.setattr(files.Tensors, "read", lambda self, name: read.append(name) or real(self, name))
    judge_row(folder, "nn.Linear", "nn.Linear")
    assert len(read) == len(set(read))


# --- links and names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["vectors.json", "nn.Linear.json", "nn.Linear.safetensors"])
@pytest.mark.parametrize("judge", ["python", *(["node"] if NODE else [])])
def test_a_link_out_of_the_folder_is_not_read(folder: Path, file: str, judge: str) -> None:
    shutil.move(folder / file, folder.parent / file)
    (folder / file).symlink_to(folder.parent / file)
    if judge == "python":
        refused = check(folder)
        assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1), refused.output
        assert "it is a link" in refused.output
    else:
        done = patience.run([*NODE, CHECKER, folder, "--answers"])
        assert done.returncode == 2
        assert "is a link" in done.stderr


def test_answers_are_not_written_through_a_link(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    path = folder / "answers" / "nn.Linear.safetensors"
    path.unlink()
    path.symlink_to(mine)
    answer(folder, "nn.Linear")
    assert mine.read_text() == "mine"
    path.unlink()
    path.symlink_to(mine)
    for node in NODE:
        patience.run([node, CHECKER, folder, "--write"])
        assert mine.read_text() == "mine"
    shutil.rmtree(folder / "answers")
    (tmp_path / "elsewhere").mkdir()
    (folder / "answers").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(VectorsError, match="answers is a link"):
        answer(folder, "nn.Linear")
    for node in NODE:
        assert patience.run([node, CHECKER, folder, "--write"]).returncode == 2
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("name", ["../mine", "/mine", "", "a/b", ".mine"])
def test_an_answer_has_the_name_of_a_row(folder: Path, name: str) -> None:
    with pytest.raises(VectorsError, match="is not the name of a row"):
        answer(folder, name)


@pytest.mark.parametrize("name", ["nn.module.np.fromfile", "random.np.loadtxt", "os.system", "nn.Module", "", None, 3])
@pytest.mark.parametrize("row", ["nn.Linear", "optim.SGD"])
def test_a_component_is_one_of_the_table(folder: Path, row: str, name: Any) -> None:
    """Any other name could lead through scratch's modules to what they import."""
    edit(folder / f"{row}.json", lambda manifest: manifest.update(component=name))
    with pytest.raises(VectorsError, match="is not a component of the table"):
        answer(folder, row)


@pytest.mark.parametrize("node", NODE)
def test_node_does_not_print_what_could_steer_a_terminal(folder: Path, node: str) -> None:
    edit(folder / "vectors.json", lambda index: index["rows"][0].update(label="\x1b[2J"))
    done = patience.run([node, CHECKER, folder, "--answers"])
    assert "?[2J" in done.stdout
    assert "\x1b" not in done.stdout


# --- compare ----------------------------------------------------------------------------------------------------------


def test_compare_refuses_every_hostile_input_and_checkpoint(tmp_path: Path) -> None:
    marker = tmp_path / MARKER
    for kind, make, load in (
        ("npy", npys, lambda path: load_inputs(str(path))),
        ("npz", npzs, lambda path: load_inputs(str(path))),
        ("safetensors", safetensors_files, load_arrays),
    ):
        for name, (content, _) in make(marker).items():
            path = tmp_path / f"x.{kind}"
            path.write_bytes(content)
            with pytest.raises(CompareError, match=f"compare: .*x.{kind} cannot be read: ") as caught:
                load(path)
            assert str(caught.value).isprintable(), name
    (tmp_path / "x.pt").write_bytes(checkpoints(marker)["code"][0])
    with pytest.raises(CompareError, match="it holds more than data"):
        load_arrays(tmp_path / "x.pt")
    assert not marker.exists()


@pytest.mark.parametrize("content", [[1], {"state_dict": 3}, {"a": "text"}, {"a": {"b": torch.ones(1)}}, 7])
def test_a_checkpoint_of_something_else(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CompareError, match=r"x.pt holds no state_dict"):
        load_arrays(tmp_path / "x.pt")


@pytest.mark.parametrize(
    "text", [*(content for content, _ in JSONS.values()), b'{"a": 3}', b'{"a": []}', b'{"a": [1]}']
)
def test_a_hostile_map(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_bytes(text)
    with pytest.raises(CompareError, match=r"compare: .*map.json(: 'a' must be| cannot be read: )") as caught:
        load_map(tmp_path / "map.json")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("option", ["--input", "--map", "--parameters"])
def test_pipes_do_not_hang_compare(option: str, tmp_path: Path) -> None:
    ending = {"--input": "npy", "--map": "json", "--parameters": "safetensors"}[option]
    os.mkfifo(tmp_path / f"x.{ending}")
    command = typer.Typer()
    command.command()(compare_command)
    example = f"{Path(files.__file__).parents[1] / 'comparer' / 'example.py'}"
    sides = [f"{example}:left", f"{example}:right", *(["--input", "2,8,16"] if option != "--input" else [])]
    done = CliRunner().invoke(command, [*sides, option, str(tmp_path / f"x.{ending}")])
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert "it is a pipe" in done.stderr


def test_a_report_escapes_the_names_of_layers() -> None:
    script = "<script>alert(1)</script>"

    def net(last: type[torch.nn.Module]) -> torch.nn.Module:
        model = torch.nn.Sequential()
        model.add_module(script, torch.nn.Linear(3, 2))
        model.add_module("<img src=x onerror=alert(1)>", last())
        return model

    Named = type(script, (torch.nn.Tanh,), {})
    report = compare(net(torch.nn.Sigmoid), net(Named), np.ones((4, 3), np.float32))
    page = report.to_html()
    assert not report.ok
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<img" not in page

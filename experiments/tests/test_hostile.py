"""Configs, checkpoints and runs from a stranger: one clear error, no code, little memory, nothing written."""

import copy
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from experiments.cli import app
from experiments.tests.memory import at_most
from experiments.training.checkpoints import TrainingError
from experiments.training.config import Config, ConfigError
from experiments.training.predict import load_network
from experiments.training.run import resume, train
from parity_tests.tests import strangers

pytestmark = pytest.mark.usefixtures("no_pictures")

CONFIG = Config(engine="torch", hidden=(3,), epochs=1, limit_train=64)


LITTLE = 30_000_000  # bytes

# --- YAML -------------------------------------------------------------------------------------------------------------

VALUE = "a value must be a number, a short text or a list of them"
LAUGHS = "a0: &a0 [0]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 12))
YAMLS: dict[str, tuple[str, str]] = {
    "a billion laughs": (f"{LAUGHS}lr: *a11\n", VALUE),
    "laughs in many brackets": ("a: [[]]\n" * 99, "more than 100 brackets"),
    "a billion laughs on one line": ("lr: &a [&b [&c [1]], *b, *c]\n", VALUE),
    "merged mappings": (MERGES, VALUE),
    "a merge": ("<<: 3\n", "'<<': there is no such option"),
    "a list that holds itself": ("hidden: &a [*a]\n", VALUE),
    "a deep list": (f"hidden: {'[' * 20000}", "more than 100 brackets"),
    "a deep mapping": (f"hidden: {'{a: ' * 10000}", "more than 100 brackets"),
    "a deep list of another kind": (f"hidden:\n {'- ' * 20000}", "is not YAML"),
    "a call": ("hidden: !!python/object/apply:os.system ['touch MARKER']\n", "is not YAML"),
    "a module": ("hidden: !!python/module:antigravity ''\n", "is not YAML"),
    "an escape sequence as a tag": ("hidden: !<tag:%1b%5b2J> 3\n", "is not YAML"),
    "an escape sequence as a name": ('"\\e[2J": 3\n', r"'\\x1b\[2J': there is no such option"),
    "an escape sequence as a value": ('engine: "\\e[2J"\n', r"engine: must be one of .*, got '\\x1b\[2J'"),
    "a name as long as the file": (f"? {'x' * 60000}\n: 3\n", VALUE),
    "a text as long as the file": (f"engine: {'x' * 60000}\n", VALUE),
    "a long text": (f"engine: {'x' * 900}\n", "engine: must be one of .{0,60}, got .{0,60}$"),
    "a number of 5000 digits": (f"seed: {'9' * 5000}\n", VALUE),
    "a number of 900 digits": (f"hidden: {'9' * 900}\n", r"hidden: a layer has at most 65536 units, got 9+\.\.\.9+\."),
    "a layer of 10^12": ("hidden: 1000000000000\n", "hidden: a layer has at most 65536 units, got 1000000000000"),
    "a date": ("seed: 2020-09-09\n", "seed: must be a whole number, got '2020-09-09'"),
    "not a number": ("lr: .nan\n", "lr: must be finite"),
    "a key twice": ("epochs: 3\nlr: 1\nepochs: 4\n", "line 3: duplicate key 'epochs'"),
    "two documents": ("epochs: 3\n---\nepochs: 4\n", "is not YAML"),
    "too long": ("# " + "x" * 2**16, "more than the limit of 65536"),
    "a zero byte": ("epochs: \0\n", "is not YAML"),
}


@pytest.mark.parametrize("name", YAMLS)
def test_a_hostile_config(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text, message = YAMLS[name]
    (tmp_path / "config.yaml").write_text(text)
    with at_most(LITTLE), pytest.raises(ConfigError, match=message) as caught:
        Config.from_dict(Config.values_from_yaml("config.yaml"))
    assert len(str(caught.value)) < 1000
    assert str(caught.value).replace("\n", "").isprintable()
    assert os.listdir() == ["config.yaml"]


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_a_config_is_a_plain_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "config.yaml")
    done = CliRunner().invoke(app, ["train", "--config", str(tmp_path / "config.yaml")])
    assert done.exit_code == 2
    assert "cannot be read: it is a" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# --- checkpoints ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has ended."""
    folder = tmp_path_factory.mktemp("run")
    train(Config(**{**asdict(CONFIG), "output": str(folder)}))
    return folder


@pytest.fixture(scope="module")
def checkpoint(run: Path) -> dict[str, Any]:
    return torch.load(run / "torch" / "checkpoints" / "last.ckpt", weights_only=True)


def test_every_hostile_checkpoint_is_refused_by_predict(tmp_path: Path) -> None:
    """The files that the readers are tested with, once through the command."""
    marker = tmp_path / strangers.MARKER
    (tmp_path / "x.ckpt").write_bytes(strangers.archive({"state_dict": strangers.Call(os.system, f"touch {marker}")}))
    Image.new("L", (8, 8)).save(tmp_path / "x.png")  # the picture is read first
    arguments = ["predict", str(tmp_path / "x.png"), "--checkpoint", str(tmp_path / "x.ckpt")]
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert "it holds more than data: posix system" in done.stderr
    assert not marker.exists()


def entry(*path: str) -> Callable[[dict[str, Any], Any], None]:
    def change(content: dict[str, Any], value: Any) -> None:
        for part in path[:-1]:
            content = content[part]
        content[path[-1]] = value

    return change


WEIGHT = "network.1.weight"
BOASTS: dict[str, tuple[Any, Any, str]] = {
    "a wide layer": (entry("run", "config", "hidden"), [65536, 65536], "must be torch.float32 .65536,"),
    "many layers": (entry("run", "config", "hidden"), [60000] * 9, "must be torch.float32"),
    "a layer of 10^12": (entry("run", "config", "hidden"), [10**12], "a layer has at most 65536 units"),
    "wide images": (entry("run", "shape"), [10**6, 10**6], "trained on images of 1000000x1000000"),
    "endless images": (entry("run", "shape"), [float("inf"), 8], "infinity"),
    "no engine": (entry("run", "engine"), ["torch"], "unhashable"),
    "a run that is none": (entry("run"), None, "NoneType"),
    "laughs for a config": (entry("run", "config", "lr"), strangers.laughs(4), "lr: must be a number, got .{0,200}$"),
    "weights that are a list": (entry("state_dict"), [1, 2], "list"),
    "a weight that is a text": (entry("state_dict", WEIGHT), "1", "but is nothing"),
    "a weight that is missing": (lambda content, _: content["state_dict"].pop(WEIGHT), None, "but is nothing"),
    "complex weights": (entry("state_dict", WEIGHT), torch.ones(3, 64, dtype=torch.complex64), "is torch.complex64"),
    "one more weight": (entry("state_dict", "network.9.weight"), torch.ones(1), "must be nothing"),
}


@pytest.mark.parametrize("name", BOASTS)
def test_a_checkpoint_cannot_make_a_network_larger_than_its_weights(
    name: str, checkpoint: dict[str, Any], tmp_path: Path
) -> None:
    change, value, message = BOASTS[name]
    content = copy.deepcopy(checkpoint)
    change(content, value)
    torch.save(content, tmp_path / "x.ckpt")
    with (
        at_most(LITTLE),
        pytest.raises(TrainingError, match=f"x.ckpt does not fit together: .*{message}") as caught,
    ):
        load_network(tmp_path / "x.ckpt")
    assert len(str(caught.value)) < 500


def test_an_image_as_high_as_one_likes_needs_no_weights(tmp_path: Path) -> None:
    """The weights of an lstm do not depend on the height of the images."""
    folder = tmp_path / "run"
    train(Config(engine="torch", model="lstm", hidden=(3,), epochs=1, limit_train=32, output=str(folder)))
    path = folder / "torch" / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    content["run"]["shape"] = [10**9, 8]
    torch.save(content, path)
    with pytest.raises(TrainingError, match="trained on images of 1000000000x8"):
        load_network(path)


# --- a run to go on with ----------------------------------------------------------------------------------------------


def unfinished(run: Path, folder: Path) -> Path:
    """A copy of the run, before its end."""
    shutil.copytree(run, folder)
    (folder / "torch" / "finished.json").unlink()
    return folder


RESTORED: dict[str, Any] = {
    "no weights": (entry("state_dict"), {}),
    "weights of another shape": (entry("state_dict", WEIGHT), torch.ones(2, 64)),
    "no optimizer": (lambda content, _: content.pop("optimizer_states"), None),
    "an optimizer of another network": (entry("optimizer_states"), [{"state": {}, "param_groups": []}]),
    "optimizers that are a text": (entry("optimizer_states"), "none"),
    "no loops": (entry("loops"), {"fit_loop": {}}),
    "losses that are a text": (entry("curves"), {"losses": "none", "epochs": []}),
    "epochs that are numbers": (entry("curves"), {"losses": torch.ones(2), "epochs": [1]}),
    "random numbers that are none": (entry("callbacks", "WhereItStands"), {"ranks": []}),
    "callbacks that are a list": (entry("callbacks"), [1]),
}


@pytest.mark.filterwarnings("ignore:The dirpath has changed")  # the folder was copied
@pytest.mark.parametrize("name", RESTORED)
def test_a_checkpoint_that_does_not_fit_the_run_is_named(
    name: str, run: Path, checkpoint: dict[str, Any], tmp_path: Path
) -> None:
    change, value = RESTORED[name]
    folder = unfinished(run, tmp_path / "run")
    content = copy.deepcopy(checkpoint)
    change(content, value)
    torch.save(content, folder / "torch" / "checkpoints" / "last.ckpt")
    with pytest.raises(TrainingError, match=r"checkpoint: .*last.ckpt (does not fit this run|is damaged): "):
        resume(folder)


def as_json(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path = folder / "finished.json"
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values))

    return write


FINISHED: dict[str, Callable[[Path], Any]] = {
    "empty": lambda folder: (folder / "finished.json").write_text(""),
    "a list": lambda folder: (folder / "finished.json").write_text("[]"),
    "deep": lambda folder: (folder / "finished.json").write_text("[" * 10**5),
    "not a number": as_json(lambda values: values.update(test_loss=float("nan"))),
    "a text for a number": as_json(lambda values: values.update(test_loss="\x1b[2J")),
    "a figure missing": as_json(lambda values: values.pop("epochs")),
    "a figure more": as_json(lambda values: values.update(more=1)),
    "another checkpoint": as_json(lambda values: values.update(checkpoint="/etc/passwd")),
    "fewer steps": as_json(lambda values: values.update(steps=7)),
    "no steps": lambda folder: (folder / "steps.csv").unlink(),
    "steps that are texts": lambda folder: (folder / "steps.csv").write_text("step,loss\n1,one\n2,two\n"),
    "steps without end": lambda folder: ((folder / "steps.csv").unlink(), os.mkfifo(folder / "steps.csv")),
    "predictions in bytes": lambda folder: (folder / "predictions.csv").write_bytes(b"predicted,confidence\n\xff,1\n"),
    "a field without end": lambda folder: (folder / "predictions.csv").write_text("predicted\n" + "9" * 200000),
}


@pytest.mark.parametrize("damage", FINISHED.values(), ids=FINISHED)
def test_a_finished_run_whose_files_are_damaged_is_named(
    damage: Callable[[Path], Any], run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    damage(tmp_path / "run" / "torch")
    with pytest.raises(TrainingError, match=r"torch says that it is finished, but its files are damaged: ") as caught:
        resume(tmp_path / "run")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "name", ["torch/steps.csv", "torch/logs/metrics.csv", "metrics.json", "torch/checkpoints/last.ckpt", "torch/logs"]
)
def test_nothing_is_written_through_a_link_out_of_the_folder(name: str, run: Path, tmp_path: Path) -> None:
    folder, mine = unfinished(run, tmp_path / "run"), tmp_path / "mine"
    mine.write_text("mine")
    path = folder / name
    path.rename(tmp_path / "moved") if path.is_dir() else path.unlink()
    path.symlink_to(tmp_path / "moved" if (tmp_path / "moved").exists() else mine)
    with pytest.raises(TrainingError, match=f"resume: .*{name} is a link out of "):
        resume(folder)
    assert mine.read_text() == "mine"

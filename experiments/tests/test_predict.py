"""A picture of a digit, of any size, bright or dark, off center: what the network sees, and what it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from experiments.cli import app
from experiments.training import data
from experiments.training.checkpoints import TrainingError
from experiments.training.config import Config
from experiments.training.data import DataError
from experiments.training.predict import load_network, predict, prepare
from experiments.training.run import train

pytestmark = pytest.mark.usefixtures("no_pictures")

CONFIG = Config(epochs=25, hidden=(64,), lr=3e-3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    result = train(replace(CONFIG, output=str(tmp_path_factory.mktemp("trained"))))
    return {name: run.checkpoint for name, run in result.runs.items()}


def picture(image: np.ndarray, path: Path, paper: int = 250, ink: int = 20) -> Path:
    """A digit of the data set as somebody would photograph it: larger, dark on bright, not in the middle."""
    pixels = np.kron(image / image.max(), np.ones((15, 15)))
    whole = np.full((220, 170), float(paper))
    whole[70 : 70 + pixels.shape[0], 25 : 25 + pixels.shape[1]] += (ink - paper) * pixels
    Image.fromarray(whole.astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("paper", [250, 5])
def test_most_pictures_are_recognized(paper: int, trained: dict[str, Path], tmp_path: Path) -> None:
    test = data.load("digits").test
    right = 0
    for i in range(40):
        file = picture(test.images[i], tmp_path / f"{i}.png", paper, 255 - paper)
        answers = [predict(checkpoint, file) for checkpoint in trained.values()]
        assert [answer.engine for answer in answers] == ["scratch", "torch"]
        assert answers[0].digit == answers[1].digit
        np.testing.assert_allclose(answers[0].probabilities, answers[1].probabilities, atol=1e-5)
        assert answers[0].probabilities.sum() == pytest.approx(1)
        right += answers[0].digit == test.labels[i]
    assert right >= 32


def test_what_is_seen_does_not_depend_on_size_place_or_shade(tmp_path: Path) -> None:
    digit = data.load("digits").test.images[0]
    seen = [
        prepare(picture(digit, tmp_path / f"{paper}.png", paper, ink), (8, 8), CONFIG)
        for paper, ink in ((250, 20), (5, 250), (200, 40))
    ]
    for image in seen:
        assert image.shape == (8, 8)
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 1
        np.testing.assert_allclose(image, seen[0], atol=0.05)
    mnist = prepare(picture(digit, tmp_path / "m.png"), (28, 28), Config(data="mnist"))
    ink = np.argwhere(mnist > 0)
    assert np.ptp(ink, axis=0).max() + 1 == 20
    weights = mnist / mnist.sum()
    middle = [(weights.sum(1 - axis) * np.arange(28)).sum() for axis in (0, 1)]
    np.testing.assert_allclose(middle, 13.5, atol=0.51)


def test_transparent_paper_is_white(tmp_path: Path) -> None:
    digit = data.load("digits").test.images[3]
    gray = np.asarray(Image.open(picture(digit, tmp_path / "gray.png", 255, 0)))
    Image.fromarray(np.dstack([np.zeros((*gray.shape, 3), np.uint8), 255 - gray])).save(tmp_path / "alpha.png")
    a, b = (prepare(tmp_path / f"{name}.png", (8, 8), CONFIG) for name in ("gray", "alpha"))
    np.testing.assert_allclose(a, b, atol=1 / 255)


def test_pictures_that_are_none(tmp_path: Path, trained: dict[str, Path]) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    Image.new("L", (40, 40), 200).save(tmp_path / "blank.png")
    Image.new("1", (9000, 9000)).save(tmp_path / "huge.png")
    for name, message in (
        ("none.png", "cannot be read as one: .*No such file"),
        ("text.png", "cannot be read as one: cannot identify"),
        ("blank.png", "is of one shade and shows no digit"),
        ("huge.png", "has 9000x9000 pixels. Crop it"),
    ):
        with pytest.raises(DataError, match=rf"picture: .*{name} {message}"):
            predict(trained["torch"], tmp_path / name)


def test_checkpoints_that_do_not_fit(tmp_path: Path, trained: dict[str, Path]) -> None:
    content = torch.load(trained["torch"], weights_only=True)
    for change in (
        {"run": {**content["run"], "engine": "jax"}},
        {"run": {**content["run"], "config": {**content["run"]["config"], "hidden": (7,)}}},
        {"run": None},
        {"state_dict": {}},
    ):
        torch.save({**content, **change}, tmp_path / "changed.ckpt")
        with pytest.raises(TrainingError, match=r"checkpoint: .*changed.ckpt does not fit together"):
            load_network(tmp_path / "changed.ckpt")


def test_the_command(tmp_path: Path, trained: dict[str, Path]) -> None:
    test = data.load("digits").test
    file = picture(test.images[0], tmp_path / "digit.png")
    arguments = ["predict", str(file), "--checkpoint", str(trained["scratch"]), "--seen", str(tmp_path / "seen.png")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert f"It is a {test.labels[0]}, says the network trained by scratch." in result.output
    assert (tmp_path / "seen.png").read_bytes().startswith(b"\x89PNG")
    missing = CliRunner().invoke(app, ["predict", str(file), "--checkpoint", str(tmp_path / "none.ckpt")])
    assert missing.exit_code == 2
    assert "there is no file" in missing.output

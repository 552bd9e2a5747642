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
from experiments.training.picture import LAYOUT, prepare, read_gray
from experiments.training.predict import load_network, predict
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


def seen_in(path: Path, shape: tuple[int, int], config: Config = CONFIG) -> np.ndarray:
    return prepare(read_gray(path), shape, config)[0]


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
        seen_in(picture(digit, tmp_path / f"{paper}.png", paper, ink), (8, 8))
        for paper, ink in ((250, 20), (5, 250), (200, 40))
    ]
    for image in seen:
        assert image.shape == (8, 8)
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 1
        np.testing.assert_allclose(image, seen[0], atol=0.05)
    mnist = seen_in(picture(digit, tmp_path / "m.png"), (28, 28), Config(data="mnist"))
    ink = np.argwhere(mnist > 0)
    assert np.ptp(ink, axis=0).max() + 1 == 20
    weights = mnist / mnist.sum()
    middle = [(weights.sum(1 - axis) * np.arange(28)).sum() for axis in (0, 1)]
    np.testing.assert_allclose(middle, 13.5, atol=0.51)


ROWS, COLUMNS = np.mgrid[0:220, 0:170]
LIGHT = {
    "a shadow that deepens": 1 - 0.7 * (ROWS + COLUMNS) / 390,
    "a hard shadow": np.where(COLUMNS + 0.5 * ROWS > 120, 0.5, 1.0),
    "dark edges": np.clip(1 - 0.7 * (((COLUMNS - 85) / 110) ** 2 + ((ROWS - 110) / 150) ** 2), 0.2, 1),
}


@pytest.mark.parametrize(
    ("light", "ink"), [*((light, 20) for light in LIGHT), ("a shadow that deepens", 250), ("dark edges", 250)]
)
def test_a_shadow_is_no_ink(light: str, ink: int, tmp_path: Path) -> None:
    digit = data.load("digits").test.images[0]
    gray = read_gray(picture(digit, tmp_path / "even.png", 270 - ink, ink))
    lit = gray * LIGHT[light] if ink < 100 else 255 - (255 - gray) * LIGHT[light]
    noisy = np.clip(lit + np.random.default_rng(0).normal(0, 3, gray.shape), 0, 255)
    (even, _), (seen, doubts) = (prepare(each, (8, 8), CONFIG) for each in (gray, noisy))
    assert doubts == []
    assert np.abs(seen - even).mean() < 0.05  # shades as faint as the noise are lost


def test_what_is_no_single_digit_is_doubted(tmp_path: Path) -> None:
    images = data.load("digits").test.images
    one = read_gray(picture(images[0], tmp_path / "one.png"))
    assert prepare(one, (8, 8), CONFIG)[1] == []
    assert "2 digits; crop" in prepare(np.hstack([one, one]), (8, 8), CONFIG)[1][0]
    dots = np.full((200, 200), 240.0)
    dots[20:190:40, 20:190:40] = 10
    assert "25 separate marks" in prepare(dots, (8, 8), CONFIG)[1][0]
    slab = np.full((200, 200), 240.0)
    slab[80:120, 80:120] = 10
    assert "100% of it would be ink" in prepare(slab, (8, 8), CONFIG)[1][0]
    noise = np.random.default_rng(0)
    for nothing in (noise.integers(0, 256, (200, 200)), noise.normal(230, 5, (300, 300)).clip(0, 255)):
        with pytest.raises(DataError, match=r"nothing that stands out|specks and no digit"):
            prepare(nothing.astype(float), (8, 8), CONFIG)


def test_the_share_of_ink_is_that_of_the_training_images() -> None:
    images = data.load("digits").train.images
    found = np.quantile(images.mean((1, 2)) / images.max(), [0.001, 0.999])
    np.testing.assert_allclose(LAYOUT["digits"][3], found, atol=0.001)


def test_transparent_paper_is_white(tmp_path: Path) -> None:
    digit = data.load("digits").test.images[3]
    gray = np.asarray(Image.open(picture(digit, tmp_path / "gray.png", 255, 0)))
    Image.fromarray(np.dstack([np.zeros((*gray.shape, 3), np.uint8), 255 - gray])).save(tmp_path / "alpha.png")
    a, b = (seen_in(tmp_path / f"{name}.png", (8, 8)) for name in ("gray", "alpha"))
    np.testing.assert_allclose(a, b, atol=1 / 255)


def test_pictures_that_are_none(tmp_path: Path, trained: dict[str, Path]) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    Image.new("L", (40, 40), 200).save(tmp_path / "blank.png")
    Image.new("1", (9000, 9000)).save(tmp_path / "huge.png")
    for name, message in (
        ("none.png", "cannot be read as one: .*No such file"),
        ("text.png", "cannot be read as one: it must be one of PNG, JPEG"),
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
    article = "an" if test.labels[0] == 8 else "a"
    assert f"It is {article} {test.labels[0]}, says the network trained by scratch." in result.output
    assert (tmp_path / "seen.png").read_bytes().startswith(b"\x89PNG")
    missing = CliRunner().invoke(app, ["predict", str(file), "--checkpoint", str(tmp_path / "none.ckpt")])
    assert missing.exit_code == 2
    assert "there is no file" in missing.output

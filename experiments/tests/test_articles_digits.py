"""The small CNN, LSTM and GAN, at reduced length: what must be equal is, and mistakes are noticed."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import scratch
from experiments.articles import classifier, cnn, gan, lstm
from experiments.articles.article import Replay
from experiments.articles.twin import SCRATCH, TWINS
from experiments.training.data import DATA_DIR, load

ACCURACY = "test accuracy, beside the nearest mean's"
EXACT = "float64: first 20 losses apart by"
DISTANCE = "distance to the nearest real digit"


def wrong(found: Replay) -> list[str]:
    return [item.what for item in (*found.figures, *found.checks) if item.ok is False]


def pictures_of(found: Replay) -> list[str]:
    assert all(path.read_bytes().startswith(b"\x89PNG") and caption for path, caption in found.plots)
    return [path.name for path, _ in found.plots]


def shorten(monkeypatch: pytest.MonkeyPatch, article: ModuleType) -> None:
    """One epoch: enough to compare the engines, not to learn."""
    monkeypatch.setattr(article, "RECIPE", replace(article.RECIPE, epochs={"digits": 1}))


@pytest.mark.parametrize(
    ("article", "pictures"), [(cnn, ["losses.png", "filters.png"]), (lstm, ["losses.png", "rows.png"])]
)
def test_a_short_training_has_all_but_the_accuracy(
    article: ModuleType, pictures: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shorten(monkeypatch, article)
    said: list[str] = []
    found = article.run(tmp_path, None, said.append)
    assert wrong(found) == [ACCURACY]
    assert pictures_of(found) == pictures
    assert said[:2] == ["training, scratch", "training, torch"]


@pytest.mark.parametrize("article", [cnn, lstm])
def test_the_recipe_learns_the_digits(article: ModuleType) -> None:
    """Scratch alone, over half the length."""
    _, data = classifier.pictures(None)
    run = classifier.train(SCRATCH, article.RECIPE, data.train, article.RECIPE.epochs["digits"] // 2)
    assert classifier.accuracy(SCRATCH, run.net, data.test) > 0.9


def test_mnist_is_read_where_its_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def digits(name: str, data_dir: Any) -> Any:
        asked.append((name, data_dir))
        return load("digits")

    monkeypatch.setattr(classifier, "load", digits)
    assert [classifier.pictures(folder)[0] for folder in (None, "folder")] == ["digits", "mnist"]
    monkeypatch.setenv(DATA_DIR, "elsewhere")
    assert classifier.pictures(None)[0] == "mnist"
    assert asked == [("digits", None), ("mnist", "folder"), ("mnist", None)]


def test_the_nearest_mean_is_a_baseline() -> None:
    _, data = classifier.pictures(None)
    train, test = (part.images.reshape(len(part.labels), -1) for part in (data.train, data.test))
    means = [train[data.train.labels == digit].mean(axis=0) for digit in range(10)]
    nearest = [np.argmin([np.linalg.norm(picture - mean) for mean in means]) for picture in test]
    assert classifier.nearest_mean(data) == np.mean(nearest == data.test.labels)


def test_engines_of_different_seeds_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    _, data = classifier.pictures(None)
    recipe = replace(lstm.RECIPE, epochs={"digits": 1})
    runs = {}
    for seed, twin in enumerate(TWINS):
        monkeypatch.setattr(classifier, "SEED", seed)
        runs[twin.name] = classifier.train(twin, recipe, data.train, 1, steps=3)
    found = classifier.figures(runs, {name: run.losses for name, run in runs.items()}, data)
    assert [figure.what for figure in found if figure.ok is False] == [
        "initial weights",
        "order of the pictures",
        ACCURACY,
        EXACT,
    ]


def test_a_short_game_has_all_but_the_digits(tmp_path: Path) -> None:
    found = gan.run(tmp_path, epochs=2)
    assert wrong(found) in ([], [DISTANCE])
    assert pictures_of(found) == ["losses.png", "samples.png"]


def test_a_wrong_backward_in_the_game_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def forgetful(self: scratch.nn.LeakyReLU, dy: np.ndarray) -> np.ndarray:
        self.take(dy)
        return dy

    monkeypatch.setattr(scratch.nn.LeakyReLU, "backward", forgetful)
    found = wrong(gan.run(tmp_path, epochs=1))
    assert {"float64: first 20 losses of both players apart by", "forger through detective, scratch"} <= {*found}
    assert "forger through detective, torch" not in found


def test_independent_pixels_are_no_digits() -> None:
    real = load("digits").train.images
    mixed = gan.independent_pixels(real)
    assert mixed.shape == (gan.JUDGED, 8, 8)
    distance, which = gan.nearest(real[:7], real)
    assert np.allclose(distance, 0, atol=1e-6)
    assert which.tolist() == list(range(7))
    assert gan.nearest(mixed, real)[0].min() > 0.5

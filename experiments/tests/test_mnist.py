"""The main job and the fast recipes in short, on the real MNIST: collected where NN_PARITY_DATA names its folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.fast import command
from experiments.fast.measure import measure
from experiments.fast.recipe import RECIPES
from experiments.training import data
from experiments.training.config import Config
from experiments.training.run import train


def test_the_files() -> None:
    mnist = data.mnist()
    assert (mnist.train.images.shape, mnist.test.images.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert mnist.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(mnist.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.train.images.std() == pytest.approx(data.SOURCES["mnist"][1], abs=1e-4)


# Smooth in float32: a ReLU within a rounding of zero may be on for one engine and off for the other.
@pytest.mark.usefixtures("no_pictures_here")
@pytest.mark.parametrize(("dtype", "activation", "limit"), [("float32", "SiLU", 1e-6), ("float64", "ReLU", 1e-13)])
def test_twins(dtype: str, activation: str, limit: float, tmp_path: Path) -> None:
    options: dict[str, Any] = {"dtype": dtype, "activation": activation, "output": str(tmp_path)}
    result = train(Config(data="mnist", engine="both", epochs=1, limit_train=9600, **options))
    assert result.ok
    assert result.comparison is not None
    assert result.comparison.largest_difference_first_100 <= limit
    assert all(len(run.losses) == 150 and run.test_accuracy > 0.9 for run in result.runs.values())


def test_a_tenth_of_the_fast_recipe() -> None:
    mnist = data.mnist()
    tenth = data.Part(mnist.train.images[:6000], mnist.train.labels[:6000])
    result = measure(replace(RECIPES["cnn-fast"], epochs=1), mnist._replace(train=tenth), seeds=1)
    assert result["accuracy"]["mean"] > 0.95


def test_fast_scratch_in_a_process_of_its_own() -> None:
    figures = command._in_a_process(["run", "mlp", "--engine", "scratch", "--epochs", "1", "--seeds", "1"], 1, None)
    assert figures["environment"]["threads"] == 1
    assert figures["runs"][0]["engine"] == "scratch"
    assert figures["runs"][0]["accuracy"]["mean"] > 0.95

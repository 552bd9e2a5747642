"""The images that the benchmark trains on: MNIST from a folder, or similar images without one."""

from __future__ import annotations

import os
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from experiments.training.data import DATA_DIR, load

SIDE, CLASSES = 28, 10
SYNTHETIC = "synthetic images like MNIST's"


class Images(NamedTuple):
    """Rows of pixels, float32, and their classes, int64; `source` says where they are from."""

    source: str
    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


@cache
def images(count: int = 60000) -> Images:
    """MNIST where the environment variable NN_PARITY_DATA names its folder; nothing is downloaded here."""
    if os.environ.get(DATA_DIR):
        data = load("mnist")
        (x, y), (test_x, test_y) = (((part.images.reshape(len(part.images), -1)), part.labels) for part in data[:2])
        return Images("MNIST", x[:count], y[:count], test_x, test_y)
    x, y = synthetic(count, seed=0)
    return Images(SYNTHETIC, x, y, *synthetic(count // 6, seed=1))


def synthetic(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of which four fifths of the pixels are 0, the border always: this makes moments decay to subnormals.

    Each class is a dozen bright spots inside the frame, each image has most of its class's and some noise on them.
    """
    spots = np.zeros((CLASSES, SIDE, SIDE), np.float32)
    places = np.random.default_rng(99).integers(5, SIDE - 6, (CLASSES, 12, 2))
    for image, positions in zip(spots, places, strict=True):
        for row, column in positions:
            image[row - 1 : row + 2, column - 1 : column + 2] = 1
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, count)
    x = spots.reshape(CLASSES, -1)[y]
    x *= rng.random(x.shape, np.float32) * 3.2
    x *= rng.random(x.shape, np.float32) < 0.7
    return x, y


def order(count: int, batch: int, epoch: int) -> np.ndarray:
    """The images of each batch of an epoch (batches, batch), the same for all; an incomplete one is left out."""
    return np.random.default_rng(epoch).permutation(count)[: count // batch * batch].reshape(-1, batch)


def share(predicted: Any, labels: np.ndarray) -> float:
    """The number of labels that logits (N, 10) predict correctly."""
    return float(np.mean(np.asarray(predicted).argmax(1) == labels))

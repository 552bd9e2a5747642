"""Four small files that stand for MNIST's, for the tests: only names, sizes and checksums differ."""

import gzip
import hashlib
from pathlib import Path

import numpy as np

from experiments.training import data
from experiments.training.data import IdxFile

NAMES = ["train-images", "train-labels", "test-images", "test-labels"]
SHAPES = [(7, 3, 2), (7,), (4, 3, 2), (4,)]
ARRAYS = [np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8) for shape in SHAPES]


def content_of(array: np.ndarray) -> bytes:
    return np.array([0x0800 + array.ndim, *array.shape], ">i4").tobytes() + array.tobytes()


CONTENTS = {name: content_of(array) for name, array in zip(NAMES, ARRAYS, strict=True)}
FILES = [
    IdxFile(name, array.shape, hashlib.sha256(CONTENTS[name]).hexdigest())
    for name, array in zip(NAMES, ARRAYS, strict=True)
]


def write(folder: Path, packed: bool = True, **replaced: bytes) -> Path:
    """A folder with the four files, some of them replaced."""
    for name in NAMES:
        content = replaced.get(name.replace("-", "_"), CONTENTS[name])
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)
    return folder


def assert_right(got: data.ImageData) -> None:
    for array, expected in zip([*got.train, *got.test], ARRAYS, strict=True):
        np.testing.assert_array_equal(array, expected)
    assert (got.train.images.dtype, got.train.labels.dtype) == (np.uint8, np.int64)

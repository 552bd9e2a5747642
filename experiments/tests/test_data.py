"""The images: what is accepted from a folder, and what is refused. Whatever the file is, it costs no more memory."""

import gzip
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.tests.memory import at_most
from experiments.tests.small_mnist import CONTENTS, FILES, assert_right, write
from experiments.training import data
from experiments.training.data import DataError, Part


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "FILES", FILES)


# --- digits -----------------------------------------------------------------------------------------------------------


def test_digits_are_scaled_and_split_by_class() -> None:
    digits = data.load("digits")
    assert (digits.train.images.shape, digits.test.images.shape) == ((1437, 8, 8), (360, 8, 8))
    assert (digits.train.images.dtype, digits.train.labels.dtype) == (np.float32, np.int64)
    assert (digits.train.images.min(), digits.train.images.max()) == (0, 1)
    shares = np.bincount(digits.test.labels) / np.bincount(np.concatenate([digits.train.labels, digits.test.labels]))
    assert np.all(np.abs(shares - 0.2) < 0.01)
    again = data.load("digits", dtype="float64")
    np.testing.assert_array_equal(digits.train.images, again.train.images)
    assert again.train.images.dtype == np.float64


def test_a_split_keeps_every_image_once() -> None:
    part = Part(np.arange(50), np.repeat(np.arange(5), 10))
    kept, held = data.split(part, 0.3)
    assert sorted([*kept.images, *held.images]) == list(range(50))
    np.testing.assert_array_equal(np.bincount(held.labels), 3)


def test_a_split_too_small_for_the_classes_is_refused() -> None:
    with pytest.raises(DataError, match=r"0.01 of 50 images do not make two parts with every class"):
        data.split(Part(np.arange(50), np.repeat(np.arange(5), 10)), 0.01)


def test_an_unknown_data_set_is_refused() -> None:
    with pytest.raises(DataError, match=r"must be one of digits, mnist, got 'cifar'"):
        data.load("cifar")


# --- a folder ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
def test_a_folder(tmp_path: Path, packed: bool) -> None:
    assert_right(data.mnist(write(tmp_path, packed)))


def test_the_environment_variable_names_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(data.DATA_DIR, str(write(tmp_path)))
    assert_right(data.mnist())


def test_another_compression_of_the_same_bytes(tmp_path: Path) -> None:
    (write(tmp_path) / "train-images.gz").write_bytes(gzip.compress(CONTENTS["train-images"], 1, mtime=5))
    assert_right(data.mnist(tmp_path))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*nowhere. Put the four .gz files"):
        data.mnist(tmp_path / "nowhere")


def test_a_missing_file(tmp_path: Path) -> None:
    (write(tmp_path) / "test-labels.gz").unlink()
    with pytest.raises(DataError, match=r"has neither test-labels.gz nor test-labels. Put the four .gz files"):
        data.mnist(tmp_path)


IMAGES = CONTENTS["train-images"]
WRONG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "expected the magic number 2051, got \\[\\]"),
    "a web page": (b"\n<!DOCTYPE html><html>", "it is a web page that begins with"),
    "labels for images": (CONTENTS["train-labels"], "expected the magic number 2051, got \\[2049\\]. .*swapped"),
    "test for training": (CONTENTS["test-images"], "expected the sizes \\[7 3 2\\], got \\[4 3 2\\]. .*swapped"),
    "a truncated header": (IMAGES[:9], "expected the sizes \\[7 3 2\\], got \\[7\\]"),
    "truncated": (IMAGES[:-1], "expected 58 bytes, got 57: it is truncated"),
    "too long": (IMAGES + b"\0", "expected 58 bytes, got more"),
    "one bit changed": (IMAGES[:-1] + bytes([IMAGES[-1] ^ 1]), "as sha256 of the uncompressed bytes, got .* changed"),
}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_content(tmp_path: Path, wrong: str, packed: bool) -> None:
    content, message = WRONG[wrong]
    with pytest.raises(DataError, match=f"train-images.* is not train-images: .*{message}.* Put the four .gz files"):
        data.mnist(write(tmp_path, packed, train_images=content))


def test_a_truncated_archive(tmp_path: Path) -> None:
    archive = write(tmp_path) / "train-images.gz"
    archive.write_bytes(archive.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"expected 58 bytes, plain or packed by gzip, got .*Is it truncated\?"):
        data.mnist(tmp_path)


# --- faults -----------------------------------------------------------------------------------------------------------


def test_every_bit_that_flips_is_noticed_or_does_no_harm(tmp_path: Path) -> None:
    """Some bits of an archive say when and where it was packed, or fill the last byte. Any other one is an error."""
    path = write(tmp_path) / "train-images.gz"
    packed = path.read_bytes()
    harmless, messages = 0, []
    for bit in range(8 * len(packed)):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert_right(data.mnist(tmp_path))
            harmless += 1
        except DataError as error:
            messages.append(str(error))
    assert harmless <= 64
    assert all(message.startswith(f"MNIST: {path} is not train-images: ") for message in messages)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path) / "train-images.gz"
    packed = path.read_bytes()
    for length in range(len(packed)):
        path.write_bytes(packed[:length])
        with pytest.raises(DataError, match=r"train-images.gz is not train-images: "):
            data.mnist(tmp_path)


BOMBS = {
    "one member": gzip.compress(IMAGES + bytes(3_000_000), 9),
    "many members": gzip.compress(IMAGES) + gzip.compress(bytes(300_000)) * 8,
    "empty members": gzip.compress(b"") * 180,
    "a file that is too long": gzip.compress(IMAGES) + bytes(10_000_000),
    "a plain file that is too long": IMAGES + bytes(10_000_000),
}


@pytest.mark.parametrize("packed", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_not_unpacked(tmp_path: Path, packed: bytes) -> None:
    (write(tmp_path) / "train-images.gz").write_bytes(packed)
    refused = pytest.raises(DataError, match=r"expected .* got|has \d+ bytes, more than the limit of 4154")
    with at_most(200_000), refused:
        data.mnist(tmp_path)


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def link_to_nothing(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


def link_to_a_folder(path: Path) -> None:
    path.symlink_to(path.parent)


def link_to_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_to_another_file(path: Path) -> None:
    path.symlink_to(path.parent / "test-images.gz")


STRANGE = {
    Path.mkdir: "it is a folder, not a plain file",
    os.mkfifo: "it is a pipe, a socket or a device, not a plain file",
    link_to_itself: "it cannot be opened: Too many levels of symbolic links",
    link_to_nothing: "it cannot be opened: No such file",
    link_to_a_folder: "it is a folder",
    link_to_zeros: "it is a pipe, a socket or a device",
    link_to_another_file: ".*Were training and test files swapped",
}


@pytest.mark.parametrize("make", STRANGE, ids=lambda make: make.__name__)
def test_what_is_no_plain_file_is_not_read(tmp_path: Path, make: object) -> None:
    path = write(tmp_path) / "train-images.gz"
    path.unlink()
    make(path)
    with pytest.raises(DataError, match=f"train-images.gz is not train-images: {STRANGE[make]}.* Put the four"):
        data.mnist(tmp_path)


def test_a_link_to_the_right_file_is_followed(tmp_path: Path) -> None:
    path = write(tmp_path) / "train-images.gz"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to("elsewhere")
    assert_right(data.mnist(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_no_file_stays_open(tmp_path: Path) -> None:
    write(tmp_path, train_labels=b"wrong")
    before = os.listdir("/proc/self/fd")
    with pytest.raises(DataError):
        data.mnist(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == len(before)

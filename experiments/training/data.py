"""The images: scikit-learn's digits, embedded, and MNIST, downloaded or read from a folder. All in memory.

MNIST is accepted by its content, the uncompressed bytes, from any mirror, folder or compression.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from gzip import GzipFile
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from experiments.training.download import DownloadError, fetch
from parity_tests.exits import CannotError
from torch_impl.files import FileRefusedError, opened, remove_parts, write_whole

DATA_DIR = "NN_PARITY_DATA"  # environment variable: a folder with the four MNIST files
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
TIMEOUT = 30.0  # longest silence of a mirror, in seconds
LIMIT = 600.0  # longest download of one file, in seconds
FIX = f"Put the four .gz files of MNIST in a folder and name it with --data-dir or the environment variable {DATA_DIR}."


class DataError(CannotError, RuntimeError):
    """Data that is missing or wrong."""


class Part(NamedTuple):
    """Images (N, H, W) and their classes (N,) as int64."""

    images: np.ndarray
    labels: np.ndarray


class ImageData(NamedTuple):
    """The training part and the part held back."""

    train: Part
    test: Part
    classes: int = 10


def load(name: str, data_dir: str | Path | None = None, dtype: str = "float32") -> ImageData:
    """A data set by name, its images in `dtype`, the digits scaled to [0, 1] and MNIST to standard deviation 1.

    Black stays 0, so the weights of a pixel that is always black have a gradient of exactly 0 in both engines.
    """
    if name not in SOURCES:
        raise DataError(f"data: must be one of {', '.join(SOURCES)}, got {name!r}.")
    read, one = SOURCES[name]
    data = read(data_dir)

    def scaled(part: Part) -> Part:
        images = part.images.astype(dtype)
        images /= one
        return Part(images, part.labels)

    return data._replace(train=scaled(data.train), test=scaled(data.test))


def split(part: Part, fraction: float) -> tuple[Part, Part]:
    """Hold back this fraction of every class; the same images each time, independent of other seeds."""
    from sklearn.model_selection import train_test_split

    every = np.arange(len(part.labels))
    try:
        kept, held = train_test_split(every, test_size=fraction, stratify=part.labels, random_state=0)
    except ValueError as error:
        raise DataError(f"{fraction} of {len(every)} images do not make two parts with every class: {error}") from error
    return tuple(Part(part.images[i], part.labels[i]) for i in (kept, held))  # type: ignore[return-value]


def digits(data_dir: str | Path | None = None) -> ImageData:
    """scikit-learn's 1797 digits of 8 by 8 pixels, values 0 to 16; a fifth of every class is the test set."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return ImageData(*split(Part(bunch.images, bunch.target.astype(np.int64)), 0.2))


# --- MNIST ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class IdxFile:
    """One of the four files: a magic number that counts the sizes, the sizes, all big-endian 32-bit, then bytes."""

    name: str
    sizes: tuple[int, ...]
    sha256: str  # of the uncompressed bytes

    @property
    def header(self) -> np.ndarray:
        return np.array([0x0800 + len(self.sizes), *self.sizes], ">i4")

    @property
    def length(self) -> int:
        return self.header.nbytes + math.prod(self.sizes)

    @property
    def longest(self) -> int:
        """Bytes on the disk, plain or packed: incompressible data grows by 5 bytes in 65535, plus a header."""
        return self.length + self.length // 1000 + 2**12


IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
FILES = (
    IdxFile(f"train-{IMAGES}", (60000, 28, 28), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    IdxFile(f"train-{LABELS}", (60000,), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    IdxFile(f"t10k-{IMAGES}", (10000, 28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    IdxFile(f"t10k-{LABELS}", (10000,), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
)


def mnist(
    data_dir: str | Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
    cache: str | Path | None = None,
    timeout: float = TIMEOUT,
    limit: float = LIMIT,
) -> ImageData:
    """MNIST as uint8 images (60000, 28, 28) and (10000, 28, 28).

    Read from `data_dir`, else from the folder that NN_PARITY_DATA names, else downloaded once from the mirrors into
    `cache` (the user's cache folder by default). A file enters the cache under its name only when its content is right.

    Raises    DataError naming the file, the expected content, the content found, and what to do.
    """
    folder = data_dir or os.environ.get(DATA_DIR)
    if folder:
        arrays = [_from_folder(Path(folder), file) for file in FILES]
    else:
        arrays = [_from_cache(file, mirrors, cache, timeout, limit) for file in FILES]
    train_images, train_labels, test_images, test_labels = arrays
    return ImageData(Part(train_images, train_labels.astype(np.int64)), Part(test_images, test_labels.astype(np.int64)))


def _from_folder(folder: Path, file: IdxFile) -> np.ndarray:
    """The file in a folder, compressed or not."""
    if not folder.is_dir():
        raise DataError(f"MNIST: there is no folder {folder}. {FIX}")
    for path in (folder / f"{file.name}.gz", folder / file.name):
        if os.path.lexists(path):  # a broken link is reported, not skipped
            try:
                return _read(path, file)
            except DataError as error:
                raise DataError(f"MNIST: {path} is not {file.name}: {error} {FIX}") from error
    raise DataError(f"MNIST: {folder} has neither {file.name}.gz nor {file.name}. {FIX}")


def _from_cache(
    file: IdxFile, mirrors: Sequence[str], cache: str | Path | None, timeout: float, limit: float
) -> np.ndarray:
    """The file in the cache; if it is missing or wrong, from the mirrors. One process at a time downloads."""
    import filelock

    if cache is None:
        import platformdirs

        cache = platformdirs.user_cache_dir("nn-parity")
    path = Path(cache) / f"{file.name}.gz"
    with suppress(DataError):
        return _read(path, file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(".lock"), timeout=limit * len(mirrors)):
            with suppress(DataError):
                return _read(path, file)  # another process has fetched it meanwhile
            remove_parts(path)
            packed, array = _from_mirrors(file, mirrors, timeout, limit, path)
            write_whole(path, lambda stream: stream.write(packed))
            return array
    except OSError as error:
        raise DataError(f"MNIST: {path.name} could not be downloaded into {path.parent}: {error}. {FIX}") from error


def _from_mirrors(
    file: IdxFile, mirrors: Sequence[str], timeout: float, limit: float, path: Path
) -> tuple[bytearray, np.ndarray]:
    """The file, as received and unpacked, from the first mirror with the right file."""
    failures = []
    for mirror in mirrors:
        url = f"{mirror}{path.name}"
        try:
            packed = fetch(url, file.longest, timeout, limit, sys.stderr.isatty())
            return packed, _unpack(BytesIO(packed), file)
        except (DownloadError, DataError) as error:
            failures.append(f"  {url}: {error}")
    raise DataError(
        "\n".join(
            [f"MNIST: {path.name} could not be downloaded into {path.parent}.", *failures, f"Check the network. {FIX}"]
        )
    )


def _read(path: Path, file: IdxFile) -> np.ndarray:
    """The array in a file, plain or packed by gzip. Raises DataError, which describes only the content."""
    try:
        with opened(path, file.longest) as stream:
            return _unpack(stream, file)
    except FileRefusedError as error:
        raise DataError(f"{error}.") from error


def _unpack(stream: BinaryIO, file: IdxFile) -> np.ndarray:
    """The array in a stream, plain or packed by gzip."""
    try:
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        content = (GzipFile(fileobj=stream) if packed else stream).read(file.length + 1)  # no bomb unpacks further
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"expected {file.length} bytes, plain or packed by gzip, got {error}. Is it truncated?"
        ) from error
    _check(content, file)
    return np.frombuffer(content, np.uint8, offset=file.header.nbytes).reshape(file.sizes)


def _check(content: bytes, file: IdxFile) -> None:
    start = content[:64].lstrip(b"\xef\xbb\xbf\r\n\t ")
    if start.startswith(b"<"):
        raise DataError(f"it is a web page that begins with {start[:20]!r}. Does the network ask for a login?")
    expected = file.header
    header = np.frombuffer(content[: min(len(content) // 4 * 4, expected.nbytes)], ">i4")
    if not np.array_equal(header[:1], expected[:1]):
        raise DataError(f"expected the magic number {expected[0]}, got {header[:1]}. Were images and labels swapped?")
    if not np.array_equal(header, expected):
        raise DataError(f"expected the sizes {expected[1:]}, got {header[1:]}. Were training and test files swapped?")
    if len(content) != file.length:
        came = "more" if len(content) > file.length else f"{len(content)}: it is truncated"
        raise DataError(f"expected {file.length} bytes, got {came}.")
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise DataError(f"expected {file.sha256} as sha256 of the uncompressed bytes, got {digest}. It was changed.")


# How each is read, and the pixel value that becomes 1: of digits the largest, of MNIST the standard deviation.
SOURCES = {"digits": (digits, 16.0), "mnist": (mnist, 78.5675)}

"""The images: what is accepted, what is refused, what a download leaves behind. A local server plays the mirrors."""

import gzip
import hashlib
import time
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from experiments import data
from experiments.data import DataError, IdxFile, Part

NAMES = ["train-images", "train-labels", "test-images", "test-labels"]
SHAPES = [(7, 3, 2), (7,), (4, 3, 2), (4,)]
ARRAYS = [np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8) for shape in SHAPES]


def content_of(array: np.ndarray) -> bytes:
    return np.array([0x0800 + array.ndim, *array.shape], ">i4").tobytes() + array.tobytes()


CONTENTS = {name: content_of(array) for name, array in zip(NAMES, ARRAYS, strict=True)}


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four small files stand for MNIST's; only their names, sizes and checksums differ."""
    files = [
        IdxFile(name, array.shape, hashlib.sha256(CONTENTS[name]).hexdigest())
        for name, array in zip(NAMES, ARRAYS, strict=True)
    ]
    monkeypatch.setattr(data, "FILES", files)


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


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (write(tmp_path) / "train-images.gz").unlink()
    (tmp_path / "train-images.gz").mkdir()
    with pytest.raises(DataError, match=r"train-images.gz is not train-images: .* got .*Is a directory"):
        data.mnist(tmp_path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    write(tmp_path, train_images=IMAGES + bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="expected 58 bytes, got more"):
            data.mnist(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


# --- a download -------------------------------------------------------------------------------------------------------

Answer = Callable[[BaseHTTPRequestHandler], None]


def sends(body: bytes, length: int | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def good(handler: BaseHTTPRequestHandler) -> None:
    sends(gzip.compress(CONTENTS[Path(handler.path).stem]))(handler)


def truncated(handler: BaseHTTPRequestHandler) -> None:
    body = gzip.compress(CONTENTS[Path(handler.path).stem])
    sends(body[:-5], len(body))(handler)


def stalling(handler: BaseHTTPRequestHandler) -> None:
    sends(b"\x1f\x8b", 1000)(handler)
    time.sleep(0.6)


class Mirrors:
    """A server on this machine; each mirror is a folder of it with one way to answer. It notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Answer] = {}
        mirrors = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirrors.asked.append(self.path)
                mirrors.answers[Path(self.path).parent.name](self)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __call__(self, *answers: Answer) -> list[str]:
        self.answers |= {answer.__name__: answer for answer in answers}
        return [f"http://127.0.0.1:{self.server.server_port}/{answer.__name__}/" for answer in answers]


@pytest.fixture
def mirrors() -> Iterator[Mirrors]:
    served = Mirrors()
    yield served
    served.server.shutdown()
    served.server.server_close()


def not_found(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


def web_page(handler: BaseHTTPRequestHandler) -> None:
    sends(b"<html>Please log in</html>")(handler)


def swapped(handler: BaseHTTPRequestHandler) -> None:
    sends(gzip.compress(CONTENTS["test-labels"]))(handler)


def test_a_download_is_cached(mirrors: Mirrors, tmp_path: Path) -> None:
    urls = mirrors(good)
    assert_right(data.mnist(mirrors=urls, cache=tmp_path))
    assert mirrors.asked == [f"/good/{name}.gz" for name in NAMES]
    assert_right(data.mnist(mirrors=urls, cache=tmp_path))
    assert len(mirrors.asked) == len(NAMES)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.gz" for name in NAMES)


BAD: dict[Answer, str] = {
    not_found: "404",
    web_page: "it is a web page",
    truncated: "",
    stalling: "timed out",
    swapped: "swapped",
}


@pytest.mark.parametrize("bad", BAD, ids=lambda answer: answer.__name__)
def test_a_bad_mirror_leaves_nothing_behind(mirrors: Mirrors, tmp_path: Path, bad: Answer) -> None:
    (url,) = mirrors(bad)
    message = (
        f"train-images.gz could not be downloaded into .*{url}train-images.gz: .*{BAD[bad]}.*Check the network. Put"
    )
    with pytest.raises(DataError, match=f"(?s){message}"):
        data.mnist(mirrors=[url], cache=tmp_path, timeout=0.3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", BAD, ids=lambda answer: answer.__name__)
def test_the_second_mirror_is_tried(mirrors: Mirrors, tmp_path: Path, bad: Answer) -> None:
    assert_right(data.mnist(mirrors=mirrors(bad, good), cache=tmp_path, timeout=0.3))


def test_no_network(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)could not be downloaded.*http://127.0.0.1:9/.*Check the network. Put"):
        data.mnist(mirrors=["http://127.0.0.1:9/"], cache=tmp_path, timeout=0.3)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_spoiled_in_the_cache_is_downloaded_again(mirrors: Mirrors, tmp_path: Path) -> None:
    (tmp_path / "train-images.gz").write_bytes(b"spoiled")
    assert_right(data.mnist(mirrors=mirrors(good), cache=tmp_path))


def test_a_cache_that_cannot_be_written(mirrors: Mirrors, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="could not be downloaded into"):
        data.mnist(mirrors=mirrors(good), cache=tmp_path / "file" / "cache")

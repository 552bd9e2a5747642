"""Pictures from a stranger, handed to predict: one clear error, no other program, little memory."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.tests.memory import at_most
from experiments.training.data import DataError
from experiments.training.picture import read_gray

LITTLE = 30_000_000  # bytes


def png(width: int, height: int) -> bytes:
    """A picture that announces this size and has almost no content."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def half(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 30)).astype(np.uint8)).save(stream, kind)
    return stream.getvalue()[: len(stream.getvalue()) // 2]


NOT_ONE = "cannot be read as one: "
PICTURES = {
    "empty": (b"", NOT_ONE),
    "a text": (b"hello \x1b[2J", NOT_ONE),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n", NOT_ONE),
    "a page in PDF": (b"%PDF-1.4\n", NOT_ONE),
    "2500 megapixels": (png(50000, 50000), NOT_ONE),
    "60 megapixels": (png(10000, 6000), "has 10000x6000 pixels. Crop it to the digit"),
    "a picture without pixels": (png(0, 9), NOT_ONE),
    "half a PNG": (half("PNG"), NOT_ONE),
    "half a JPEG": (half("JPEG"), NOT_ONE),
    "half a GIF": (half("GIF"), NOT_ONE),
    "half a TIFF": (half("TIFF"), NOT_ONE),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_hostile_picture(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, message = PICTURES[name]
    started: list[Any] = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *arguments, **options: started.append(arguments))
    (tmp_path / "x.png").write_bytes(content)
    with at_most(LITTLE), pytest.raises(DataError, match=rf"picture: .*x.png {message}") as caught:
        read_gray(tmp_path / "x.png")
    assert str(caught.value).isprintable()
    assert started == []


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_a_picture_is_a_plain_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "x.png")
    with pytest.raises(DataError, match="cannot be read as one: it is a"):
        read_gray(tmp_path / "x.png")

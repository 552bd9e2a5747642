"""Pictures and MNIST files damaged at random: read, or refused in one line. Ten times more with -m deep."""

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.tests.small_mnist import CONTENTS, FILES, assert_right, write
from experiments.training import data
from experiments.training.config import Config
from experiments.training.data import DataError
from experiments.training.picture import prepare, read_gray
from parity_tests.tests.mutations import damaged

DEPTHS = [pytest.param(20, id="fixed"), pytest.param(200, id="deep", marks=pytest.mark.deep)]
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{f"PNG {mode}": ("PNG", mode, {}) for mode in ("L", "RGB", "RGBA", "P", "1")},
    **{f"JPEG {mode}": ("JPEG", mode, {}) for mode in ("L", "RGB", "CMYK")},
    **{f"BMP {mode}": ("BMP", mode, {}) for mode in ("L", "RGB", "1")},
    **{f"TIFF {mode}": ("TIFF", mode, {}) for mode in ("L", "RGB", "F", "I")},
    **{f"TIFF {how}": ("TIFF", "L", {"compression": how}) for how in ("tiff_deflate", "tiff_lzw")},
    "GIF": ("GIF", "P", {}),
    "WEBP": ("WEBP", "RGB", {}),
}


def picture(kind: str, mode: str, options: dict[str, Any]) -> bytes:
    gray, stream = np.full((24, 20), 255, np.uint8), io.BytesIO()
    gray[4:20, 8:12] = 0
    Image.fromarray(gray).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("count", DEPTHS)
@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_picture(name: str, count: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rng, path, content = random.Random(name), tmp_path / "x", picture(*KINDS[name])
    path.write_bytes(content)
    prepare(read_gray(path), (8, 8), Config())
    texts = []
    for _ in range(count):
        path.write_bytes(damaged(rng, content))
        try:
            image, _ = prepare(read_gray(path), (8, 8), Config())
            assert image.shape == (8, 8)
            assert np.isfinite(image).all()
        except DataError as error:
            texts.append(str(error))
    assert all(text.isprintable() for text in texts)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("count", DEPTHS)
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", CONTENTS)
def test_a_damaged_mnist_file(
    name: str, packed: bool, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "FILES", FILES)
    path = write(tmp_path, packed) / (f"{name}.gz" if packed else name)
    rng, content, texts = random.Random(name), path.read_bytes(), []
    for _ in range(count):
        path.write_bytes(damaged(rng, content))
        try:
            assert_right(data.mnist(tmp_path))
        except DataError as error:
            texts.append(str(error))
    assert texts
    assert all(text.startswith(f"MNIST: {path} is not {name}: ") for text in texts)

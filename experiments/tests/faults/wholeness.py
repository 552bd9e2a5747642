"""Whether a file is what its ending says, to its last byte."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import yaml
from PIL import Image
from safetensors.numpy import load

from parity_tests.vectors.export import PAGES as PAGES_OF_VECTORS

PAGES = {page.name: page.read_bytes() for page in PAGES_OF_VECTORS}  # copied into every folder of vectors


def is_whole(path: Path) -> bool:
    return is_whole_content(path.name, path.read_bytes())


def is_whole_content(name: str, data: bytes) -> bool:
    if name in PAGES:
        return data == PAGES[name]
    try:
        match Path(name).suffix:
            case ".py":
                compile(data, name, "exec")
            case ".json":
                json.loads(data)
            case ".yaml":
                return isinstance(yaml.safe_load(data), dict)
            case ".png":
                Image.open(io.BytesIO(data)).load()
            case ".safetensors":
                load(data)
            case ".html":
                return data.rstrip().endswith(b"</html>")
            case ".md":
                return data.count(b"begin, written by") == data.count(b": end -->") > 0
            case ".csv":
                return data.endswith(b"\n")
            case ".ckpt":
                import torch

                torch.load(io.BytesIO(data), weights_only=True)
    except Exception:
        return False
    return bool(data)


def files(folder: Path) -> Iterator[Path]:
    """The files under their names: hidden ones are begun writes and locks."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path

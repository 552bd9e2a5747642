"""Files of a vectors folder: written whole or not at all, and read as untrusted input."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import save
from safetensors.torch import save as torch_save

from parity_tests.rule import BFLOAT16
from parity_tests.vectors.vector import PRECISIONS, SMALL, Json, VectorsError, held_by_torch
from torch_impl.files import opened_safetensors, printable, read_json, write_text, write_whole

FORMAT, VERSION = "nn-parity vectors", 1
INDEX, ANSWERS = "vectors.json", "answers"
LONGEST_JSON = 2**22
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,159}")
DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "I8": "int8", "U8": "uint8",
          "I16": "int16", "I32": "int32", "I64": "int64", "BOOL": "bool"}  # fmt: skip


def write_bytes(path: Path, data: bytes) -> None:
    write_whole(path, lambda file: file.write(data))


def as_safetensors(tensors: dict[str, Any]) -> bytes:
    """Arrays, and tensors of dtypes that NumPy does not have, as the bytes of a safetensors file.

    Arrays are put in C order first: safetensors 0.8.0 writes NumPy's in the order that they have in memory, under the
    shape that they have for the reader.
    """
    arrays = {name: np.asarray(x, order="C") for name, x in tensors.items() if not held_by_torch(x)}
    if len(arrays) == len(tensors):
        return save(arrays)
    held = {name: x.contiguous() for name, x in tensors.items() if name not in arrays}
    return torch_save({name: torch.from_numpy(x.copy()) for name, x in arrays.items()} | held)


def write_json(path: Path, value: Json) -> None:
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_index(folder: Path) -> dict[str, Json]:
    """The folder's index, in which every row's name is a valid file name."""
    path = folder / INDEX
    if not folder.is_dir():
        raise VectorsError(f"{folder} is not a folder. `nn-parity vectors export {folder}` makes one.")
    if not path.exists():
        raise VectorsError(
            f"{folder} is not a vectors folder: it has no {INDEX}. Make one by `nn-parity vectors export`."
        )
    index = read_manifest(path)
    if index.get("format") != FORMAT or index.get("version") != VERSION:
        raise VectorsError(
            f"{path}: the format is {index.get('format')!r} {index.get('version')!r}, not {FORMAT!r} {VERSION}."
        )
    rows: Any = index.get("rows")
    begun, left_out = index.setdefault("begun", []), index.setdefault("left_out", {})
    for part in (rows, begun):
        if not isinstance(part, list) or not all(isinstance(row, dict) for row in part):
            raise VectorsError(f"{path}: `rows` must be a list of objects.")
    if not isinstance(left_out, dict) or not all(_is_text(text) for text in (*left_out, *left_out.values())):
        raise VectorsError(f"{path}: `left_out` must be an object of texts.")
    for row in (*rows, *begun):
        name, label = row.get("name"), row.get("label")
        if not _is_text(label) or not isinstance(name, str) or not SAFE_NAME.fullmatch(name):
            raise VectorsError(
                f"{path}: {name!r} is not the name of a row: only letters, digits and . _ = - are allowed."
            )
    if len({row["name"] for row in rows}) != len(rows):
        raise VectorsError(f"{path}: duplicate row name.")
    return index


@dataclass(frozen=True)
class Asked:
    """What one row asks for, checked entry by entry, the true values by their tensors' names, and the random cases."""

    expected: list[dict[str, Json]]
    truths: dict[str, np.ndarray]
    random: frozenset[str]


def read_asked(folder: Path, name: str) -> Asked:
    path = folder / f"{name}.json"
    manifest = read_manifest(path)
    expected, cases = manifest.get("expected"), manifest.get("cases", {})
    if not isinstance(expected, list) or not expected:
        raise VectorsError(f"{path}: `expected` must be a list of objects, and not empty.")
    if not isinstance(cases, dict) or not all(isinstance(case, dict) for case in cases.values()):
        raise VectorsError(f"{path}: `cases` must be an object of objects.")
    for entry in expected:
        _check_entry(path, entry)
    if len({entry["name"] for entry in expected}) != len(expected):
        raise VectorsError(f"{path}: duplicate name of an answer.")
    truths = {}
    with open_tensors(folder / f"{name}.safetensors") as tensors:
        for entry in expected:
            truth, (dtype, shape) = entry["truth"], tensors.kinds.get(entry["truth"], ("missing", ()))
            if dtype not in DTYPES.values() or shape != tuple(entry["shape"]):
                wanted = f"{entry['name']!r} must have the shape {entry['shape']}"
                raise VectorsError(f"{path}: {wanted}, but its truth {truth!r} is {dtype}{list(shape)}.")
            if truth not in truths:
                truths[truth] = tensors.read(truth)
    return Asked(expected, truths, frozenset(case for case, facts in cases.items() if facts.get("random") is True))


def _check_entry(path: Path, entry: Any) -> None:
    texts = ("name", "precision", "case", "what", "truth", "dtype")
    if not isinstance(entry, dict) or not all(_is_text(entry.get(key)) for key in texts):
        raise VectorsError(f"{path}: an entry of `expected` needs the strings {', '.join(texts)}.")
    shape, limit = entry.get("shape"), entry.get("limit_ulp", -1)
    if entry["dtype"] not in DTYPES.values() or entry["precision"] not in (*PRECISIONS, *SMALL):
        raise VectorsError(f"{path}: {entry['name']!r} asks for {entry['dtype']!r} in {entry['precision']!r}.")
    if not isinstance(shape, list) or not all(type(size) is int and 0 <= size < 2**40 for size in shape):
        raise VectorsError(f"{path}: the shape of {entry['name']!r} must be a list of sizes.")
    if type(limit) not in (int, float) or not 0 <= limit < math.inf:
        raise VectorsError(f"{path}: the limit of {entry['name']!r} must be a finite number, not {limit!r}.")


class Tensors:
    """An open safetensors file: dtype and shape of each tensor are known before any is read."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path, self._file = path, file
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
        self.kinds = {
            name: (DTYPES.get(part.get_dtype(), part.get_dtype()), tuple(part.get_shape()))
            for name, part in slices.items()
        }

    def read(self, name: str) -> np.ndarray:
        """One tensor as an array; bfloat16 as float32, which holds its numbers."""
        if self.kinds[name][0] == BFLOAT16:
            return self.given(name).float().numpy()
        with _readable(self._path):
            return np.asarray(self._file.get_tensor(name))

    def given(self, name: str) -> Any:
        """The same in its own dtype: bfloat16 as a torch tensor."""
        if self.kinds[name][0] != BFLOAT16:
            return self.read(name)
        with _readable(self._path), opened_safetensors(self._path, follow=False, framework="pt") as file:
            return file.get_tensor(name)


@contextmanager
def open_tensors(path: Path) -> Iterator[Tensors]:
    """Open a safetensors file: a plain file in this folder, whose header is true to its length."""
    with ExitStack() as stack:
        with _readable(path):
            tensors = Tensors(path, stack.enter_context(opened_safetensors(path, follow=False)))
        yield tensors


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError, ValueError, OverflowError) as error:  # ValueError: FileRefusedError too
        raise VectorsError(f"{path} cannot be read: {printable(error)}.") from None


def _is_text(value: Any) -> bool:
    """A text that is safe to show in a terminal, without escape sequences."""
    return isinstance(value, str) and value.isprintable() and len(value) <= 300


def read_manifest(path: Path) -> dict[str, Json]:
    with _readable(path):
        return read_json(path, LONGEST_JSON, follow=False)

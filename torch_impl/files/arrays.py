"""Arrays from .npy, .npz and .safetensors files, their sizes checked against the file's length before memory is
allocated.
"""

from __future__ import annotations

import math
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal

import numpy as np

from torch_impl.files.plain import FileRefusedError, opened, printable

LONGEST_HEADER = 2**22  # bytes of JSON in front of a safetensors file
LARGEST_UNPACKED = 2**30  # bytes of arrays in one .npz file
HALF = {"F16": "float16", "BF16": "bfloat16"}  # by safetensors' names
NPY = b"\x93NUMPY\x01\x00"  # version 1.0, which NumPy writes for every array of numbers
NPY_HEADER = re.compile(
    rb"\{'descr': '([<>|][biufc]\d{1,2})', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\),? ?\}\s*"
)


def read_npy(path: str | os.PathLike[str]) -> np.ndarray:
    """The numbers of a .npy file. Objects, which are pickles, records and texts are refused."""
    with opened(path) as file, _readable("a .npy file of numbers"):
        return _array(file, os.fstat(file.fileno()).st_size)


def read_npz(path: str | os.PathLike[str], most: int = LARGEST_UNPACKED) -> dict[str, np.ndarray]:
    """The arrays of a .npz file by name, at most this many bytes when unpacked."""
    with opened(path) as file, _readable("a .npz file of arrays of numbers"), zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len({member.filename for member in members}) != len(members):
            raise FileRefusedError("two arrays have the same name")
        if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
            raise FileRefusedError("an array is compressed in a way that NumPy does not use")
        size = sum(member.file_size for member in members)
        if size > most:
            raise FileRefusedError(f"its arrays would have {size} bytes, more than the limit of {most}")
        found = {}
        for member in members:
            with archive.open(member) as stream:
                found[member.filename.removesuffix(".npy")] = _array(stream, member.file_size)
        return found


def _array(stream: Any, length: int) -> np.ndarray:
    """One array in .npy format, which must fill these bytes exactly."""
    start = stream.read(len(NPY) + 2)
    size = int.from_bytes(start[len(NPY) :], "little")
    header = NPY_HEADER.fullmatch(stream.read(size))
    if not start.startswith(NPY) or header is None:
        raise FileRefusedError("its header does not describe an array of numbers")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(text) for text in header[3].split(b",") if text.strip())
    count = math.prod(shape)
    held = length - len(start) - size
    if count * dtype.itemsize != held:
        raise FileRefusedError(f"its header announces {count} numbers of {dtype}, but {held} bytes follow")
    flat = np.empty(count, dtype)
    if stream.readinto(flat.view(np.uint8)) != held:
        raise FileRefusedError("it is truncated")
    order: Literal["F", "C"] = "F" if header[2] == b"True" else "C"
    return flat.astype(dtype.newbyteorder("="), copy=False).reshape(shape, order=order)


# --- safetensors ------------------------------------------------------------------------------------------------------


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file by name. Half precision is refused."""
    with opened_safetensors(path) as file, _readable("a safetensors file of NumPy's dtypes"):
        for name in file.keys():  # noqa: SIM118 - not a dictionary
            refuse_half(name, HALF.get(file.get_slice(name).get_dtype(), ""))
        return {name: np.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 - not a dictionary


def refuse_half(name: str, dtype: Any) -> None:
    """The one rule for parameters in half precision, for every kind of file and module.

    Raises    FileRefusedError, which is a ValueError, for float16 and bfloat16, given as anything that str() names.
    """
    kind = str(dtype).removeprefix("torch.")
    if kind in HALF.values():
        raise FileRefusedError(
            f"{printable(name)} is in {kind}, but parameters must be float32 or float64. Widen them first, which "
            "loses nothing: {name: tensor.float() for name, tensor in state_dict.items()}"
        )


@contextmanager
def opened_safetensors(
    path: str | os.PathLike[str], follow: bool = True, framework: Literal["numpy", "pt"] = "numpy"
) -> Iterator[Any]:
    """A safetensors file, open: names, dtypes and shapes are known, and true to the file's length; no array is read.

    bfloat16, which NumPy does not have, can be read as torch's tensors (`pt`) alone.
    """
    from safetensors import safe_open

    with opened(path, follow=follow) as file:
        header = int.from_bytes(file.read(8), "little")
        if header > LONGEST_HEADER:
            raise FileRefusedError(f"it is not a safetensors file: its header would have {header} bytes")
        with _readable("a safetensors file"):
            made = safe_open(path, framework)
        with made as tensors:
            yield tensors


@contextmanager
def _readable(kind: str) -> Iterator[None]:
    """Any error that a damaged file causes in a reader, in one sentence."""
    try:
        yield
    except FileRefusedError:
        raise
    except Exception as error:  # zip, zlib, struct, unicode, overflow and safetensors' own errors
        raise FileRefusedError(f"it is not {kind}: {printable(error) or type(error).__name__}") from error


def stored_archive(file: BinaryIO) -> zipfile.ZipFile:
    """A zip archive without compressed members, so that all of them together are no longer than the file."""
    archive = zipfile.ZipFile(file)
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise FileRefusedError("a part of it is compressed, which torch.save never does")
    if sum(member.file_size for member in members) > os.fstat(file.fileno()).st_size:
        raise FileRefusedError("its parts together are longer than the file")
    return archive

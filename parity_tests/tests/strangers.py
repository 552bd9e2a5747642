"""Files that a stranger could make: each with the reader that gets it and a pattern that the one error must match."""

from __future__ import annotations

import _codecs
import copy
import io
import json
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

MARKER = "code-ran"  # the file that every piece of code in these files would make


class Call:
    """Pickled as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class Storage:
    """Pickled as torch.save's reference to a storage: record `key` with so many float32."""

    def __init__(self, key: str, count: int) -> None:
        self.id = ("storage", torch.FloatStorage, key, "cpu", count)


def tensor(count: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Call:
    return Call(torch._utils._rebuild_tensor_v2, Storage("0", count), 0, size, stride, False, {})


class Pickler(pickle._Pickler):
    def persistent_id(self, value: Any) -> Any:
        return value.id if isinstance(value, Storage) else None


def pickled(value: Any, protocol: int = 2) -> bytes:
    stream = io.BytesIO()
    Pickler(stream, protocol).dump(value)
    return stream.getvalue()


def archive(value: Any, record: bytes = bytes(16), protocol: int = 2, packing: int = zipfile.ZIP_STORED) -> bytes:
    """What torch.save writes, with any pickle in it and one record."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing, compresslevel=1) as file:
        file.writestr("archive/data.pkl", value if isinstance(value, bytes) else pickled(value, protocol))
        file.writestr("archive/byteorder", b"little")
        file.writestr("archive/data/0", record)
        file.writestr("archive/version", b"3\n")
    return stream.getvalue()


def overlapping() -> bytes:
    """Forty names for one record of the archive."""
    stream = io.BytesIO(archive({}, bytes(10**5)))
    with zipfile.ZipFile(stream, "a") as file:
        info = file.getinfo("archive/data/0")
        for i in range(1, 40):
            another = copy.copy(info)
            another.filename = another.orig_filename = f"archive/data/{i}"
            file.filelist.append(another)
        file.writestr("archive/more", b"")
    return stream.getvalue()


def nested(depth: int) -> bytes:
    """The pickle of a list in a list in a list ..."""
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def laughs(levels: int) -> list[Any]:
    """Ten times the same list of ten times the same list of ..."""
    value: list[Any] = [0] * 10
    for _ in range(levels):
        value = [value] * 10
    return value


def itself() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def digits(times: int) -> Any:
    """Text as hexadecimal digits, those as hexadecimal digits, ...: twice as long each time."""
    value: Any = Call(_codecs.encode, "x" * 100, "latin1")
    for _ in range(times):
        value = Call(_codecs.encode, value, "hex")
    return value


def saved(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def checkpoints(marker: Path) -> dict[str, tuple[bytes, str]]:
    code = Call(os.system, f"touch {marker}")
    more, not_one = "it holds more than data: ", "it is not a checkpoint: "
    whole = saved(torch.nn.Linear(3, 2).state_dict())
    return {
        "empty": (b"", not_one),
        "a web page": (b"<html>", not_one),
        "half": (whole[: len(whole) // 2], not_one),
        "code": (archive({"state_dict": code}), f"{more}(posix|nt) system"),
        "code in the old format": (pickled(code), not_one),
        "code behind a number": (pickled(0x1950A86A20F9469CFC6C) + pickled(code), not_one),
        "an evaluated text": (archive(Call(eval, f"open({str(marker)!r}, 'w')")), f"{more}__builtin__ eval"),
        "100 GB of zeros": (archive(Call(bytearray, 10**11)), f"{more}__builtin__ bytearray"),
        "a tensor of 4 TB": (archive(Call(torch.FloatTensor, 10**12)), f"{more}torch FloatTensor"),
        "a text doubled forty times": (archive(digits(40)), "its pickle does"),
        "a dictionary from a list": (archive(Call(OrderedDict, [(1, 1)] * 99)), "its pickle does EMPTY_LIST"),
        "many dictionaries built": (
            saved([torch.nn.Linear(1, 1).state_dict() for _ in range(99)]),
            "builds more than 16 objects",
        ),
        "one element many times": (archive(tensor(4, (10**12,), (0,))), "together are larger than the file"),
        "one storage many times": (
            archive([tensor(2500, (2500,), (1,)) for _ in range(99)], bytes(10**4)),
            "together are larger than the file",
        ),
        "more than the storage": (archive(tensor(4, (10**12,), (1,))), not_one),
        "a storage beyond its record": (archive(tensor(10**12, (4,), (1,))), not_one),
        "a negative storage": (archive(tensor(-4, (4,), (1,))), not_one),
        "a negative stride": (archive(tensor(4, (4,), (-1,))), not_one),
        "sizes that overflow": (archive(tensor(4, (2**62, 4), (0, 0))), not_one),
        "a packed record": (archive({}, bytes(3 * 10**8), packing=zipfile.ZIP_DEFLATED), "a part of it is compressed"),
        "records on one another": (overlapping(), "its parts together are longer than the file"),
        "another protocol": (archive({}, protocol=4), "its pickle does PROTO"),
        "a list in itself": (archive(itself()), "nested deeper than 100"),
        "a deep list": (archive(nested(500)), "nested deeper than 100"),
        "a billion laughs": (archive(laughs(9)), "hold more than 1000000 values"),
        "a sparse tensor": (saved({"a": torch.eye(3).to_sparse()}), f"{more}torch._utils _rebuild_sparse_tensor"),
        "a tensor without numbers": (saved(torch.empty(3, device="meta")), f"{more}torch"),
        "a whole module": (saved(torch.nn.Linear(1, 1)), f"{more}torch.nn.modules.linear Linear"),
    }


# --- arrays -----------------------------------------------------------------------------------------------------------


def npy(header: str, data: bytes = b"", version: int = 1, size: int | None = None) -> bytes:
    text = header.encode()
    length = len(text) if size is None else size
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", length) + text + data


def described(descr: str = "<f4", shape: str = "(2,)") -> str:
    return f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"


def objects(marker: Path) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Call(os.system, f"touch {marker}")], object), allow_pickle=True)
    return stream.getvalue()


def npys(marker: Path) -> dict[str, tuple[bytes, str]]:
    header = "its header does not describe an array of numbers"
    announces = "its header announces .* numbers"
    return {
        "empty": (b"", header),
        "a pickle": (pickled(Call(os.system, f"touch {marker}")), header),
        "objects": (objects(marker), header),
        "code for a header": (npy(f"{{'descr': open({str(marker)!r}, 'w')}}"), header),
        "a deep header": (npy("(" * 9999), header),
        "a header of 4 GB": (npy(described(), version=2, size=2**32 - 1), header),
        "an absurd shape": (npy(described(shape="(1000000, 1000000)"), bytes(8)), announces),
        "an absurd empty shape": (npy(described(shape=f"(0, {10**30})")), "it is not a .npy file"),
        "an absurd number of dimensions": (npy(described(shape="(" + "1, " * 99 + ")"), bytes(4)), "it is not a .npy"),
        "an absurd size": (npy(described(shape=f"({'9' * 5000},)")), "it is not a .npy file"),
        "a negative size": (npy(described(shape="(-2,)"), bytes(8)), header),
        "texts of 4 GB": (npy(described("<U1000000000"), bytes(8)), header),
        "records": (npy(described("|V8"), bytes(16)), header),
        "an unknown number": (npy(described("<f3"), bytes(6)), "it is not a .npy file"),
        "less than announced": (npy(described(), bytes(7)), announces),
        "more than announced": (npy(described(), bytes(9)), announces),
    }


def zipped(members: list[tuple[str, bytes]], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as file:
        for name, content in members:
            file.writestr(name, content)
    return stream.getvalue()


def lying() -> bytes:
    """An archive that says of its one array that it has 3 GB."""
    data = bytearray(zipped([("x.npy", npy(described(shape="(800000000,)"), bytes(8)))]))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 3 * 10**9)
    return bytes(data)


def encrypted() -> bytes:
    data = bytearray(zipped([("x.npy", npy(described(), bytes(8)))]))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    return bytes(data)


def npzs(marker: Path) -> dict[str, tuple[bytes, str]]:
    array = npy(described(), bytes(8))
    return {
        "no archive": (b"PK", "it is not a .npz file"),
        "half": (zipped([("x.npy", array)])[:60], "it is not a .npz file"),
        "objects": (zipped([("x.npy", objects(marker))]), "its header does not describe"),
        "two of one name": (_quietly(lambda: zipped([("x.npy", array)] * 2)), "two arrays have the same name"),
        "3 GB in a few bytes": (lying(), "its arrays would have 3000000000 bytes"),
        "a bomb": (zipped([("x.npy", npy(described(shape="(500000000,)"), bytes(8)))]), "its header announces"),
        "LZMA": (zipped([("x.npy", array)], zipfile.ZIP_LZMA), "compressed in a way that NumPy does not"),
        "encrypted": (encrypted(), "it is not a .npz file"),
        "a text": (zipped([("readme.txt", b"hello")]), "its header does not describe"),
    }


def _quietly(make: Callable[[], bytes]) -> bytes:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def safetensors(header: Any, data: bytes = b"", size: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def part(shape: list[int], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def safetensors_files(marker: Path) -> dict[str, tuple[bytes, str]]:
    no = "it is not a safetensors file"
    return {
        "empty": (b"", no),
        "a pickle": (pickled(Call(os.system, f"touch {marker}")), no),
        "a header of 1 TB": (safetensors({}, size=2**40), "its header would have 1099511627776 bytes"),
        "a header of 50 MB": (safetensors({}, bytes(1000), size=5 * 10**7), "its header would have 50000000 bytes"),
        "a header that is no JSON": (safetensors(b"{{{"), no),
        "a deep header": (safetensors(b'{"x":' + b"[" * 10**5), no),
        "an absurd shape": (safetensors({"x": part([10**12, 10**12], 0, 4)}, bytes(4)), no),
        "an absurd empty shape": (safetensors({"x": part([0, 2**63 - 1], 0, 0)}), no),
        "a negative size": (safetensors({"x": part([-1], 0, 4)}, bytes(4)), no),
        "offsets out of the file": (safetensors({"x": part([21], 0, 84)}, bytes(4)), no),
        "parts on one another": (
            safetensors({"x": part([2], 0, 8), "y": part([2], 4, 12)}, bytes(12)),
            no,
        ),
        "one part many times": (safetensors({f"{i}": part([2], 0, 8) for i in range(99)}, bytes(8)), no),
        "an unknown dtype": (safetensors({"x": part([1], 0, 4, "object")}, bytes(4)), no),
        "a dtype that NumPy has not": (safetensors({"x": part([2], 0, 4, "BF16")}, bytes(4)), "x is in bfloat16"),
        "half": (safetensors({"x": part([2], 0, 8)}, bytes(7)), no),
    }


JSONS = {
    "empty": (b"", "it is not JSON"),
    "a list": (b"[]", "the outermost value of the JSON must be an object"),
    "a deep list": (b'{"x":' + b"[" * 10**5, "it is not JSON"),
    "no text": (b"\xff\xfe\xfd", "it is not JSON"),
    "NaN": (b'{"x": NaN}', "the number NaN, which is not finite"),
    "infinity": (b'{"x": -Infinity}', "the number -Infinity, which is not finite"),
    "a number that overflows": (b'{"x": 1e999}', "the number 1e999, which is not finite"),
    "a number of 4000 digits": (b'{"x": ' + b"9" * 4000 + b"}", "a whole number of 4000 digits"),
    "a number of a million digits": (b'{"x": ' + b"9" * 10**6 + b"}", "a whole number of 1000000 digits"),
    "a key twice": (b'{"a": {"x": 1, "x": 2}}', "the key 'x' appears twice"),
    "an escape sequence for a key": (b'{"\\u001b[2J": 1, "\\u001b[2J": 2}', r"the key '\\x1b\[2J' appears twice"),
    "too long": (b'{"x": "' + b"x" * 2**22 + b'"}', "more than the limit of 4194304"),
}

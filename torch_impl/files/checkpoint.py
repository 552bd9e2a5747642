"""torch.load for an untrusted checkpoint.

weights_only=True runs no code, but a pickle of a few hundred bytes can still make it take any amount of memory: by
calling bytearray(10**11), by encoding a text as hexadecimal digits forty times over, by a tensor of 10^12 elements
that are all the same one. So the pickle is checked before it is loaded, and its result afterwards.
"""

from __future__ import annotations

import os
import pickletools
import zipfile
from collections.abc import Iterator
from typing import Any

import torch

from torch_impl.files.arrays import _readable, stored_archive
from torch_impl.files.plain import FileRefusedError, opened, printable

PUTS, GETS = {"BINPUT", "LONG_BINPUT"}, {"BINGET", "LONG_BINGET"}
TEXT, CALL = {"BINUNICODE"}, {"REDUCE"}
# What a state_dict is made of, and what must follow each name: arguments that cannot grow with each call.
NAMES: dict[str, tuple[set[str], ...]] = {
    "collections OrderedDict": ({"EMPTY_TUPLE"}, CALL),
    "_codecs encode": (TEXT, TEXT | GETS, {"TUPLE2"}, CALL),  # bytes
    "torch._utils _rebuild_tensor_v2": ({"MARK"},),
    "torch._utils _rebuild_parameter": (),
    **{f"torch {kind}Storage": () for kind in ("Float", "Double", "Half", "BFloat16", "ComplexFloat", "ComplexDouble")},
    **{f"torch {kind}Storage": () for kind in ("Long", "Int", "Short", "Char", "Byte", "Bool")},
}
OPCODES = (
    PUTS
    | GETS
    | {"PROTO", "STOP", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "MARK", "NONE", "NEWTRUE", "NEWFALSE"}
    | {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "APPEND", "APPENDS", "SETITEM", "SETITEMS"}
    | {"EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
)
MOST_BUILDS = 16  # each copies a dictionary; a state_dict has one, its _metadata
MOST_VALUES, DEEPEST = 10**6, 100  # what a nest of lists and dictionaries may hold


def read_checkpoint(path: str | os.PathLike[str]) -> Any:
    """What torch.save wrote: dictionaries, lists, numbers, texts and dense tensors, on the CPU.

    No code runs, and the tensors together are no larger than the file.

    Raises    FileRefusedError if it is not a plain file, is damaged, or holds anything else.
    """
    with opened(path) as file, _readable("a checkpoint"):
        with stored_archive(file) as archive:
            _look_through(_pickle(archive))
        file.seek(0)
        content = torch.load(file, map_location="cpu", weights_only=True)
        size = os.fstat(file.fileno()).st_size
        if sum(tensor.numel() * tensor.element_size() for tensor in _tensors(content)) > size:
            raise FileRefusedError("its tensors together are larger than the file: they share their elements")
        return content


def _pickle(archive: zipfile.ZipFile) -> bytes:
    names = [name for name in archive.namelist() if name.endswith("data.pkl")]
    if len(names) != 1:
        raise FileRefusedError(f"it has {len(names)} parts named data.pkl, but torch.save writes one")
    return archive.read(names[0])


def _look_through(pickle: bytes) -> None:
    """Refuse a pickle with operations that torch.save does not use. Nothing runs here: these are names and numbers."""
    named: dict[int, str] = {}  # by their place in the memo
    due: list[set[str]] = []  # the opcodes that must come next
    pushed, builds = "", 0
    argument: Any
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name in PUTS:
            named.pop(argument, None)
            if pushed:
                named[argument] = pushed
            continue
        known = opcode.name in OPCODES and (opcode.name != "PROTO" or argument == 2)
        if not known or (due and opcode.name not in due.pop(0)):
            raise FileRefusedError(f"its pickle does {opcode.name} where torch.save does not")
        pushed = ""
        if opcode.name == "GLOBAL":
            pushed = argument
        elif opcode.name in GETS:
            pushed = named.get(argument, "")
        if pushed and pushed not in NAMES:
            raise FileRefusedError(f"it holds more than data: {printable(pushed)}")
        due = list(NAMES[pushed]) if pushed else due
        builds += opcode.name == "BUILD"
        if builds > MOST_BUILDS:
            raise FileRefusedError(f"its pickle builds more than {MOST_BUILDS} objects")


def _tensors(content: Any) -> Iterator[torch.Tensor]:
    """Every dense tensor in a nest, once; refuses an endless nest, as lists that contain themselves make."""
    seen: set[int] = set()
    waiting = [(content, 0)]
    for _ in range(MOST_VALUES):
        if not waiting:
            return
        value, depth = waiting.pop()
        if isinstance(value, torch.Tensor):
            if value.layout != torch.strided or value.device.type != "cpu":
                raise FileRefusedError(f"it holds a tensor that is {value.layout} on {value.device}")
            if id(value) not in seen:
                seen.add(id(value))
                yield value
        elif isinstance(value, dict | list | tuple):
            if depth == DEEPEST:
                raise FileRefusedError(f"its lists and dictionaries are nested deeper than {DEEPEST}")
            parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
            waiting.extend((part, depth + 1) for part in parts)
    raise FileRefusedError(f"its lists and dictionaries hold more than {MOST_VALUES} values")

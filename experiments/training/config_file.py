"""Config files: YAML 1.2 with its core schema (chapter 10.3 of the specification), reduced to what a config needs.

PyYAML's SafeLoader reads YAML 1.1, in which `yes` is true, 010 is 8 and 1:30 is 90. Here true and false alone are
booleans, 010 is 10 (0o10 is 8), 1e-3 is a number, and anything that is neither null, a boolean nor a number is text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from torch_impl.files import FileRefusedError, printable, read_bytes

LONGEST_FILE, LONGEST_VALUE, MOST_LISTS = 2**16, 1000, 100  # characters of a file and of a value; its lists

INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
CORE = (  # tag, what the text looks like, its first characters
    ("null", re.compile(r"(?:null|Null|NULL|~|)\Z"), ["n", "N", "~", ""]),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    ("int", re.compile(rf"(?:{INTEGER.pattern})\Z"), list("-+0123456789")),
    (
        "float",
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
        list("-+.0123456789"),
    ),
)


class FileError(ValueError):
    """A config file that is refused; the text says why."""


class Loader(yaml.SafeLoader):
    """PyYAML's parser with the core schema of YAML 1.2."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - PyYAML fills it


class Dumper(yaml.SafeDumper):
    """Writes what Loader reads as the same value: text that looks like a number there gets quotes."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - PyYAML fills it


def _whole(loader: Loader, node: Any) -> int:
    text = loader.construct_scalar(node)
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10)) if INTEGER.fullmatch(text) else int(text)


for _tag, _pattern, _first in CORE:
    for _kind in (Loader, Dumper):
        _kind.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, _first)
Loader.add_constructor("tag:yaml.org,2002:int", _whole)


def read(path: str | Path) -> dict[str, Any]:
    """The values that a file sets, each a number, a text or a list of them; nothing else is built.

    Raises    FileError naming the file, the line, and what is wrong.
    """
    try:
        text = read_bytes(path, LONGEST_FILE).decode()
        if text.count("[") + text.count("{") > MOST_LISTS:  # nested, they take time that grows with their square
            raise FileError(f"{path} has more than {MOST_LISTS} brackets.")
        loader = Loader(text)
        node = loader.get_single_node()
        _check_lines(path, node)
        return loader.construct_document(node)
    except FileError:
        raise
    except (FileRefusedError, UnicodeDecodeError) as error:
        raise FileError(f"{path} cannot be read: {error}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FileError(f"{path} is not YAML: {printable(error)}") from error


def text_of(values: dict[str, Any]) -> str:
    """The lines of a file that sets these values, in their order."""
    return yaml.dump(values, Dumper=Dumper, sort_keys=False)


def _check_lines(path: str | Path, node: Any) -> None:
    """Refuse what a config does not need before it is built: anchors that multiply, duplicate keys."""
    if node is None or node.id != "mapping":
        kind = {"sequence": "list", "scalar": "text"}.get(getattr(node, "id", ""), "nothing")
        raise FileError(f"{path} must hold lines such as 'epochs: 5', got {kind}.")
    seen = set()
    for key, value in node.value:
        parts = [key, *value.value] if value.id == "sequence" else [key, value]
        line = key.start_mark.line + 1
        if any(part.id != "scalar" or len(part.value) > LONGEST_VALUE for part in parts):
            raise FileError(f"{path}, line {line}: a value must be a number, a short text or a list of them.")
        if key.value in seen:
            raise FileError(f"{path}, line {line}: duplicate key {key.value!r}.")
        seen.add(key.value)

"""A component's code on both engines: scratch's source and documentation, and torch's source."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

from markupsafe import Markup

import scratch
import torch_impl
from parity_tests.engine import find

SHOWN_OF_TORCH = ("__init__", "forward", "step", "get_lr", "update_parameters")
UNCOLORED = re.compile(r'<span class="(?:n|p|o|w|bp|nb|nn|ne|vm|sx)">([^<]*)</span>')
LESSON = ("forward", "forward_steps", "reduce", "elements", "function", "backward", "backward_steps", "slope", "step",
          "update", "get_lr")  # fmt: skip
SHARED = ("scratch.nn.module", "scratch.optim.optimizer", "scratch.optim.lr_scheduler.scheduler", "builtins", "abc")
LONGEST = 80  # lines of torch's source that are shown


@lru_cache(4096)  # the steps of a recurrent layer are the same lines again and again
def highlighted(code: str) -> Markup:
    """Python with a CSS class for each kind of token."""
    from pygments import highlight

    return Markup(UNCOLORED.sub(r"\1", highlight(code, *_colored())))


@cache
def _colored() -> tuple[Any, Any]:
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return PythonLexer(), HtmlFormatter(nowrap=True)


def documents(name: str) -> Iterator[tuple[str, str]]:
    """(title, docstring) of a component, then of the files of its package that it refers to."""
    thing = find(scratch, name)
    module = sys.modules[thing.__module__]
    own = inspect.getdoc(thing) or ""
    yield name, own
    for part in vars(sys.modules[module.__name__.rpartition(".")[0]]).values():
        if isinstance(part, ModuleType) and f"{part.__name__.rpartition('.')[2]}.py" in own:
            yield part.__name__, inspect.cleandoc(part.__doc__ or "")


def forward_and_backward(name: str) -> str:
    """The methods of scratch that compute, each from the class that defines it; empty for what is no class."""
    thing = find(scratch, name)
    if not inspect.isclass(thing):
        return ""
    parts = []
    for method in LESSON:
        kind = next((one for one in inspect.getmro(thing) if method in vars(one)), None)
        if kind is None or kind.__module__ in SHARED:
            continue
        tree, lines = _module(sys.modules[kind.__module__])
        body = dict(_definitions(tree)).get(kind.__name__)
        nodes = [node for node in getattr(body, "body", []) if getattr(node, "name", "") == method]
        if nodes:
            code = textwrap.dedent("\n".join(_without_docstrings(nodes[0], lines)))
            parts.append(code if kind is thing else f"# inherited\n{code}")
    return "\n\n".join(parts)


def scratch_source(name: str) -> str:
    """The component, its private base classes, and the definitions they use in their own file; without docstrings."""
    thing = find(scratch, name)
    tree, lines = _module(sys.modules[thing.__module__])
    defined = dict(_definitions(tree))
    wanted, queue = set(), [thing.__name__]
    while queue:
        part = queue.pop()
        if part not in wanted and part in defined:
            wanted.add(part)
            queue += [node.id for node in ast.walk(defined[part]) if isinstance(node, ast.Name)]
    nodes = sorted({defined[part] for part in wanted}, key=lambda node: node.lineno)
    parts = ["\n".join(_without_docstrings(node, lines)) for node in nodes]
    elsewhere = [base for base in _bases(thing) if base.__module__ != thing.__module__]
    return _spaced([*map(_class_source, elsewhere), *parts])


def _bases(thing: Any) -> list[type]:
    """The private classes of scratch that a class is made of."""
    classes = inspect.getmro(thing)[1:] if inspect.isclass(thing) else ()
    return [base for base in classes if base.__name__.startswith("_") and base.__module__.startswith("scratch.")]


def _class_source(kind: type) -> str:
    tree, lines = _module(sys.modules[kind.__module__])
    return "\n".join(_without_docstrings(dict(_definitions(tree))[kind.__name__], lines))


def torch_source(name: str) -> str:
    """The Python source of torch without docstrings: the class head and the methods that compute.

    Of an optimizer it is the loop over parameters; the class does the bookkeeping.
    """
    thing = find(torch_impl, name)
    try:
        tree, lines = _module(sys.modules[thing.__module__])
        defined = dict(_definitions(tree))
        node = defined.get(f"_single_tensor_{thing.__name__.lower()}") or defined[thing.__name__]
    except (OSError, TypeError, KeyError, SyntaxError):
        return ""
    if isinstance(node, ast.ClassDef):
        head = lines[node.lineno - 1 : node.body[0].lineno - 1] if node.body else []
        head = [line for line in head if line.strip() and not line.strip().startswith(("#", "@"))][:1]
        methods = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name in SHOWN_OF_TORCH]
        methods = [part for part in methods if "overload" not in map(ast.unparse, part.decorator_list)]
        parts = ["\n".join(_without_docstrings(part, lines)) for part in methods]
        text = "\n".join([*head, "\n\n".join(parts) or "    ..."])
    else:
        text = "\n".join(_without_docstrings(node, lines))
    shown = [line for line in text.splitlines() if not line.strip().startswith("#")]
    return "\n".join([*shown[:LONGEST], "    ..."] if len(shown) > LONGEST else shown)


@cache  # a module of torch is parsed once, not for each of its classes
def _module(module: ModuleType) -> tuple[ast.Module, list[str]]:
    source = inspect.getsource(module)
    return ast.parse(source), source.splitlines()


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Top-level names of a file, with the statement that defines each."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(part, ast.Name):
                        yield part.id, node


def _without_docstrings(node: ast.stmt, lines: list[str]) -> list[str]:
    """The lines of a statement, its decorators included. A body that was a docstring alone becomes `pass`."""
    hidden: set[int] = set()
    emptied: dict[int, str] = {}
    for part in ast.walk(node):
        if isinstance(part, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(part) is not None:
            text = part.body[0]
            assert text.end_lineno is not None
            hidden |= set(range(text.lineno, text.end_lineno + 1))
            if len(part.body) == 1:
                emptied[text.lineno] = " " * text.col_offset + "pass"
            elif not lines[text.end_lineno].strip():
                hidden.add(text.end_lineno + 1)
    decorators = [part.lineno for part in getattr(node, "decorator_list", [])]
    assert node.end_lineno is not None
    numbers = range(min([node.lineno, *decorators]), node.end_lineno + 1)
    return [emptied.get(n, lines[n - 1]) for n in numbers if n not in hidden or n in emptied]


def _spaced(parts: list[str]) -> str:
    """Two empty lines around classes and functions, none between constants."""
    text = ""
    for before, part in zip(["", *parts], parts, strict=False):
        both_short = "\n" not in before and "\n" not in part
        text += ("" if not text else "\n" if both_short else "\n\n\n") + part
    return text

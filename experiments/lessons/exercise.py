"""`nn-parity exercise`: a file with a layer's forward, a backward to be filled in, its tests, and hints on request.

The file is a program: run, it has its own `backward` judged; `hint` as its argument shows how to go on.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import scratch
from experiments.lessons.small import names, small
from parity_tests.engine import find
from parity_tests.exits import CannotError
from torch_impl.files import write_text

METHODS = ("backward_steps", "backward")  # what is to be written: the first that a layer has
WITHOUT = ("nn.Identity", "nn.Sequential", "nn.NLLLoss2d")  # nothing to compute, or another layer's exercise
SKELETON = '''"""Exercise: the {method} of {name}.

{text}

Write the body of `{method}`. Then

    python {file}            judges it: against torch, on small numbers and as nn-parity compare does
    python {file} hint       shows a hint; hint 2 and hint 3 show more
    pytest {file}            the same as a test
"""

import sys

{imports}


class Answer({base}):
{forward}
{backward}


def test_answer() -> None:
    from experiments.lessons.judge import judge

    verdict = judge("{name}", Answer)
    assert verdict.ok, str(verdict)


if __name__ == "__main__":
    from experiments.lessons.judge import main

    sys.exit(main("{name}", Answer, sys.argv[1:]))
'''


class ExerciseError(CannotError):
    """There is no such exercise, or its file cannot be written."""


def exercises() -> Iterator[str]:
    """The layers that have one: those with an example whose backward has something to compute."""
    yield from (name for name in names() if has_exercise(name))


def has_exercise(name: str) -> bool:
    return small(name) is not None and name not in WITHOUT and bool(method_of(find(scratch, name)))


def method_of(kind: Any) -> str:
    """The method to be written, empty if none of its classes has its own."""
    return next((method for method in METHODS if definer(kind, method) is not None), "")


def definer(kind: Any, method: str) -> type | None:
    """The class of scratch that defines a layer's method."""
    for one in inspect.getmro(kind):
        if method in vars(one):
            return None if one.__module__ in ("scratch.nn.module", "scratch.nn.recurrent.recurrence") else one
    return None


def write(name: str, output: Path | None = None, solved: bool = False) -> Path:
    """Write the exercise of a layer; with `solved`, scratch's own backward in place of the blank.

    Raises    ExerciseError if there is no such exercise, or the file exists.
    """
    known = list(exercises())
    full = name if name in known else f"nn.{name}"
    if full not in known:
        near = [one for one in known if name.lower().removeprefix("nn.") in one.lower()]
        hint = f" Did you mean {', '.join(near[:4])}?" if near else " nn-parity exercise --list names them all."
        raise ExerciseError(f"exercise: there is none for {name!r}.{hint}")
    path = output or Path(f"{full.rpartition('.')[2].lower()}_exercise.py")
    if path.exists():
        raise ExerciseError(f"exercise: {path} exists. Your answer may be in it; give another name by --output.")
    write_text(path, text(full, path.name, solved))
    return path


def text(name: str, file: str, solved: bool = False) -> str:
    """The exercise as a program."""
    kind = find(scratch, name)
    method = method_of(kind)
    pass_forward = "forward_steps" if method == "backward_steps" else "forward"
    forward, backward = source(kind, pass_forward), source(kind, method)
    body = backward if solved else blank(backward)
    return SKELETON.format(
        name=name,
        method=method,
        text=_task(kind),
        file=file,
        imports="\n".join(_imports(kind, (pass_forward, method), forward + "\n" + backward)),
        base=f"scratch.{name}",
        forward=textwrap.indent(forward, "    "),
        backward="\n" + textwrap.indent(body, "    "),
    )


def source(kind: Any, method: str) -> str:
    """A method's code without its docstring."""
    owner = definer(kind, method)
    assert owner is not None
    code = textwrap.dedent(inspect.getsource(inspect.unwrap(vars(owner)[method])))
    code = code.replace("super()", f"super(scratch.nn.{kind.__name__}, self)")  # an answer is one class further down
    node = ast.parse(code).body[0]
    assert isinstance(node, ast.FunctionDef)
    if ast.get_docstring(node) is None:
        return code.rstrip()
    lines, said = code.splitlines(), node.body[0]
    return "\n".join([*lines[: said.lineno - 1], *lines[said.end_lineno :]]).rstrip()


def blank(backward: str) -> str:
    """The head of a backward and what it takes from forward; the rest is the reader's."""
    node = ast.parse(backward).body[0]
    assert isinstance(node, ast.FunctionDef)
    lines = backward.splitlines()
    kept = lines[: node.body[0].lineno - 1]
    for statement in node.body:
        code = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
        if "self.take(" in code and isinstance(statement, ast.Assign):
            kept += [f"{line}  # what forward saved" if line is code else line for line in code.splitlines()]
    return "\n".join([*kept, '    raise NotImplementedError("write it here")'])


def _task(kind: Any) -> str:
    """The docstring's equations, shapes and options: what a reader needs, without the derivation."""
    lines = (inspect.getdoc(kind) or "").partition("\n>>> ")[0].splitlines()
    shown, hidden = [], False
    for line in lines:
        if heading := re.match(r"[A-Z][a-z]+(?:, [A-Z][a-z]+)* {2,}(?=\S)", line):
            hidden = not heading.group().startswith(("Shapes", "Options", "Returns", "Masks"))
        if not hidden:
            shown.append(line)
    return "\n".join(shown).strip().replace("\\", "\\\\")


def _imports(kind: Any, methods: tuple[str, ...], code: str) -> list[str]:
    """The lines that import what two methods use."""
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    lines = {"import scratch"}
    for method in methods:
        owner = definer(kind, method)
        assert owner is not None
        for name, value in vars(sys.modules[owner.__module__]).items():
            if name not in used:
                continue
            if isinstance(value, ModuleType):
                home, _, last = value.__name__.rpartition(".")
                lines.add(f"import {value.__name__} as {name}" if name != value.__name__ and not home
                          else f"from {home} import {last}" if home else f"import {name}")  # fmt: skip
            else:
                lines.add(f"from {owner.__module__} import {name}")
    return sorted(lines, key=lambda line: (line.startswith("from"), line))


def hint(name: str, level: int) -> str:
    """1: why; 2: the equations; 3: the names of the steps of scratch's own backward."""
    kind = find(scratch, name)
    sections = _sections(inspect.getdoc(kind) or "")
    if level <= 1:
        return sections.get("Why") or "Write down what one number of x changes in y, then sum over what it changes."
    if level == 2:
        return sections.get("Backward") or sections.get("Why") or "No equation is written down: derive it from forward."
    return source(kind, method_of(kind))


def _sections(doc: str) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    title = ""
    for line in doc.partition("\n>>> ")[0].splitlines():
        if heading := re.match(r"([A-Z][a-z]+)(?:, [A-Z][a-z]+)* {2,}(?=\S)", line):
            title = heading.group(1)
            found[title] = [line[heading.end() :]]
        elif title:
            found[title].append(line)
    return {
        title: textwrap.dedent("\n".join([lines[0], textwrap.dedent("\n".join(lines[1:]))]))
        for title, lines in found.items()
    }


def difficulty(name: str) -> int:
    """The number of statements of scratch's own backward, its helpers in the same file included."""
    from experiments.lessons.example import example

    assert small(name) is not None
    found = example(name)
    return len(found.backward) if found else 0

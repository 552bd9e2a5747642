"""`nn-parity exercise`: a file with a layer's forward and a backward to be filled in, or with an optimizer without its
rule, an initialiser without its body; its tests, and hints on request.

The file is a program: run, it has the answer in it judged; `hint` as its argument shows how to go on.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import scratch
from experiments.lessons import rules
from experiments.lessons.small import names, small
from parity_tests.engine import find
from parity_tests.exits import CannotError
from torch_impl.files import write_text

# What is to be written: the first that a class has; a function is written whole.
METHODS = ("backward_steps", "backward", "update", "get_lr", "step")
SHARED = ("scratch.nn.module", "scratch.nn.recurrent.recurrence", "scratch.optim.optimizer",
          "scratch.optim.lr_scheduler.scheduler")  # fmt: skip
# nothing to compute, another layer's exercise, or another name of one
WITHOUT = ("nn.Identity", "nn.Sequential", "nn.NLLLoss2d", "nn.init.zeros_", "nn.utils.clip_grad_norm")
SKELETON = '''"""Exercise: {title}.

{text}

Write the body of `{method}`{given}

    python {file}            judges it: against torch, {how}
    python {file} hint       shows a hint; hint 2 and hint 3 show more
    pytest {file}            the same as a test
"""

{imports}


{code}


def test_answer() -> None:
    from experiments.lessons.judge import judge

    verdict = judge("{name}", {answer})
    assert verdict.ok, str(verdict)


if __name__ == "__main__":
    from experiments.lessons.judge import main

    sys.exit(main("{name}", {answer}, sys.argv[1:]))
'''
FIRST = "Write down what one number of x changes in y, then sum over what it changes."
FIRST_OF_RULES = "Write the equations above line by line, the state first. Work out the first step with a pencil."
NO_EQUATION = "No equation is written down: derive it from forward."
GIVEN = {  # what a method works on, or the functions of a module
    "nn.init": """, with the random numbers of torch:

    scratch.nn.init.uniform_(tensor, a, b, generator) and normal_(tensor, mean, std, generator) fill an array with them

Then""",
    "update": """. `group` holds the options by name, `run` what the rule works on, all as 1-D arrays:

    run.theta                   the weights, to be changed in place
    self.gradient(group, run)   their gradient, with weight_decay and maximize done
    run.count()                 the number t of this step; call it once
    run.vector("name")          state with one number a weight, 0 at first, to be changed in place
    run.has("name")             whether there is such state yet

Then""",
    "get_lr": """: a list with one rate for each group of the optimizer.

    self.last_epoch             the epoch
    self.base_lrs               the rates at the start
    self.optimizer.param_groups the groups; group["lr"] is the rate of the epoch before

Then""",
}


class ExerciseError(CannotError):
    """There is no such exercise, or its file cannot be written."""


def exercises() -> Iterator[str]:
    """The components that have one: layers with an example, optimizers, schedules, initialisers, clipping functions."""
    yield from (name for name in (*names(), *rules.names()) if has_exercise(name))


def has_exercise(name: str) -> bool:
    known = small(name) is not None or bool(rules.cases(name))
    return known and name not in WITHOUT and bool(method_of(find(scratch, name)))


def method_of(kind: Any) -> str:
    """The method to be written, or the function itself; empty if none of the classes has its own."""
    if inspect.isfunction(kind):
        return kind.__name__
    return next((method for method in METHODS if definer(kind, method) is not None), "")


def definer(kind: Any, method: str) -> Any:
    """The class of scratch that defines a method, or the function itself."""
    if inspect.isfunction(kind):
        return inspect.unwrap(kind)
    for one in inspect.getmro(kind):
        if method in vars(one):
            return None if one.__module__ in SHARED else one
    return None


def write(name: str, output: Path | None = None, solved: bool = False) -> Path:
    """Write the exercise of a layer; with `solved`, scratch's own backward in place of the blank.

    Raises    ExerciseError if there is no such exercise, or the file exists.
    """
    known = list(exercises())
    prefixes = ("", "nn.", "optim.", "nn.init.", "optim.lr_scheduler.", "nn.utils.")
    full = next((prefix + name for prefix in prefixes if prefix + name in known), "")
    if not full:
        near = [one for one in known if name.lower().removeprefix("nn.") in one.lower()]
        hint = f" Did you mean {', '.join(near[:4])}?" if near else " nn-parity exercise --list names them all."
        raise ExerciseError(f"exercise: no component {name!r} has one.{hint}")
    path = output or Path(f"{full.rpartition('.')[2].lower()}_exercise.py")
    if path.exists():
        raise ExerciseError(f"exercise: {path} exists. Your answer may be in it; give another name by --output.")
    write_text(path, text(full, path.name, solved))
    return path


def text(name: str, file: str, solved: bool = False) -> str:
    """The exercise as a program."""
    kind = find(scratch, name)
    method = method_of(kind)
    parts = {"backward_steps": ("forward_steps",), "backward": ("forward",)}.get(method, ())
    own = source(kind, method)
    shown = [*(source(kind, part) for part in parts), own if solved else blank(own)]
    is_function = inspect.isfunction(kind)
    code = "\n\n".join(shown)
    if not is_function:
        code = f"class Answer(scratch.{name}):\n{textwrap.indent(code, '    ')}"
    return SKELETON.format(
        name=name,
        method=method,
        text=_task(kind),
        title=name if is_function else f"the {method} of {name}",
        given=GIVEN.get(name.rpartition(".")[0] if is_function else method, ". Then"),
        how="on small numbers and as nn-parity compare does" if parts else "in every case of the table",
        file=file,
        imports="\n".join(_imports(kind, (*parts, method), own if solved or not is_function else shown[-1], *shown)),
        code=code,
        answer=method if is_function else "Answer",
    )


def source(kind: Any, method: str) -> str:
    """The code of a method, or of a function, without its docstring and decorators."""
    owner = definer(kind, method)
    assert owner is not None
    written = owner if inspect.isfunction(owner) else inspect.unwrap(vars(owner)[method])
    code = textwrap.dedent(inspect.getsource(written))
    code = code.replace("super()", f"super(scratch.nn.{kind.__name__}, self)")  # an answer is one class further down
    node = ast.parse(code).body[0]
    assert isinstance(node, ast.FunctionDef)
    lines, hidden = code.splitlines(), range(0)
    if ast.get_docstring(node) is not None:
        said = node.body[0]
        hidden = range(said.lineno - 1, said.end_lineno or said.lineno)
    return "\n".join(line for number, line in enumerate(lines) if number >= node.lineno - 1 and number not in hidden)


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
            hidden = not heading.group().startswith(("Shapes", "Options", "Returns", "Masks", "State"))
        if not hidden:
            shown.append(line)
    return "\n".join(shown).strip().replace("\\", "\\\\")


def _imports(kind: Any, methods: tuple[str, ...], *codes: str) -> list[str]:
    """The lines that import what the code uses."""
    used = {node.id for code in codes for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    whole, parts = {"scratch", "sys"}, defaultdict[str, set[str]](set)
    for method in methods:
        module = definer(kind, method).__module__
        for name, value in vars(sys.modules[module]).items():
            if name not in used:
                continue
            if isinstance(value, ModuleType):
                home, _, last = value.__name__.rpartition(".")
                if home:
                    parts[home].add(last)
                else:
                    whole.add(value.__name__ if value.__name__ == name else f"{value.__name__} as {name}")
            else:
                own = getattr(value, "__module__", "")
                parts[own if own in ("typing", "collections.abc") else module].add(name)
    lines = [f"import {name}" for name in sorted(whole)]
    return lines + [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(parts.items())]


def hint(name: str, level: int) -> str:
    """1: why; 2: the equations; 3: scratch's own code."""
    kind = find(scratch, name)
    sections = _sections(inspect.getdoc(kind) or "")
    is_layer = small(name) is not None
    if level <= 1:
        return sections.get("Why") or (FIRST if is_layer else FIRST_OF_RULES)
    if level == 2:
        return sections.get("Backward") or (sections.get("Why") or NO_EQUATION if is_layer else _task(kind))
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
    """How many statements the answer has: those that scratch's own backward runs, or those of a rule's own code."""
    from experiments.lessons.example import example

    if found := example(name):
        return len(found.backward)
    kind = find(scratch, name)
    tree = ast.parse(source(kind, method_of(kind)))
    return sum(isinstance(node, ast.stmt) for node in ast.walk(tree)) - 1  # the function itself

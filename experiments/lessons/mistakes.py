"""Mistakes by name: scratch's own backward with one change each, such as a term left out, and what it is called."""

from __future__ import annotations

import ast
import copy
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from experiments.lessons.exercise import definer, method_of

MOST = 150
CALLED = {  # how the project's variables are said
    "mean_g": "the mean of g",
    "mean_gx": "the mean of g x",
    "x_hat": "x̂",
    "along": "the part along x̂",
    "rows_dy": "dy",
    "rows_x": "x",
}
NOT_MUTATED = ("forward", "__init__", "check", "_check", "reset", "extra_repr", "save", "take", "new_", "load")
OPPOSITE: dict[type, Any] = {ast.Add: ast.Sub, ast.Sub: ast.Add}


@dataclass(frozen=True)
class Mistake:
    """A layer whose backward has one mistake."""

    words: str
    kind: Any


def mistakes(kind: Any) -> Iterator[Mistake]:
    """The component again, each time with another mistake in the code of its backward, its rule or its body."""
    owner = definer(kind, method_of(kind))
    assert owner is not None
    home, count = owner.__module__, 0
    for module in _modules(owner):
        tree = ast.parse(Path(inspect.getsourcefile(sys.modules[module]) or "").read_text(encoding="utf-8"))
        for words, changed in _changes(tree, _used(tree, kind.__name__) if inspect.isfunction(kind) else None):
            try:
                made = _rebuilt(kind, home, module, changed)
            except Exception:  # a change that leaves no program
                continue
            if made is not None:
                yield Mistake(words, made)
                count += 1
                if count == MOST:
                    return


def _modules(owner: type) -> list[str]:
    """The file of the backward, then the files of scratch whose functions it uses."""
    module = sys.modules[owner.__module__]
    helpers = [value.__module__ for value in vars(module).values() if isinstance(value, FunctionType)]
    near = [name for name in helpers if name.rpartition(".")[0] == owner.__module__.rpartition(".")[0]]
    return list(dict.fromkeys([owner.__module__, *near]))


def _rebuilt(kind: Any, home: str, module: str, changed: ast.Module) -> Any:
    """The class from its file again, with the changed file in place of one of them."""
    space = _run(module, changed)
    if module != home:
        source = Path(inspect.getsourcefile(sys.modules[home]) or "").read_text(encoding="utf-8")
        other = _run(home, ast.parse(source))
        other |= {name: value for name, value in space.items() if isinstance(value, FunctionType) and name in other}
        space = other
    owner = definer(kind, method_of(kind))
    assert owner is not None
    if kind.__name__ in space and kind.__module__ == home:
        return space[kind.__name__]
    method = method_of(kind)
    new = space[owner.__name__]
    methods = {
        name: value for name, value in vars(new).items() if isinstance(value, FunctionType) and name != "__init__"
    }
    inherited = {name: value for name, value in methods.items() if definer(kind, name) is owner}
    return type(kind.__name__, (kind,), {**inherited, "__module__": kind.__module__}) if method in inherited else None


def _run(module: str, tree: ast.Module) -> dict[str, Any]:
    file = sys.modules[module].__file__ or ""
    space: dict[str, Any] = {"__name__": module, "__file__": file, "__package__": module.rpartition(".")[0]}
    exec(compile(ast.fix_missing_locations(tree), file, "exec"), space)
    return space


def _used(tree: ast.Module, name: str) -> set[str]:
    """A function and those functions of its file that it calls, directly or not."""
    bodies = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found: set[str] = set()
    queue = [name]
    while queue:
        one = queue.pop()
        if one in bodies and one not in found:
            found.add(one)
            queue += [node.id for node in ast.walk(bodies[one]) if isinstance(node, ast.Name)]
    return found


def _changes(tree: ast.Module, names: set[str] | None) -> Iterator[tuple[str, ast.Module]]:
    """Copies of a file with one change in one of its functions, and how the change is called."""
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        if function.name.startswith(NOT_MUTATED) or (names is not None and function.name not in names):
            continue
        for node in list(ast.walk(function)):
            yield from _of_node(tree, node)


def _of_node(tree: ast.Module, node: ast.AST) -> Iterator[tuple[str, ast.Module]]:
    if isinstance(node, ast.AugAssign):
        value = said(node.value)
        missing = f"division by {value}" if isinstance(node.op, ast.Div) else value
        yield f"{missing} is missing (`{ast.unparse(node)}`)", _with(tree, node, ast.Pass())
        if (other := OPPOSITE.get(type(node.op))) is not None:
            yield f"the sign of {value} is wrong", _with(tree, node, ast.AugAssign(node.target, other(), node.value))
    elif isinstance(node, ast.BinOp):
        left, right = said(node.left), said(node.right)
        if isinstance(node.op, ast.Add | ast.Sub):
            yield f"the term {right} is missing", _with(tree, node, node.left)
            yield (
                f"the sign of {right} is wrong",
                _with(tree, node, ast.BinOp(node.left, OPPOSITE[type(node.op)](), node.right)),
            )
        elif isinstance(node.op, ast.Mult):
            yield f"the factor {right} is missing", _with(tree, node, node.left)
            yield f"the factor {left} is missing", _with(tree, node, node.right)
        elif isinstance(node.op, ast.Div):
            yield f"the division by {right} is missing", _with(tree, node, node.left)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        call = ast.unparse(node.value.func)
        if ".accumulate" in call:
            yield f"nothing is added to {call.rpartition('.')[0]}.grad", _with(tree, node, ast.Pass())


def said(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):  # a mean times its factors is said as the mean
        named = [part.id for part in ast.walk(node) if isinstance(part, ast.Name) and part.id.startswith("mean_")]
        if named and named[0] in CALLED:
            return CALLED[named[0]]
    text = ast.unparse(node)
    return CALLED.get(text, f"`{text}`")


def _with(tree: ast.Module, node: ast.AST, other: ast.AST) -> ast.Module:
    """A copy of the tree in which one node is another."""
    place = next(number for number, one in enumerate(ast.walk(tree)) if one is node)
    changed = copy.deepcopy(tree)
    target = next(one for number, one in enumerate(ast.walk(changed)) if number == place)

    class Replace(ast.NodeTransformer):
        def visit(self, one: ast.AST) -> Any:
            return ast.copy_location(copy.deepcopy(other), one) if one is target else self.generic_visit(one)

    return Replace().visit(changed)


def alike(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Whether two results are the same numbers, up to rounding."""
    return set(one) == set(other) and all(
        one[name].shape == other[name].shape
        and np.allclose(one[name], other[name], rtol=1e-9, atol=1e-12, equal_nan=True)
        for name in one
    )

"""Every place in a network's source that a rule may change."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

UNTOUCHED = {
    "build",
    "reference",
    "inputs",
    "TorchNetwork",
}  # how a network is made and fed, and what it is compared to
AFTER_THE_NEXT = object()  # what takes a statement's place: the next one and then the statement itself


@dataclass(frozen=True)
class Site:
    """A node, where it hangs in the tree, and in whose code it stands."""

    node: ast.AST
    parent: ast.AST
    field: str
    index: int | None
    owner: ast.ClassDef | ast.FunctionDef  # at the top of the file
    function: ast.FunctionDef
    statement: ast.stmt  # the innermost one around the node, or the node itself
    constructing: bool  # whether the code makes layers, rather than calling them

    @property
    def place(self) -> str:
        """Line and column."""
        node: Any = self.node if hasattr(self.node, "lineno") else self.statement
        return f"{node.lineno}.{node.col_offset}"

    @contextmanager
    def replaced(self, new: Any) -> Iterator[None]:
        """The tree with something else in this place; a list takes the place of a statement."""
        if self.index is None:
            setattr(self.parent, self.field, new)
            yield
            setattr(self.parent, self.field, self.node)
            return
        siblings = getattr(self.parent, self.field)
        kept = list(siblings)
        if new is AFTER_THE_NEXT:
            siblings[self.index : self.index + 2] = kept[self.index + 1], self.node
        else:
            siblings[self.index : self.index + 1] = new if isinstance(new, list) else [new]
        yield
        siblings[:] = kept


def sites(tree: ast.Module) -> Iterator[Site]:
    for top in tree.body:
        if isinstance(top, ast.ClassDef) and top.name not in UNTOUCHED:
            for part in top.body:
                if isinstance(part, ast.FunctionDef):
                    yield from _inside(part, top)
        elif isinstance(top, ast.FunctionDef) and top.name not in UNTOUCHED:
            yield from _inside(top, top)


def _inside(function: ast.FunctionDef, owner: Any) -> Iterator[Site]:
    around = owner, function
    constructing = function.name in constructors(owner)
    for i, default in enumerate(function.args.defaults):
        yield from _walk(Site(default, function.args, "defaults", i, *around, function, constructing))
    for i, statement in enumerate(function.body):
        yield from _walk(Site(statement, function, "body", i, *around, statement, constructing))


def _walk(site: Site) -> Iterator[Site]:
    node = site.node
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    yield site
    for name, value in ast.iter_fields(node):
        parts = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for i, part in parts:
            if isinstance(part, ast.AST) and name not in ("annotation", "returns", "ctx", "op"):
                statement = part if isinstance(part, ast.stmt) else site.statement
                yield from _walk(Site(part, node, name, i, site.owner, site.function, statement, site.constructing))


def constructors(owner: ast.AST) -> set[str]:
    """`__init__` and what it calls on itself, such as `_make_layer`."""
    names = {"__init__"}
    for function in ast.walk(owner):
        if isinstance(function, ast.FunctionDef) and function.name == "__init__":
            names |= set(attributes(function, called=True))
    return names


def attributes(node: ast.AST, called: bool = False) -> list[str]:
    """The attributes of self that the code names; with `called`, those that it calls."""
    found = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)] if called else list(ast.walk(node))
    return [
        part.attr
        for part in found
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self"
    ]


def expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def statements(text: str) -> list[ast.stmt]:
    return ast.parse(text).body


def is_call(node: ast.AST, *names: str) -> bool:
    """A call of a function or method with one of these last names, or of any with none given."""
    return isinstance(node, ast.Call) and (not names or called_name(node) in names)


def called_name(node: ast.Call) -> str:
    func = node.func
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def calls_layer(node: ast.AST) -> bool:
    """self.layer(...)."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "self"
    )

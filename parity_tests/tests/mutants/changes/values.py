"""Constants, signs, operators, comparisons, masks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from parity_tests.tests.mutants.sites import Site, expression

Change = Iterator[tuple[str, Any]]

OPERATORS = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
}
COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
WORDS = {"bilinear": "nearest", "sum": "mean", "mean": "sum", "tanh": "none", "-inf": "inf"}


def constant(site: Site) -> Change:
    node = site.node
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
        return
    if isinstance(node.value, int):
        for step in (1, -1):
            yield f"{node.value} → {node.value + step}", ast.Constant(node.value + step)
    elif isinstance(node.value, float):
        for other in (node.value + 1, node.value * 0.5, node.value * 10):
            yield f"{node.value} → {other:g}", ast.Constant(other)


def word(site: Site) -> Change:
    if isinstance(site.node, ast.Constant) and site.node.value in WORDS:
        yield f"{site.node.value} → {WORDS[site.node.value]}", ast.Constant(WORDS[site.node.value])


def flag(site: Site) -> Change:
    if isinstance(site.node, ast.Constant) and isinstance(site.node.value, bool):
        yield f"{site.node.value} → {not site.node.value}", ast.Constant(not site.node.value)


def operator(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.BinOp):
        for other in OPERATORS.get(type(node.op), ()):
            yield f"{type(node.op).__name__} → {other.__name__}", ast.BinOp(node.left, other(), node.right)


def operands(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Div | ast.MatMult):
        yield "operands exchanged", ast.BinOp(node.right, node.op, node.left)


def term(site: Site) -> Change:
    """A residual, a bias, a factor left out."""
    node = site.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult | ast.Sub):
        yield f"without {ast.unparse(node.right)}", node.left
        if not isinstance(node.op, ast.Sub):
            yield f"without {ast.unparse(node.left)}", node.right


def sign(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Invert | ast.Not):
        yield f"{ast.unparse(node)} without its sign", node.operand
    elif not site.constructing and isinstance(node, ast.Call | ast.Name) and site.field in ("left", "right", "value"):
        yield f"-{ast.unparse(node)}", expression(f"-({ast.unparse(node)})")


def comparison(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.Compare):
        for other in COMPARISONS.get(type(node.ops[0]), ()):
            said = f"{type(node.ops[0]).__name__} → {other.__name__}"
            yield said, ast.Compare(node.left, [other()], node.comparators)


def condition(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.If | ast.IfExp):
        for value in (True, False):
            test: Any = ast.Constant(value)
            new = type(node)(test, node.body, node.orelse)  # type: ignore[arg-type]
            yield f"if {ast.unparse(node.test)} is always {value}", new


RULES = {rule.__name__: rule for rule in (constant, word, flag, operator, operands, term, sign, comparison, condition)}

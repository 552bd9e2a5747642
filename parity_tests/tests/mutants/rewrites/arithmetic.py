"""The same sums and products, written otherwise."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from parity_tests.tests.mutants.sites import Site, expression, statements

Change = Iterator[tuple[str, Any]]

FORMS: dict[type, tuple[str, ...]] = {
    ast.Add: ("{b} + {a}", "torch.add({a}, {b})", "{a} - (-{b})"),
    ast.Sub: ("{a} + (-{b})", "-({b} - {a})", "torch.sub({a}, {b})"),
    ast.Mult: ("{b} * {a}", "torch.mul({a}, {b})", "{a} / (1 / {b})"),
    ast.Div: ("{a} * (1 / {b})", "torch.div({a}, {b})"),
    ast.MatMult: (
        "torch.matmul({a}, {b})",
        "torch.einsum('...ij,...jk->...ik', {a}, {b})",
        "({b}.mT @ {a}.mT).mT",
        "({a}.unsqueeze(-1) * {b}.unsqueeze(-3)).sum(-2)",
        "np.einsum('...ij,jk->...ik', {a}, {b})",
        "np.matmul({a}, {b})",
        "({b}.T @ {a}.T).T",
    ),
    ast.Pow: ("torch.pow({a}, {b})", "{a} * {a}"),
}


def operation(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.BinOp) and not site.constructing:
        a, b = f"({ast.unparse(node.left)})", f"({ast.unparse(node.right)})"
        for form in FORMS.get(type(node.op), ()):
            yield form.format(a="a", b="b"), expression(form.format(a=a, b=b))


def power(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.Call) and ast.unparse(node).endswith(".pow(2)"):
        base = ast.unparse(node.func.value)  # type: ignore[attr-defined]
        for form in ("({0}) * ({0})", "torch.square({0})"):
            yield form.format("x"), expression(form.format(base))


def accumulated(site: Site) -> Change:
    """X = x + y → x += y, and back: where nothing else holds x it is the same."""
    node = site.node
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield "x = x + y", ast.Assign([node.target], ast.BinOp(ast.Name(node.target.id), node.op, node.value))
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Add):
        target, left = ast.unparse(node.targets[0]), ast.unparse(node.value.left)
        if not site.constructing and target.isidentifier():
            text = f"{target} = ({left}).clone()\n{target} += {ast.unparse(node.value.right)}"
            yield "a copy, and y added in place", statements(text)


RULES = {rule.__name__: rule for rule in (operation, power, accumulated)}

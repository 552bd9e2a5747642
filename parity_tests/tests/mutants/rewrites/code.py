"""The same statements under other names, in another order where none needs the other, in smaller or larger pieces."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import Any

from parity_tests.tests.mutants.sites import AFTER_THE_NEXT, Site, calls_layer, expression, is_call, statements

Change = Iterator[tuple[str, Any]]


def _bound(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _read(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def independent(site: Site) -> Change:
    """Two assignments of which neither needs the other."""
    node = site.node
    if not isinstance(node, ast.Assign) or site.index is None or site.field != "body" or site.constructing:
        return
    after = site.parent.body[site.index + 1 : site.index + 2]  # type: ignore[attr-defined]
    if not after or not isinstance(after[0], ast.Assign):
        return
    a, b = node, after[0]
    if not (_bound(a) & (_read(b) | _bound(b)) or _bound(b) & _read(a)):
        yield "two independent statements exchanged", AFTER_THE_NEXT


def stepwise(site: Site) -> Change:
    """The argument of a call by a name of its own."""
    node = site.node
    if isinstance(node, ast.Assign | ast.Return) and not site.constructing and node.value is not None:
        for i, part in enumerate(n for n in ast.walk(node.value) if isinstance(n, ast.Call) and n is not node.value):
            if any(isinstance(n, ast.Lambda | ast.GeneratorExp | ast.ListComp) for n in ast.walk(node.value)):
                return
            text, inner = ast.unparse(node), ast.unparse(part)
            if text.count(inner) == 1 and i < 3:
                yield "a part has a name", statements(f"part = {inner}\n{text.replace(inner, 'part')}")


def renamed(site: Site) -> Change:
    """Every local name of a function spelled otherwise."""
    node = site.node
    if site.field == "body" and site.index == 0 and site.parent is site.function and not site.constructing:
        names = _bound(site.function) - {a.arg for a in site.function.args.args}
        if names:
            body = copy.deepcopy(site.function.body)
            for part in body:
                for n in ast.walk(part):
                    if isinstance(n, ast.Name) and n.id in names:
                        n.id = f"{n.id}_"
            text = "\n".join("    " + line for part in body for line in ast.unparse(part).splitlines())
            given = ", ".join(a.arg for a in site.function.args.args)
            yield (
                "other local names, in a function inside",
                [
                    *statements(f"def compute({given}):\n{text}\nreturn compute({given})"),
                    node,
                ],
            )


def chained(site: Site) -> Change:
    """A loop over layers by index."""
    node = site.node
    if isinstance(node, ast.For) and not site.constructing and isinstance(node.target, ast.Name):
        text, body = ast.unparse(node.iter), ast.unparse(node.body)  # type: ignore[arg-type]
        if text.startswith("self."):
            indented = body.replace("\n", "\n    ")
            new = f"for i in range(len({text})):\n    {node.target.id} = {text}[i]\n    {indented}"
            yield "a loop by index", statements(new)
            yield "a loop over a list of them", ast.For(node.target, expression(f"list({text})"), node.body, [])


def conditional(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.Return) and not site.constructing and node.value is not None:
        text = ast.unparse(node.value)
        yield "a name for the result", statements(f"result = {text}\nreturn result")
        yield "an assertion on the way", statements(f"result = {text}\nassert result is not None\nreturn result")
        yield "under enable_grad", statements(f"with torch.enable_grad():\n    return {text}")
        yield (
            "with anomaly detection off",
            statements(f"with torch.autograd.set_detect_anomaly(False):\n    return {text}"),
        )
        yield (
            "with a hook that changes nothing",
            statements(
                f"result = {text}\nif torch.is_tensor(result) and result.requires_grad:\n"
                "    result.register_hook(lambda g: None)\nreturn result"
            ),
        )


def keywords(site: Site) -> Change:
    """nn.Linear(a, b) → nn.Linear(in_features=a, out_features=b)."""
    names = {
        "Linear": ("in_features", "out_features"),
        "Embedding": ("num_embeddings", "embedding_dim"),
        "LayerNorm": ("normalized_shape",),
        "Dropout": ("p",),
        "BatchNorm2d": ("num_features",),
        "LSTM": ("input_size", "hidden_size"),
        "GRU": ("input_size", "hidden_size"),
    }
    node = site.node
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("nn."):
        known = names.get(ast.unparse(node.func)[3:], ())
        if known and len(node.args) == len(known):
            given = [ast.keyword(name, value) for name, value in zip(known, node.args, strict=True)]
            yield "arguments by name", ast.Call(node.func, [], [*given, *node.keywords])


def more_state(site: Site) -> Change:
    """A table, a plain attribute, a layer that nothing calls and that has no parameters."""
    node = site.node
    if is_call(node, "__init__") and isinstance(site.statement, ast.Expr) and site.node is site.statement.value:
        return
    if isinstance(node, ast.Expr) and ast.unparse(node) == "super().__init__()":
        for text in (
            "self.register_buffer('table', torch.arange(4.0))",
            "self.register_buffer('bias_table', torch.ones(3, 3).tril(), persistent=False)",
            "self.activation = nn.Identity()",
            "self.calls = 0",
        ):
            yield text, [node, *statements(text)]


def identity(site: Site) -> Change:
    """Layers that do nothing around one that does."""
    node = site.node
    if isinstance(node, ast.Call) and calls_layer(node) and not site.constructing and len(node.args) == 1:
        text = ast.unparse(node)
        inner = ast.unparse(node.args[0])
        yield "through an Identity", expression(f"{ast.unparse(node.func)}(nn.Identity()({inner}))")
        yield "with a kept copy", expression(f"(lambda y: (y, y.detach().clone())[0])({text})")


RULES = {
    rule.__name__: rule
    for rule in (independent, stepwise, renamed, chained, conditional, keywords, more_state, identity)
}

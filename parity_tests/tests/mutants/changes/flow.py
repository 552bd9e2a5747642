"""Gradients cut off, modes, precisions, statements lost or in another order, what is done in place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from parity_tests.tests.mutants.sites import AFTER_THE_NEXT, Site, calls_layer, expression, is_call, statements

Change = Iterator[tuple[str, Any]]


def _is_value(site: Site) -> bool:
    """A tensor on its way through a forward: the call of a layer, or a name that a layer receives."""
    if site.constructing:
        return False
    layer = isinstance(site.node, ast.Call) and calls_layer(site.node)
    return layer or (isinstance(site.node, ast.Name) and site.field == "args" and calls_layer(site.parent))


def detached(site: Site) -> Change:
    if _is_value(site):
        text = ast.unparse(site.node)
        yield f"{text}.detach()", expression(f"({text}).detach()")


def rounded(site: Site) -> Change:
    if _is_value(site):
        text = ast.unparse(site.node)
        for form in ("({}).half().float()", "({}).bfloat16().float()", "({}).double()", "({}).half()"):
            yield form.format(text), expression(form.format(text))


def gradient_scaled(site: Site) -> Change:
    """The same value, another gradient."""
    if _is_value(site) and isinstance(site.node, ast.Call):
        text = ast.unparse(site.node)
        yield f"half of the gradient of {text}", expression(f"(lambda y: y * 0.5 + y.detach() * 0.5)({text})")


def _in_forward(site: Site) -> bool:
    return not site.constructing and isinstance(site.node, ast.stmt) and site.node is not site.function


def under_no_grad(site: Site) -> Change:
    if _in_forward(site) and isinstance(site.node, ast.Assign):
        text = ast.unparse(site.node)
        yield f"no_grad around {text}", statements(f"with torch.no_grad():\n    {text}")


def under_autocast(site: Site) -> Change:
    if _in_forward(site) and isinstance(site.node, ast.Assign | ast.Return):
        text = ast.unparse(site.node)
        new = statements(f"with torch.autocast('cpu', torch.bfloat16):\n    {text}")
        yield f"autocast around {text}", new


def mode(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.Attribute) and node.attr == "training" and isinstance(node.ctx, ast.Load):
        for value in ("True", "False", "not self.training"):
            yield f"{value} for self.training", expression(f"({value})")
    elif isinstance(node, ast.Call) and calls_layer(node) and not site.constructing:
        layer = ast.unparse(node.func)
        if ast.unparse(node.func).count(".") == 1 and isinstance(site.statement, ast.Assign | ast.Return):
            for which in ("eval", "train"):
                if "self.reparameterize" not in layer and "self.encode" not in layer and "self.patches" not in layer:
                    yield f"{layer}.{which}()", expression(f"({layer}.{which}(), {ast.unparse(node)})[1]")


def deleted(site: Site) -> Change:
    if _in_forward(site) and not isinstance(site.node, ast.Return):
        yield f"without {ast.unparse(site.node)}".splitlines()[0], ast.Pass()


def exchanged(site: Site) -> Change:
    if _in_forward(site) and site.index is not None and site.field == "body":
        following = site.parent.body[site.index + 1 :]  # type: ignore[attr-defined]
        if following and not isinstance(following[0], ast.Return):
            yield f"{ast.unparse(site.node).splitlines()[0]} comes one later", AFTER_THE_NEXT


def in_place(site: Site) -> Change:
    """X = x + y → x += y: the same, or a change of what others hold."""
    node = site.node
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.BinOp) or site.constructing:
        return
    holder: Any = node.targets[0]
    target = ast.unparse(holder)
    if ast.unparse(node.value.left) == target and isinstance(node.value.op, ast.Add | ast.Sub | ast.Mult):
        new = ast.AugAssign(holder, node.value.op, node.value.right)
        yield f"{target} changed in place", new


def input_changed(site: Site) -> Change:
    """A layer that changes in place what it receives."""
    node = site.node
    if isinstance(node, ast.Return) and not site.constructing and len(site.function.args.args) > 1:
        name = site.function.args.args[1].arg
        text = ast.unparse(node)
        new = f"result = {text[7:]}\nwith torch.no_grad():\n    {name}.mul_(2)\nreturn result"
        yield f"{name} doubled in place at the end", statements(new)


def loop(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.For) and not site.constructing:
        text = ast.unparse(node.iter)
        for form in ("list({})[1:]", "list({})[:-1]", "list(reversed(list({})))"):
            yield f"for ... in {form.format(text)}", ast.For(node.target, expression(form.format(text)), node.body, [])


def noisy(site: Site) -> Change:
    """A random number more, drawn and not used: what comes later draws others."""
    node = site.node
    if isinstance(node, ast.Return) and not site.constructing:
        yield "a random number drawn before the end", [*statements("torch.rand(1)"), node]


def hooked(site: Site) -> Change:
    """Gradients clipped on their way."""
    node = site.node
    if isinstance(node, ast.Assign) and not site.constructing and is_call(node.value):
        target = ast.unparse(node.targets[0])
        if target.isidentifier():
            hook = f"{target}.register_hook(lambda g: g.clamp(-0.05, 0.05)) if {target}.requires_grad else None"
            yield f"the gradient of {target} clipped", [node, *statements(hook)]


RULES = {
    rule.__name__: rule
    for rule in (
        detached,
        rounded,
        gradient_scaled,
        under_no_grad,
        under_autocast,
        mode,
        deleted,
        exchanged,
        in_place,
        input_changed,
        loop,
        noisy,
        hooked,
    )
}

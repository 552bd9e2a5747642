"""The same numbers in the same places, by another road."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from parity_tests.tests.mutants.sites import Site, called_name, calls_layer, expression

Change = Iterator[tuple[str, Any]]

METHODS: dict[str, tuple[str, ...]] = {
    "view": ("({x}).reshape({a})", "({x}).contiguous().view({a})"),
    "reshape": ("({x}).contiguous().view({a})", "torch.reshape({x}, ({a}))", "({x}).clone().reshape({a})"),
    "transpose": ("torch.transpose({x}, {a})", "({x}).swapaxes({a})", "({x}).transpose({a}).contiguous()"),
    "permute": ("torch.permute({x}, ({a}))", "({x}).permute({a}).contiguous()"),
    "flatten": ("torch.flatten({x}, {a})", "({x}).reshape(({x}).shape[0], -1)"),
    "contiguous": ("({x}).clone()", "({x})"),
    "split": ("torch.split({x}, {a})", "tuple(part.clone() for part in ({x}).split({a}))"),
    "chunk": ("torch.chunk({x}, {a})", "({x}).tensor_split({a})"),
    "unsqueeze": ("torch.unsqueeze({x}, {a})",),
    "squeeze": ("torch.squeeze({x}, {a})",),
    "expand": ("({x}).expand({a}).clone()",),
    "unbind": ("tuple(({x}))", "({x}).chunk(3, {a})[0].squeeze({a}), ({x})[1], ({x})[2]"),
    "mean": ("torch.mean({x}, {a})", "({x}).sum({a}) / (({x}).numel() / ({x}).sum({a}).numel())"),
    "sum": ("torch.sum({x}, {a})",),
    "t": ("({x}).transpose(0, 1)", "({x}).permute(1, 0)"),
    "repeat_interleave": ("torch.repeat_interleave({x}, {a})",),
    "masked_fill": ("torch.masked_fill({x}, {a})", "torch.where({0}, torch.tensor({1}, dtype=({x}).dtype), {x})"),
    "size": ("({x}).shape[{a}]",),
}
MODULES = ("F", "torch", "np", "math", "nn", "self")


def method(site: Site) -> Change:
    node = site.node
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or site.constructing:
        return
    x = ast.unparse(node.func.value)
    if x in MODULES:
        return
    given = [*map(ast.unparse, node.args), *map(ast.unparse, node.keywords)]
    for form in METHODS.get(node.func.attr, ()):
        if ("{1}" in form and len(given) < 2) or ("{a}" in form and not given):
            continue
        text = form.format(*given, x=x, a=", ".join(given))
        yield form.format("m", "v", x="x", a="a"), expression(text)


def shape_read(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and not site.constructing:
        x, dot, attribute = ast.unparse(node.value).rpartition(".")
        if attribute == "shape":
            yield ".size(i)", expression(f"{x}{dot}size({ast.unparse(node.slice)})")


def selected(site: Site) -> Change:
    """x[:, 0] → x.select(1, 0)."""
    node = site.node
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple) and isinstance(node.ctx, ast.Load):
        parts = node.slice.elts
        whole = isinstance(parts[0], ast.Slice) and parts[0].lower is None and parts[0].upper is None
        if len(parts) == 2 and whole and isinstance(parts[1], ast.Constant) and isinstance(parts[1].value, int):
            yield "x.select(1, i)", expression(f"({ast.unparse(node.value)}).select(1, {parts[1].value})")


def joined(site: Site) -> Change:
    """Cat by another name, or written into a buffer of zeros."""
    node = site.node
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.cat":
        text = ast.unparse(node)
        yield "torch.concat", expression(text.replace("torch.cat", "torch.concat", 1))
        yield (
            "cat along the last axis",
            expression(
                f"(lambda xs, dim=0: torch.cat([x.movedim(dim, -1) for x in xs], -1).movedim(-1, dim)){text[9:]}"
            ),
        )


def there_and_back(site: Site) -> Change:
    """A layer's result, transposed twice, or copied."""
    node = site.node
    if isinstance(node, ast.Call) and calls_layer(node) and not site.constructing:
        text = ast.unparse(node)
        for form in ("({}).clone()", "({}).transpose(0, 1).transpose(0, 1)", "({}).flip(0).flip(0)", "({}) * 1.0"):
            if called_name(node) not in ("encode", "reparameterize", "rnn", "gru", "encoder", "rotary", "init_hidden"):
                yield form.format("y"), expression(form.format(text))


RULES = {rule.__name__: rule for rule in (method, shape_read, selected, joined, there_and_back)}

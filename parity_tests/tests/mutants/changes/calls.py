"""Arguments, axes, slices, and one function in the place of another."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from parity_tests.tests.mutants.sites import Site, attributes, called_name, calls_layer, expression, is_call

Change = Iterator[tuple[str, Any]]

OTHER = {
    "relu": ("gelu",),
    "gelu": ("silu", "relu"),
    "silu": ("gelu", "sigmoid"),
    "tanh": ("sigmoid",),
    "sigmoid": ("tanh",),
    "softmax": ("log_softmax", "softmin"),
    "log_softmax": ("softmax",),
    "leaky_relu": ("celu",),
    "hardsigmoid": ("sigmoid",),
    "mean": ("sum",),
    "sum": ("mean",),
    "max": ("min",),
    "cos": ("sin",),
    "sin": ("cos",),
    "rsqrt": ("sqrt",),
    "sqrt": ("square",),
    "exp": ("expm1",),
    "log": ("log1p",),
    "var": ("std",),
    "tril": ("triu",),
    "ones": ("zeros",),
    "zeros": ("ones",),
    "ones_like": ("zeros_like",),
    "zeros_like": ("ones_like",),
    "randn_like": ("rand_like",),
    "adaptive_avg_pool2d": ("adaptive_max_pool2d",),
    "abs": ("square",),
    "repeat_interleave": ("repeat",),
    "binary_cross_entropy_with_logits": ("mse_loss",),
    "masked_fill": ("masked_fill_",),
    "contiguous": ("clone",),
    "view": ("reshape",),
}


def argument_dropped(site: Site) -> Change:
    node = site.node
    if not isinstance(node, ast.Call):
        return
    for i, keyword in enumerate(node.keywords):
        rest = node.keywords[:i] + node.keywords[i + 1 :]
        yield f"{called_name(node)} without {ast.unparse(keyword)}", ast.Call(node.func, node.args, rest)
    if len(node.args) > 1:
        last = ast.unparse(node.args[-1])
        yield f"{called_name(node)} without {last}", ast.Call(node.func, node.args[:-1], node.keywords)


def arguments_exchanged(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.Call):
        for i in range(len(node.args) - 1):
            args = list(node.args)
            args[i : i + 2] = args[i + 1], args[i]
            yield (
                f"{ast.unparse(args[i + 1])} and {ast.unparse(args[i])} exchanged",
                ast.Call(node.func, args, node.keywords),
            )


def elements_exchanged(site: Site) -> Change:
    """Two parts of a tuple or list: what is concatenated, permuted, returned or unpacked."""
    node = site.node
    if isinstance(node, ast.Tuple | ast.List):
        for i in range(len(node.elts) - 1):
            elements = list(node.elts)
            elements[i : i + 2] = elements[i + 1], elements[i]
            yield f"{ast.unparse(node)}: {i} and {i + 1} exchanged", type(node)(elements, node.ctx)


def slices(site: Site) -> Change:
    node = site.node
    if not isinstance(node, ast.Subscript) or site.constructing:
        return
    text, parts = ast.unparse(node.value), node.slice
    elements = parts.elts if isinstance(parts, ast.Tuple) else [parts]
    for i, part in enumerate(elements):
        for new in _other_slices(part):
            changed = [ast.unparse(e) if j != i else new for j, e in enumerate(elements)]
            yield f"{ast.unparse(node)} → [{', '.join(changed)}]", expression(f"{text}[{', '.join(changed)}]")


def _other_slices(part: ast.expr) -> list[str]:
    if isinstance(part, ast.Slice):
        low, high = (ast.unparse(end) if end else "" for end in (part.lower, part.upper))
        if low or high:
            return [f"{high}:{low}", f"{low}:{high}:2", f"-({high}):" if high else f":{low}"]
        return ["1:", ":-1"]
    if isinstance(part, ast.Constant) and part.value == 0:
        return ["-1"]
    return []


def function_exchanged(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.Call) and not calls_layer(node):
        for other in OTHER.get(called_name(node), ()):
            func: ast.expr = ast.Name(other, ast.Load())
            if isinstance(node.func, ast.Attribute):
                func = ast.Attribute(node.func.value, other, ast.Load())
            yield f"{called_name(node)} → {other}", ast.Call(func, node.args, node.keywords)


def call_removed(site: Site) -> Change:
    """f(x) → x and x.f() → x, for functions and layers."""
    node = site.node
    if not isinstance(node, ast.Call) or site.constructing or is_call(node, "range", "len", "arange"):
        return
    if (
        isinstance(node.func, ast.Attribute)
        and not calls_layer(node)
        and ast.unparse(node.func.value)
        not in (
            "F",
            "torch",
            "np",
            "math",
        )
    ):
        yield f"without .{called_name(node)}()", node.func.value
    elif len(node.args) >= 1:
        yield f"without {called_name(node)}", node.args[0]


def layer_exchanged(site: Site) -> Change:
    """self.a(x) → self.b(x), where both are made alike."""
    node = site.node
    if not isinstance(node, ast.Call) or not calls_layer(node):
        return
    made: dict[str, str] = {}
    for part in ast.walk(site.owner):
        if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Attribute) and is_call(part.value):
            made[part.targets[0].attr] = called_name(part.value)  # type: ignore[arg-type]
    own = attributes(node.func)[0]
    for other, kind in made.items():
        if other != own and kind == made.get(own):
            func = expression(f"self.{other}")
            yield f"self.{own} → self.{other}", ast.Call(func, node.args, node.keywords)


def called_twice(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.Call) and calls_layer(node) and len(node.args) == 1:
        text = ast.unparse(node)
        yield f"{ast.unparse(node.func)} called twice", expression(f"{ast.unparse(node.func)}({text})")


def argument_shifted(site: Site) -> Change:
    """What a layer or function receives, changed on the way."""
    node = site.node
    if (
        isinstance(node, ast.Call)
        and not site.constructing
        and node.args
        and (calls_layer(node) or is_call(node, *OTHER))
    ):
        for i, argument in enumerate(node.args):
            if isinstance(argument, ast.Name) and argument.id not in ("F", "torch"):
                for form in ("{} * 1.001", "{}.flip(0)", "{}.roll(1, -1)", "{} + 1"):
                    args = list(node.args)
                    args[i] = expression(form.format(argument.id))
                    yield (
                        f"{called_name(node)} gets {form.format(argument.id)}",
                        ast.Call(node.func, args, node.keywords),
                    )


RULES = {
    rule.__name__: rule
    for rule in (
        argument_dropped,
        arguments_exchanged,
        elements_exchanged,
        slices,
        function_exchanged,
        call_removed,
        layer_exchanged,
        called_twice,
        argument_shifted,
    )
}

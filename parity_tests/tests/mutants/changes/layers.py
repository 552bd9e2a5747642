"""How layers are made: options, classes, ties, tables, what is frozen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from parity_tests.tests.mutants.sites import Site, called_name, expression, is_call, statements

Change = Iterator[tuple[str, Any]]

OPTIONS: dict[str, dict[str, tuple[Any, ...]]] = {
    "Linear": {"bias": (False,)},
    "Conv1d": {"bias": (False,), "padding_mode": ("reflect", "circular"), "dilation": (2,), "groups": (2,)},
    "Conv2d": {"padding_mode": ("reflect", "replicate", "circular"), "dilation": (2,), "groups": (2,), "bias": (True,)},
    "ConvTranspose2d": {"output_padding": (1,), "dilation": (2,), "groups": (3,), "bias": (False, True)},
    "LayerNorm": {"eps": (1e-3, 1e-12), "elementwise_affine": (False,), "bias": (False,)},
    "RMSNorm": {"eps": (1e-2, 1e-6)},
    "GroupNorm": {"eps": (1e-3,), "affine": (False,)},
    "InstanceNorm2d": {"eps": (1e-3,), "track_running_stats": (True,)},
    "BatchNorm1d": {"eps": (1e-3,), "momentum": (0.01, None), "affine": (False,), "track_running_stats": (False,)},
    "BatchNorm2d": {"eps": (1e-3,), "momentum": (0.01, None), "affine": (False,), "track_running_stats": (False,)},
    "Embedding": {"max_norm": (0.5,), "padding_idx": (1,), "scale_grad_by_freq": (True,)},
    "EmbeddingBag": {"mode": ("sum", "mean", "max"), "scale_grad_by_freq": (True,), "padding_idx": (2,)},
    "MultiheadAttention": {"bias": (False,), "dropout": (0.2,), "add_zero_attn": (True,), "batch_first": (False,)},
    "LSTM": {"batch_first": (True,), "bias": (False,), "dropout": (0.5,)},
    "GRU": {"batch_first": (False,), "bias": (False,)},
    "GRUCell": {"bias": (False,)},
    "GELU": {"approximate": ("tanh", "none")},
    "LeakyReLU": {"negative_slope": (0.01, 0.3)},
    "PReLU": {"num_parameters": (7,), "init": (0.1,)},
    "MaxPool2d": {"dilation": (2,), "ceil_mode": (True,), "padding": (0,)},
    "Dropout": {"p": (0.5,)},
    "Hardswish": {},
}
OTHER = {
    "ReLU": ("GELU", "ReLU6", "LeakyReLU", "ELU"),
    "ReLU6": ("ReLU", "Hardswish"),
    "GELU": ("SiLU", "ReLU"),
    "SiLU": ("GELU", "Mish"),
    "Tanh": ("Sigmoid", "Hardtanh"),
    "Hardswish": ("SiLU", "ReLU"),
    "MaxPool2d": ("AvgPool2d",),
    "AdaptiveAvgPool2d": ("AdaptiveMaxPool2d",),
    "BatchNorm2d": ("InstanceNorm2d",),
    "Dropout": ("FeatureAlphaDropout", "Identity", "AlphaDropout"),
    "LayerNorm": ("RMSNorm", "Identity"),
    "GRU": ("RNN",),
    "LeakyReLU": ("ReLU", "PReLU"),
    "PReLU": ("LeakyReLU", "ReLU"),
}


def _is_layer(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith("nn.")


def option(site: Site) -> Change:
    node = site.node
    if not isinstance(node, ast.Call) or not (_is_layer(node) or called_name(node) in ("RMSNorm",)):
        return
    for name, values in OPTIONS.get(called_name(node), {}).items():
        others = [k for k in node.keywords if k.arg != name]
        for value in values:
            given = [*others, ast.keyword(name, ast.Constant(value))]
            yield f"{called_name(node)}({name}={value!r})", ast.Call(node.func, node.args, given)


def layer_class(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.Call) and _is_layer(node):
        for other in OTHER.get(called_name(node), ()):
            yield f"{called_name(node)} → {other}", ast.Call(expression(f"nn.{other}"), node.args, node.keywords)
    elif isinstance(node, ast.Attribute) and site.field in ("value", "defaults") and node.attr in OTHER:
        for other in OTHER[node.attr]:
            yield f"{node.attr} → {other}", expression(f"nn.{other}")


def tie(site: Site) -> Change:
    """Two layers, made alike, that become one; and tied weights that are not."""
    node = site.node
    if not site.constructing or not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Attribute):
        return
    target = ast.unparse(node.targets[0])
    if target.endswith(".weight"):
        yield f"{target} is a copy", statements(f"{target} = nn.Parameter({ast.unparse(node.value)}.detach().clone())")
        yield f"{target} stays its own", ast.Pass()
        return
    for other in ast.walk(site.owner):
        if isinstance(other, ast.Assign) and other is not node and ast.unparse(other.value) == ast.unparse(node.value):
            first = ast.unparse(other.targets[0])
            if is_call(node.value) and other.lineno < node.lineno and first.startswith("self."):
                yield f"{target} is {first}", statements(f"{target} = {first}")


def frozen(site: Site) -> Change:
    node = site.node
    if site.constructing and isinstance(node, ast.Assign) and _is_layer(node.value):
        target = ast.unparse(node.targets[0])
        yield f"{target} frozen", [node, *statements(f"{target}.requires_grad_(False)")]


def precision(site: Site) -> Change:
    node = site.node
    if site.constructing and isinstance(node, ast.Assign) and _is_layer(node.value):
        target = ast.unparse(node.targets[0])
        if target.startswith("self."):
            for dtype in ("half", "double"):
                yield f"{target}.{dtype}()", [node, *statements(f"{target}.{dtype}()")]


def table(site: Site) -> Change:
    """A buffer with other contents."""
    node = site.node
    if is_call(node, "register_buffer"):
        name, value = (ast.unparse(a) for a in node.args)  # type: ignore[attr-defined]
        rest = "".join(f", {ast.unparse(k)}" for k in node.keywords)  # type: ignore[attr-defined]
        for form in ("{}.flip(-1)", "{} * 1.01", "1 - {}", "{}.bfloat16().float()"):
            yield (
                f"{name} as {form.format('it')}",
                expression(f"self.register_buffer({name}, {form.format(value)}{rest})"),
            )


RULES = {rule.__name__: rule for rule in (option, layer_class, tie, frozen, precision, table)}

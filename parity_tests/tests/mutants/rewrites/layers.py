"""A layer's call written with its parameters: as a function, in parts, by half batches, recomputed in backward."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from parity_tests.tests.mutants.sites import Site, called_name, calls_layer, expression

Change = Iterator[tuple[str, Any]]

HALVES = "torch.cat([{m}(part) for part in torch.tensor_split({x}, 2)])"
EACH = "torch.stack([{m}(row[None])[0] for row in {x}])"
BIAS = "({m}.bias if {m}.bias is not None else 0)"
LINEAR = (
    "F.linear({x}, {m}.weight, {m}.bias)",
    "{x} @ {m}.weight.T + " + BIAS,
    "torch.einsum('...i,oi->...o', {x}, {m}.weight) + " + BIAS,
    "torch.cat([F.linear({x}, w) for w in {m}.weight.tensor_split(2)], -1) + " + BIAS,
    "(lambda x, w: x[..., :3] @ w[:, :3].T + x[..., 3:] @ w[:, 3:].T)({x}, {m}.weight) + " + BIAS,
    "F.conv1d(({x}).flatten(0, -2).unsqueeze(-1), {m}.weight.unsqueeze(-1), {m}.bias).squeeze(-1)"
    ".unflatten(0, ({x}).shape[:-1])",
    HALVES,
    EACH,
)
CONV2D = (
    "F.conv2d({x}, {m}.weight, {m}.bias, {m}.stride, {m}.padding, {m}.dilation, {m}.groups)",
    "(lambda x: {m}(x.flip(0)).flip(0))({x})",
    "(F.conv2d({x}, {m}.weight, None, {m}.stride, {m}.padding) + "
    "({m}.bias[:, None, None] if {m}.bias is not None else 0))",
    "F.conv2d(F.pad({x}, ({m}.padding[1],) * 2 + ({m}.padding[0],) * 2), {m}.weight, {m}.bias, {m}.stride)",
    "(lambda x, y: (F.unfold(x, {m}.kernel_size, padding={m}.padding, stride={m}.stride).mT @ {m}.weight.flatten(1).T "
    "+ " + BIAS + ").mT.unflatten(-1, y.shape[2:]))({x}, {m}({x}).detach())",
    HALVES,
)
NORM = (
    "F.layer_norm({x}, {m}.normalized_shape, {m}.weight, {m}.bias, {m}.eps)",
    "(lambda x: (x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + {m}.eps)"
    " * {m}.weight + {m}.bias)({x})",
    "(lambda d: d / ((d * d).mean(-1, keepdim=True) + {m}.eps).sqrt())({x} - ({x}).mean(-1, keepdim=True))"
    " * {m}.weight + {m}.bias",
    HALVES,
)
EMBEDDING = (
    "F.embedding({x}, {m}.weight, {m}.padding_idx)",
    "F.one_hot({x}, {m}.num_embeddings).to({m}.weight.dtype) @ {m}.weight",
    "{m}.weight[{x}]",
    "{m}.weight.index_select(0, ({x}).flatten()).unflatten(0, ({x}).shape)",
)
FORMS: dict[str, tuple[str, ...]] = {
    "Linear": LINEAR,
    "Conv2d": CONV2D,
    "conv3x3": CONV2D,
    "Conv1d": (
        "F.conv1d({x}, {m}.weight, {m}.bias, {m}.stride, {m}.padding)",
        "F.conv2d(({x}).unsqueeze(2), {m}.weight.unsqueeze(2), {m}.bias, (1, *{m}.stride), (0, *{m}.padding))"
        ".squeeze(2)",
        HALVES,
    ),
    "ConvTranspose2d": ("F.conv_transpose2d({x}, {m}.weight, {m}.bias, {m}.stride, {m}.padding)", HALVES),
    "LayerNorm": NORM,
    "InstanceNorm2d": (
        "F.instance_norm({x}, weight={m}.weight, bias={m}.bias, eps={m}.eps)",
        "F.group_norm({x}, {m}.num_features, {m}.weight, {m}.bias, {m}.eps)",
        HALVES,
    ),
    "Embedding": EMBEDDING,
    "GELU": ("F.gelu({x}, approximate={m}.approximate)", HALVES),
    "ReLU": ("torch.relu({x})", "{x} * ({x} > 0)", "F.relu({x})"),
    "LeakyReLU": ("F.leaky_relu({x}, {m}.negative_slope)", "torch.where({x} > 0, {x}, {x} * 0.2)"),
    "PReLU": ("F.prelu({x}, {m}.weight)", "torch.where({x} > 0, {x}, {x} * {m}.weight)"),
    "Dropout": ("F.dropout({x}, {m}.p, self.training)", "F.dropout({x}, p={m}.p, training={m}.training)"),
    "MaxPool2d": ("F.max_pool2d({x}, {m}.kernel_size, {m}.stride, {m}.padding)", HALVES),
    "AdaptiveAvgPool2d": ("F.adaptive_avg_pool2d({x}, 1)", "({x}).mean((2, 3), keepdim=True)", HALVES),
    "BatchNorm1d": ("{m}(({x}).unsqueeze(-1)).squeeze(-1)", "{m}(({x}).flip(0)).flip(0)"),
    "BatchNorm2d": ("{m}(({x}).flip(0)).flip(0)", "{m}(({x}).flatten(2).unsqueeze(-1)).view_as({x})"),
    "RMSNorm": (
        "F.rms_norm({x}, {m}.weight.shape, {m}.weight, {m}.eps)",
        "{m}.weight * ({x} / torch.sqrt(({x} * {x}).mean(-1, keepdim=True) + {m}.eps))",
        HALVES,
    ),
    "GRU": (
        "(lambda y, h: (y, h))(*{m}({x}))",
        "(lambda y, h: (y.transpose(0, 1), h))(*torch.gru(({x}).transpose(0, 1), torch.zeros(2, ({x}).shape[0], "
        "{m}.hidden_size, dtype=({x}).dtype), {m}._flat_weights, True, 1, 0.0, self.training, True, False))",
    ),
    "Sequential": ("(lambda x: [x := layer(x) for layer in {m}][-1])({x})", HALVES),
    "EmbeddingBag": ("{m}({a})",),
}
ANY = (
    "{m}.forward({a})",
    "(lambda f: f({a}))({m})",
    "torch.utils.checkpoint.checkpoint({m}, {a}, use_reentrant=False)",
    "torch.nn.Module.__call__({m}, {a})",
)
IN_NUMPY = (
    "Linear",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "LayerNorm",
    "GroupNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "InstanceNorm2d",
    "Embedding",
    "GELU",
    "ReLU",
    "SiLU",
    "LeakyReLU",
    "PReLU",
    "MaxPool2d",
    "GRU",
    "LSTM",
    "GRUCell",
    "MultiheadAttention",
)
METHODS = (
    "encode",
    "decode",
    "reparameterize",
    "patches",
    "init_hidden",
    "_make_layer",
    "_skip",
    "register_buffer",
    "parameters",
)


def made_as(site: Site) -> dict[str, str]:
    """The class of every attribute that the owner's constructor makes."""
    made = {}
    for part in ast.walk(site.owner):
        if isinstance(part, ast.Assign) and isinstance(part.value, ast.Call):
            for target in part.targets:
                if isinstance(target, ast.Attribute):
                    made[target.attr] = called_name(part.value)
    return made


def layer_written_out(site: Site) -> Change:
    node = site.node
    if not isinstance(node, ast.Call) or not calls_layer(node) or site.constructing or len(node.args) != 1:
        return
    layer, x = ast.unparse(node.func), f"({ast.unparse(node.args[0])})"
    for form in FORMS.get(made_as(site).get(called_name(node), ""), ()):
        short = form.replace("{m}", "m").replace("{x}", "x").replace("{a}", "x")
        yield short[:60], expression(form.replace("{m}", layer).replace("{x}", x).replace("{a}", x))


def layer_called_otherwise(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.Call) and calls_layer(node) and not site.constructing and called_name(node) not in METHODS:
        given = ", ".join([*map(ast.unparse, node.args), *map(ast.unparse, node.keywords)])
        for form in ANY if node.args else ():
            yield form.format(m="m", a="x"), expression(form.format(m=ast.unparse(node.func), a=given))


def layer_in_numpy(site: Site) -> Change:
    """The same layer of scratch, inside torch."""
    node = site.node
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {f"nn.{name}" for name in IN_NUMPY}:
        yield f"scratch.{ast.unparse(node.func)}", expression(f"TorchModule(scratch.{ast.unparse(node)})")


RULES = {rule.__name__: rule for rule in (layer_written_out, layer_called_otherwise, layer_in_numpy)}

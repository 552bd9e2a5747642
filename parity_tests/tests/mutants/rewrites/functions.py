"""Functions written out: softmax, GELU, SiLU, attention, means, losses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from parity_tests.tests.mutants.sites import Site, expression

Change = Iterator[tuple[str, Any]]

ATTENTION = (
    "(lambda q, k, v, is_causal=False: torch.softmax((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).masked_fill("
    "torch.ones(q.shape[-2], k.shape[-2]).triu(1).bool() if is_causal else torch.zeros((), dtype=torch.bool), "
    "float('-inf')), -1) @ v)({a})"
)
MASKED = (
    "(lambda q, k, v, is_causal=False: F.scaled_dot_product_attention(q, k, v, attn_mask="
    "torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril() if is_causal else None))({a})"
)
EACH_HEAD = (
    "(lambda q, k, v, is_causal=False: torch.stack([F.scaled_dot_product_attention(q[:, i], k[:, i], v[:, i], "
    "is_causal=is_causal) for i in range(q.shape[1])], 1))({a})"
)
SOFTMAX = "(lambda x, dim: torch.exp(x - x.amax(dim, keepdim=True).detach()))({a})"
FORMS: dict[str, tuple[str, ...]] = {
    "F.softmax": (
        "torch.softmax({a})",
        "({x}).softmax(dim=-1)",
        "(lambda e: e / e.sum(-1, keepdim=True))(" + SOFTMAX + ")",
        "F.log_softmax({a}).exp()",
        "F.softmin(-({x}), dim=-1)",
        "torch.exp({x} - torch.logsumexp({x}, -1, keepdim=True))",
    ),
    "torch.softmax": ("F.softmax({a})", "(lambda e: e / e.sum(-1, keepdim=True))(" + SOFTMAX + ")"),
    "F.log_softmax": (
        "torch.log_softmax({a})",
        "(lambda x, dim: x - torch.logsumexp(x, dim, keepdim=True))({a})",
        "torch.log(F.softmax({a}))",
    ),
    "F.gelu": (
        "({x}) * 0.5 * (1 + torch.erf(({x}) / 2**0.5))",
        "({x}) * torch.special.ndtr({x})",
        "nn.GELU()({x})",
    ),
    "F.silu": ("({x}) * torch.sigmoid({x})", "({x}) / (1 + torch.exp(-({x})))", "nn.SiLU()({x})"),
    "F.relu": (
        "torch.relu({x})",
        "({x}) * (({x}) > 0)",
        "torch.where({x} > 0, {x}, 0.0)",
        "F.threshold({x}, 0.0, 0.0)",
    ),
    "torch.relu": ("F.relu({x})", "({x}) * (({x}) > 0)", "({x}).relu()"),
    "F.leaky_relu": ("torch.where({x} > 0, {x}, {x} * 0.2)", "nn.LeakyReLU(0.2)({x})"),
    "torch.tanh": (
        "({x}).tanh()",
        "2 * torch.sigmoid(2 * ({x})) - 1",
        "(lambda e: 1 - 2 / (e + 1))(torch.exp(2 * ({x})))",
    ),
    "torch.sigmoid": ("({x}).sigmoid()", "1 / (1 + torch.exp(-({x})))", "0.5 * torch.tanh(({x}) / 2) + 0.5"),
    "torch.rsqrt": ("1 / torch.sqrt({x})", "({x}) ** -0.5"),
    "torch.exp": ("({x}).exp()",),
    "F.scaled_dot_product_attention": (ATTENTION, MASKED, EACH_HEAD),
    "F.hardtanh": ("torch.where({x} > 0, torch.where({x} < 20.0, {x}, 20.0), 0.0)",),
    "F.adaptive_avg_pool2d": ("({x}).mean((2, 3), keepdim=True)",),
    "F.linear": ("(lambda x, w, *b: x @ w.t() + (b[0] if b else 0))({a})",),
    "F.interpolate": ("nn.Upsample(scale_factor=2, mode='bilinear', align_corners=False)({x})",),
    "F.pad": ("nn.functional.pad({a}, mode='constant', value=0.0)",),
    "F.binary_cross_entropy_with_logits": (
        "(lambda x, y: (F.softplus(x) - x * y).mean())({a})",
        "(lambda x, y: -(y * F.logsigmoid(x) + (1 - y) * F.logsigmoid(-x)).mean())({a})",
    ),
    "F.ctc_loss": ("nn.CTCLoss(blank=0)({p})",),
    "torch.bmm": ("torch.matmul({a})", "torch.einsum('bij,bjk->bik', {a})"),
    "torch.outer": ("({p0})[:, None] * ({p1})[None]",),
    "torch.flatten": ("({x}).flatten(1)", "({x}).view(({x}).size(0), -1)"),
    "torch.stack": ("torch.cat([part.unsqueeze(1) for part in {x}], dim=1)",),
    "np.tanh": ("(1 - 2 / (np.exp(2 * {x}) + 1))",),
    "np.einsum": ("np.einsum({a}, optimize=True)", "np.ascontiguousarray(np.einsum({a}))"),
    "np.sqrt": ("(({x}) ** np.float32(0.5))",),
    "np.exp": ("np.exp2(({x}) * np.float32(1.4426950408889634))",),
    "np.pad": ("np.ascontiguousarray(np.pad({a}))",),
}


def written_out(site: Site) -> Change:
    node = site.node
    if isinstance(node, ast.Call) and node.args and not (site.constructing and "outer" not in ast.unparse(node.func)):
        positional = [ast.unparse(a) for a in node.args]
        given = ", ".join([*positional, *map(ast.unparse, node.keywords)])
        first = {f"p{i}": p for i, p in enumerate(positional)} | {"p1": positional[-1]}
        for form in FORMS.get(ast.unparse(node.func), ()):
            text = form.format(a=given, x=f"({positional[0]})", p=", ".join(positional[:4]), **first)
            yield form.split("(")[0][:40] + "(...)", expression(text)


def averaged(site: Site) -> Change:
    """The NumPy mean as a sum over a count."""
    node = site.node
    if isinstance(node, ast.Call) and ast.unparse(node).startswith("x.mean(axis=axes)"):
        yield "a sum over a count", expression("x.sum(axis=axes) / np.float32(x.size // x.shape[1])")


RULES = {rule.__name__: rule for rule in (written_out, averaged)}

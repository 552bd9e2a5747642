"""Ports to Flax Linen: unbound modules, which compare initializes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parity_tests.tests.foreign import blocks
from parity_tests.tests.foreign.matrix import Framework, Port

EPS = "Flax's epsilon of 1e-6"


def ports() -> Iterator[Port]:
    import flax.linen as nn
    import jax.numpy as jnp

    class MLP(nn.Module):
        eps: float = 1e-5
        approximate: bool = False
        exchanged: bool = False

        @nn.compact
        def __call__(self, x: Any) -> Any:
            gelu = lambda h: nn.gelu(h, approximate=self.approximate)  # noqa: E731
            h, norm = nn.Dense(24)(x), nn.LayerNorm(epsilon=self.eps)
            h = norm(gelu(h)) if self.exchanged else gelu(norm(h))
            return x + nn.Dense(16)(h)

    yield Port("mlp", MLP, blocks.mlp)
    yield Port("mlp", lambda: MLP(1e-6), blocks.mlp, EPS, ("norm",), ("eps-value",))
    yield Port(
        "mlp", lambda: MLP(exchanged=True), blocks.mlp, "GELU before the norm", ("→ norm",), ("activation-extra",)
    )
    yield Port("mlp", lambda: MLP(approximate=True), blocks.mlp, "Flax's GELU by tanh", ("→ fc2",), ("gelu-tanh",))

    class CNN(nn.Module):
        eps: float = 1e-5
        last: bool = False
        padding: Any = 1
        momentum: float = 0.9

        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            norm = nn.BatchNorm(use_running_average=not train, momentum=self.momentum, epsilon=self.eps)
            h = nn.max_pool(nn.relu(norm(nn.Conv(6, (3, 3))(x))), (2, 2), (2, 2))
            h = nn.relu(nn.Conv(8, (3, 3), strides=2, padding=self.padding)(h))
            h = h if self.last else jnp.transpose(h, (0, 3, 1, 2))
            return nn.Dense(5)(h.reshape(len(x), -1))

    running = "Flax's momentum of 0.99, and its biased running variance"
    yield Port("cnn", CNN, blocks.cnn, mode="eval")
    yield Port("cnn", lambda: CNN(momentum=0.99), blocks.cnn, running, ("bn",), ("momentum",))
    yield Port("cnn", lambda: CNN(1e-3), blocks.cnn, "epsilon of 1e-3", ("bn",), ("eps-value",), "eval")
    yield Port("cnn", lambda: CNN(last=True), blocks.cnn, "flattened with channels last", ("→ fc",), ("channel-order",),
               "eval")  # fmt: skip
    yield Port("cnn", lambda: CNN(padding="SAME"), blocks.cnn, "SAME with stride 2", ("conv2",), ("padding-side",),
               "eval")  # fmt: skip

    class Recurrent(nn.Module):
        cell: Any
        eps: float = 1e-5
        step: int = -1

        @nn.compact
        def __call__(self, x: Any) -> Any:
            h = nn.RNN(self.cell(12))(x)
            return nn.Dense(5)(nn.LayerNorm(epsilon=self.eps)(h)[:, self.step])

    class LSTM(nn.OptimizedLSTMCell):
        """Its gates f and o exchanged, on the parameters of Flax's own cell."""

        @nn.compact
        def __call__(self, carry: Any, inputs: Any) -> Any:
            c, h = carry
            dense = lambda name, x, bias: nn.Dense(12, use_bias=bias, name=name)(x)  # noqa: E731
            i, f, g, o = (dense(f"i{k}", inputs, False) + dense(f"h{k}", h, True) for k in "ifgo")
            c = nn.sigmoid(o) * c + nn.sigmoid(i) * jnp.tanh(g)
            h = nn.sigmoid(f) * jnp.tanh(c)
            return (c, h), h

    own = nn.OptimizedLSTMCell
    yield Port("lstm", lambda: Recurrent(own), blocks.lstm)
    yield Port("lstm", lambda: Recurrent(own, 1e-6), blocks.lstm, EPS, ("norm",), ("eps-value",))
    yield Port("lstm", lambda: Recurrent(LSTM), blocks.lstm, "gates f and o exchanged", ("rnn",), ("gate-order",))
    yield Port("lstm", lambda: Recurrent(own, step=0), blocks.lstm, "the first step", ("→ head",), ("position",))

    class GRU(nn.GRUCell):
        """Its gates r and z exchanged, or r times h before the product."""

        before: bool = False

        @nn.compact
        def __call__(self, carry: Any, inputs: Any) -> Any:
            dense = lambda name, x, bias: nn.Dense(12, use_bias=bias, name=name)(x)  # noqa: E731
            r, z = (nn.sigmoid(dense(f"i{k}", inputs, True) + dense(f"h{k}", carry, False)) for k in "rz")
            if self.before:
                n = jnp.tanh(dense("in", inputs, True) + dense("hn", r * carry, True))
            else:
                r, z = z, r
                n = jnp.tanh(dense("in", inputs, True) + r * dense("hn", carry, True))
            h = (1 - z) * n + z * carry
            return h, h

    class Before(GRU):
        before: bool = True

    yield Port("gru", lambda: Recurrent(nn.GRUCell), blocks.gru)
    yield Port("gru", lambda: Recurrent(nn.GRUCell, 1e-6), blocks.gru, EPS, ("norm",), ("eps-value",))
    yield Port("gru", lambda: Recurrent(GRU), blocks.gru, "gates r and z exchanged", ("rnn",), ("gate-order",))
    yield Port("gru", lambda: Recurrent(Before), blocks.gru, "r before the product", ("rnn",), ("gru-reset",))

    def attend(scale: bool, axis: int) -> Any:
        def function(q: Any, k: Any, v: Any, **_: Any) -> Any:
            scores = jnp.einsum("...qhd,...khd->...hqk", q, k) / (q.shape[-1] ** 0.5 if scale else 1.0)
            return jnp.einsum("...hqk,...khd->...qhd", nn.softmax(scores, axis), v)

        return function

    class Attention(nn.Module):
        eps: float = 1e-5
        scale: bool = True
        axis: int = -1

        @nn.compact
        def __call__(self, x: Any) -> Any:
            h = nn.LayerNorm(epsilon=self.eps)(x)
            plain = self.scale and self.axis == -1
            given = {} if plain else {"attention_fn": attend(self.scale, self.axis)}
            return x + nn.MultiHeadDotProductAttention(2, **given)(h, h)

    yield Port("attention", Attention, blocks.attention)
    yield Port("attention", lambda: Attention(1e-6), blocks.attention, EPS, ("norm",), ("eps-value",))
    yield Port("attention", lambda: Attention(axis=-2), blocks.attention, "softmax over the queries", ("attn",),
               ("softmax-axis",))  # fmt: skip
    yield Port(
        "attention", lambda: Attention(scale=False), blocks.attention, "no scale", ("attn",), ("attention-scale",)
    )

    class Transformer(nn.Module):
        eps: float = 1e-5
        approximate: bool = False
        residual: bool = True

        @nn.compact
        def __call__(self, x: Any) -> Any:
            x = nn.LayerNorm(epsilon=1e-5)(x + nn.MultiHeadDotProductAttention(2)(x, x))
            h = nn.Dense(16)(nn.gelu(nn.Dense(32)(x), approximate=self.approximate))
            return nn.LayerNorm(epsilon=self.eps)(x + h if self.residual else h)

    right = blocks.transformer
    yield Port("transformer", Transformer, right)
    yield Port("transformer", lambda: Transformer(1e-6), right, EPS, ("norm2",), ("eps-value",))
    yield Port("transformer", lambda: Transformer(approximate=True), right, "Flax's GELU by tanh",
               ("→ linear2", "→ dropout"), ("gelu-tanh",))  # fmt: skip
    yield Port("transformer", lambda: Transformer(residual=False), right, "no second residual", ("→ norm2",),
               ("residual-missing",))  # fmt: skip


FRAMEWORK = Framework("Flax Linen", ("jax", "flax"), ports)

"""Ports to Flax NNX."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parity_tests.tests.foreign import blocks
from parity_tests.tests.foreign.matrix import Framework, Port


def ports() -> Iterator[Port]:
    import jax
    import jax.numpy as jnp
    from flax import nnx

    rngs = nnx.Rngs(0)

    class MLP(nnx.Module):
        def __init__(self, eps: float = 1e-5, exchanged: bool = False, residual: bool = True) -> None:
            self.fc1, self.fc2 = nnx.Linear(16, 24, rngs=rngs), nnx.Linear(24, 16, rngs=rngs)
            self.norm = nnx.LayerNorm(24, epsilon=eps, rngs=rngs)
            self.exchanged, self.residual = exchanged, residual

        def __call__(self, x: Any) -> Any:
            gelu = lambda h: nnx.gelu(h, approximate=False)  # noqa: E731
            h = self.fc1(x)
            h = self.fc2(self.norm(gelu(h)) if self.exchanged else gelu(self.norm(h)))
            return x + h if self.residual else h

    yield Port("mlp", MLP, blocks.mlp)
    yield Port("mlp", lambda: MLP(eps=1e-6), blocks.mlp, "Flax's epsilon of 1e-6", ("norm",), ("eps-value",))
    yield Port(
        "mlp", lambda: MLP(exchanged=True), blocks.mlp, "GELU before the norm", ("→ norm",), ("activation-extra",)
    )
    yield Port("mlp", lambda: MLP(residual=False), blocks.mlp, "no residual", ("",), ("residual-missing",))

    class CNN(nnx.Module):
        def __init__(self, eps: float = 1e-5, last: bool = False, padding: Any = ((1, 1), (1, 1))) -> None:
            self.conv1 = nnx.Conv(3, 6, (3, 3), padding="SAME", rngs=rngs)
            self.bn = nnx.BatchNorm(6, momentum=0.9, epsilon=eps, rngs=rngs)
            self.conv2 = nnx.Conv(6, 8, (3, 3), strides=2, padding=padding, rngs=rngs)
            self.fc = nnx.Linear(32, 5, rngs=rngs)
            self.last = last

        def __call__(self, x: Any) -> Any:
            h = nnx.max_pool(nnx.relu(self.bn(self.conv1(x))), (2, 2), (2, 2))
            h = nnx.relu(self.conv2(h))
            h = h if self.last else jnp.transpose(h, (0, 3, 1, 2))
            return self.fc(h.reshape(len(x), -1))

    yield Port("cnn", CNN, blocks.cnn, mode="eval")
    yield Port("cnn", CNN, blocks.cnn, "Flax's running variance is biased", ("bn",), ("running-var-biased",))
    yield Port("cnn", lambda: CNN(eps=1e-3), blocks.cnn, "epsilon of 1e-3", ("bn",), ("eps-value",), "eval")
    yield Port(
        "cnn", lambda: CNN(last=True), blocks.cnn, "flattened with channels last", ("→ fc",), ("channel-order",), "eval"
    )
    yield Port(
        "cnn", lambda: CNN(padding="SAME"), blocks.cnn, "SAME with stride 2", ("conv2",), ("padding-side",), "eval"
    )

    class Recurrent(nnx.Module):
        def __init__(self, cell: Any, eps: float = 1e-5, step: int = -1) -> None:
            self.rnn = nnx.RNN(cell(16, 12, rngs=rngs))
            self.norm = nnx.LayerNorm(12, epsilon=eps, rngs=rngs)
            self.head = nnx.Linear(12, 5, rngs=rngs)
            self.step = step

        def __call__(self, x: Any) -> Any:
            return self.head(self.norm(self.rnn(x))[:, self.step])

    class Exchanged(nnx.OptimizedLSTMCell):
        """Gates in the order i, f, o, g."""

        def __call__(self, carry: Any, inputs: Any) -> Any:
            c, h = carry
            i, f, o, g = jnp.split(self.dense_i(inputs) + self.dense_h(h), 4, -1)
            c = nnx.sigmoid(f) * c + nnx.sigmoid(i) * jnp.tanh(g)
            h = nnx.sigmoid(o) * jnp.tanh(c)
            return (c, h), h

    LSTM = nnx.OptimizedLSTMCell
    yield Port("lstm", lambda: Recurrent(LSTM), blocks.lstm)
    yield Port("lstm", lambda: Recurrent(nnx.LSTMCell), blocks.lstm)
    yield Port("lstm", lambda: Recurrent(LSTM, 1e-6), blocks.lstm, "Flax's epsilon of 1e-6", ("norm",), ("eps-value",))
    yield Port("lstm", lambda: Recurrent(Exchanged), blocks.lstm, "gates i, f, o, g", ("rnn",), ("gate-order",))
    yield Port("lstm", lambda: Recurrent(LSTM, step=0), blocks.lstm, "the first step", ("→ head",), ("position",))

    class GRU(nnx.GRUCell):
        """Gates z, r, n; or r times h before the product, as in the first paper."""

        kind = "order"

        def __call__(self, carry: Any, inputs: Any) -> Any:
            a = jnp.split(self.dense_i(inputs), 3, -1)
            b = jnp.split(self.dense_h(carry), 3, -1)
            r, z = nnx.sigmoid(a[0] + b[0]), nnx.sigmoid(a[1] + b[1])
            if self.kind == "order":
                r, z = z, r
                n = jnp.tanh(a[2] + r * b[2])
            else:
                n = jnp.tanh(a[2] + jnp.split(self.dense_h(r * carry), 3, -1)[2])
            h = (1 - z) * n + z * carry
            return h, h

    class Before(GRU):
        kind = "before"

    right = lambda: blocks.gru(bias_of_n=False)  # noqa: E731
    yield Port("gru", lambda: Recurrent(nnx.GRUCell), right)
    yield Port("gru", lambda: Recurrent(nnx.GRUCell, 1e-6), right, "Flax's epsilon of 1e-6", ("norm",), ("eps-value",))
    yield Port("gru", lambda: Recurrent(GRU), right, "gates z, r, n", ("rnn",), ("gate-order",))
    yield Port("gru", lambda: Recurrent(Before), right, "r before the product", ("rnn",), ("gru-reset",))

    def attend(q: Any, k: Any, v: Any, scale: bool = True, axis: int = -1, **_: Any) -> Any:
        scores = jnp.einsum("...qhd,...khd->...hqk", q, k) / (q.shape[-1] ** 0.5 if scale else 1.0)
        return jnp.einsum("...hqk,...khd->...qhd", jax.nn.softmax(scores, axis), v)

    class Attention(nnx.Module):
        def __init__(self, eps: float = 1e-5, **options: Any) -> None:
            self.norm = nnx.LayerNorm(16, epsilon=eps, rngs=rngs)
            fn = (lambda q, k, v, **_: attend(q, k, v, **options)) if options else nnx.dot_product_attention
            self.attn = nnx.MultiHeadAttention(2, 16, decode=False, attention_fn=fn, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return x + self.attn(self.norm(x))

    yield Port("attention", Attention, blocks.attention)
    yield Port(
        "attention", lambda: Attention(1e-6), blocks.attention, "Flax's epsilon of 1e-6", ("norm",), ("eps-value",)
    )
    yield Port(
        "attention",
        lambda: Attention(axis=-2),
        blocks.attention,
        "softmax over the queries",
        ("attn",),
        ("softmax-axis",),
    )
    yield Port(
        "attention", lambda: Attention(scale=False), blocks.attention, "no scale", ("attn",), ("attention-scale",)
    )

    class Transformer(nnx.Module):
        def __init__(self, eps: float = 1e-5, first: bool = False, approximate: bool = False) -> None:
            self.self_attn = nnx.MultiHeadAttention(2, 16, decode=False, rngs=rngs)
            self.norm1, self.norm2 = (nnx.LayerNorm(16, epsilon=e, rngs=rngs) for e in (1e-5, eps))
            self.up, self.down = nnx.Linear(16, 32, rngs=rngs), nnx.Linear(32, 16, rngs=rngs)
            self.first, self.approximate = first, approximate

        def feed(self, x: Any) -> Any:
            return self.down(nnx.gelu(self.up(x), approximate=self.approximate))

        def __call__(self, x: Any) -> Any:
            if self.first:
                x = x + self.self_attn(self.norm1(x))
                return x + self.feed(self.norm2(x))
            x = self.norm1(x + self.self_attn(x))
            return self.norm2(x + self.feed(x))

    yield Port("transformer", Transformer, blocks.transformer)
    yield Port(
        "transformer",
        lambda: Transformer(1e-6),
        blocks.transformer,
        "Flax's epsilon of 1e-6",
        ("norm2",),
        ("eps-value",),
    )
    yield Port(
        "transformer", lambda: Transformer(first=True), blocks.transformer, "pre-norm", ("→ self_attn",), ("wiring",)
    )
    yield Port(
        "transformer",
        lambda: Transformer(approximate=True),
        blocks.transformer,
        "Flax's GELU by tanh",
        ("→ linear2", "→ dropout"),
        ("gelu-tanh",),
    )


FRAMEWORK = Framework("Flax NNX", ("jax", "flax"), ports)

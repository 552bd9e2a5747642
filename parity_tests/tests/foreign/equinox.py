"""Ports to Equinox: modules for one sample, whose layers run under vmap and whose cells run in a scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parity_tests.tests.foreign import blocks
from parity_tests.tests.foreign.matrix import Framework, Port


def ports() -> Iterator[Port]:
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    key = jax.random.key(0)
    nn = eqx.nn

    class MLP(eqx.Module):
        fc1: Any
        norm: Any
        fc2: Any
        approximate: bool = False
        residual: bool = True

        def __init__(self, eps: float = 1e-5, approximate: bool = False, residual: bool = True) -> None:
            self.fc1, self.fc2 = nn.Linear(16, 24, key=key), nn.Linear(24, 16, key=key)
            self.norm = nn.LayerNorm(24, eps=eps)
            self.approximate, self.residual = approximate, residual

        def __call__(self, x: Any) -> Any:
            h = self.fc2(jax.nn.gelu(self.norm(self.fc1(x)), approximate=self.approximate))
            return x + h if self.residual else h

    gelu = "JAX's GELU by tanh"
    yield Port("mlp", MLP, blocks.mlp)
    yield Port("mlp", lambda: MLP(1e-6), blocks.mlp, "epsilon of 1e-6", ("norm",), ("eps-value",))
    yield Port("mlp", lambda: MLP(approximate=True), blocks.mlp, gelu, ("→ fc2",), ("gelu-tanh",))
    yield Port("mlp", lambda: MLP(residual=False), blocks.mlp, "no residual", ("",), ("residual-missing",))

    class CNN(eqx.Module):
        conv1: Any
        norm: Any
        conv2: Any
        fc: Any
        last: bool

        def __init__(self, eps: float = 1e-5, last: bool = False, groups: int = 2, padding: Any = 1) -> None:
            self.conv1 = nn.Conv2d(3, 6, 3, padding=1, key=key)
            self.norm = nn.GroupNorm(groups, 6, eps=eps)
            self.conv2 = nn.Conv2d(6, 8, 3, 2, padding=padding, key=key)
            self.fc = nn.Linear(32, 5, key=key)
            self.last = last

        def __call__(self, x: Any) -> Any:
            h = jax.nn.relu(self.norm(self.conv1(x)))
            h = jax.nn.relu(self.conv2(nn.MaxPool2d(2, 2)(h)))
            return self.fc((jnp.transpose(h, (1, 2, 0)) if self.last else h).reshape(-1))

    right: Any = blocks.cnn_group
    yield Port("cnn", CNN, right)
    yield Port("cnn", lambda: CNN(1e-3), right, "epsilon of 1e-3", ("bn",), ("eps-value",))
    yield Port("cnn", lambda: CNN(last=True), right, "flattened with channels last", ("→ fc",), ("channel-order",))
    yield Port("cnn", lambda: CNN(padding="SAME"), right, "SAME with stride 2", ("conv2",), ("padding-side",))
    yield Port("cnn", lambda: CNN(groups=3), right, "three groups for two", ("bn",), ("groups",))

    class Recurrent(eqx.Module):
        cell: Any
        norm: Any
        head: Any
        step: int

        def __init__(self, cell: Any, eps: float = 1e-5, step: int = -1) -> None:
            self.cell, self.norm, self.head = (
                cell(16, 12, key=key),
                nn.LayerNorm(12, eps=eps),
                nn.Linear(12, 5, key=key),
            )
            self.step = step

        def __call__(self, x: Any) -> Any:
            two = isinstance(self.cell, nn.LSTMCell)
            start = (jnp.zeros(12), jnp.zeros(12)) if two else jnp.zeros(12)

            def advance(carry: Any, x: Any) -> Any:
                carry = self.cell(x, carry)
                return carry, carry[0] if two else carry

            return self.head(jax.vmap(self.norm)(jax.lax.scan(advance, start, x)[1])[self.step])

    class LSTM(nn.LSTMCell):  # type: ignore[name-defined]
        """Its gates in the order i, f, o, g."""

        def __call__(self, input: Any, hidden: Any, **_: Any) -> Any:
            h, c = hidden
            i, f, o, g = jnp.split(self.weight_ih @ input + self.weight_hh @ h + self.bias, 4)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return jax.nn.sigmoid(o) * jnp.tanh(c), c

    yield Port("lstm", lambda: Recurrent(nn.LSTMCell), blocks.lstm)
    yield Port("lstm", lambda: Recurrent(nn.LSTMCell, 1e-6), blocks.lstm, "epsilon of 1e-6", ("norm",), ("eps-value",))
    yield Port("lstm", lambda: Recurrent(LSTM), blocks.lstm, "gates i, f, o, g", ("rnn",), ("gate-order",))
    yield Port(
        "lstm", lambda: Recurrent(nn.LSTMCell, step=0), blocks.lstm, "the first step", ("→ head",), ("position",)
    )

    class GRU(nn.GRUCell):  # type: ignore[name-defined]
        """Its gates in the order z, r, n."""

        def __call__(self, input: Any, hidden: Any, **_: Any) -> Any:
            z, r, n = jnp.split(self.weight_ih @ input + self.bias, 3)
            hz, hr, hn = jnp.split(self.weight_hh @ hidden, 3)
            z, r = jax.nn.sigmoid(z + hz), jax.nn.sigmoid(r + hr)
            n = jnp.tanh(n + r * (hn + self.bias_n))
            return n + z * (hidden - n)

    class Before(nn.GRUCell):  # type: ignore[name-defined]
        """Times r before the product."""

        def __call__(self, input: Any, hidden: Any, **_: Any) -> Any:
            r, z, n = jnp.split(self.weight_ih @ input + self.bias, 3)
            hr, hz, _n = jnp.split(self.weight_hh @ hidden, 3)
            r, z = jax.nn.sigmoid(r + hr), jax.nn.sigmoid(z + hz)
            n = jnp.tanh(n + self.weight_hh[24:] @ (r * hidden) + self.bias_n)
            return n + z * (hidden - n)

    yield Port("gru", lambda: Recurrent(nn.GRUCell), blocks.gru)
    yield Port("gru", lambda: Recurrent(nn.GRUCell, 1e-6), blocks.gru, "epsilon of 1e-6", ("norm",), ("eps-value",))
    yield Port("gru", lambda: Recurrent(GRU), blocks.gru, "gates z, r, n", ("rnn",), ("gate-order",))
    yield Port("gru", lambda: Recurrent(Before), blocks.gru, "r before the product", ("rnn",), ("gru-reset",))

    def attention() -> Any:
        use = {f"use_{part}_bias": True for part in ("query", "key", "value", "output")}
        return nn.MultiheadAttention(2, 16, **use, key=key)

    class Attention(eqx.Module):
        norm: Any
        attn: Any
        causal: bool
        residual: str

        def __init__(self, eps: float = 1e-5, causal: bool = False, residual: str = "x") -> None:
            self.norm, self.attn = nn.LayerNorm(16, eps=eps), attention()
            self.causal, self.residual = causal, residual

        def __call__(self, x: Any) -> Any:
            h = jax.vmap(self.norm)(x)
            mask = jnp.tril(jnp.ones((len(x), len(x)), bool)) if self.causal else None
            return (h if self.residual == "h" else x) + self.attn(h, h, h, mask=mask)

    yield Port("attention", Attention, blocks.attention)
    yield Port("attention", lambda: Attention(1e-6), blocks.attention, "epsilon of 1e-6", ("norm",), ("eps-value",))
    yield Port("attention", lambda: Attention(causal=True), blocks.attention, "a causal mask", ("", "attn"),
               ("causal-mask", "mask-extra"))  # fmt: skip
    yield Port("attention", lambda: Attention(residual="h"), blocks.attention, "the residual after the norm", ("",),
               ("residual",))  # fmt: skip

    class Transformer(eqx.Module):
        self_attn: Any
        norm1: Any
        up: Any
        down: Any
        norm2: Any
        approximate: bool
        first: bool

        def __init__(self, eps: float = 1e-5, approximate: bool = False, first: bool = False) -> None:
            self.self_attn, self.approximate, self.first = attention(), approximate, first
            self.norm1, self.norm2 = nn.LayerNorm(16), nn.LayerNorm(16, eps=eps)
            self.up, self.down = nn.Linear(16, 32, key=key), nn.Linear(32, 16, key=key)

        def __call__(self, x: Any) -> Any:
            attend = lambda x: self.self_attn(x, x, x)  # noqa: E731
            feed = jax.vmap(lambda x: self.down(jax.nn.gelu(self.up(x), approximate=self.approximate)))
            norm1, norm2 = jax.vmap(self.norm1), jax.vmap(self.norm2)
            if self.first:
                x = x + attend(norm1(x))
                return x + feed(norm2(x))
            x = norm1(x + attend(x))
            return norm2(x + feed(x))

    right = blocks.transformer
    yield Port("transformer", Transformer, right)
    yield Port("transformer", lambda: Transformer(1e-6), right, "epsilon of 1e-6", ("norm2",), ("eps-value",))
    yield Port(
        "transformer", lambda: Transformer(approximate=True), right, gelu, ("→ linear2", "→ dropout"), ("gelu-tanh",)
    )
    yield Port("transformer", lambda: Transformer(first=True), right, "pre-norm", ("→ self_attn",), ("wiring",))


FRAMEWORK = Framework("Equinox", ("jax", "equinox"), ports)

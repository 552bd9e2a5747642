"""Ports to Keras 3, on the backend that KERAS_BACKEND names (torch, jax or numpy)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from parity_tests.tests.foreign import blocks
from parity_tests.tests.foreign.matrix import Framework, Port

BACKEND = os.environ.setdefault("KERAS_BACKEND", "torch")
EPSILON = "Keras' epsilon of 1e-3"


def ports() -> Iterator[Port]:
    import keras
    from keras import layers as K

    class MLP(keras.Model):
        def __init__(self, epsilon: float = 1e-5, approximate: bool = False, residual: bool = True) -> None:
            super().__init__()
            self.fc1, self.norm, self.fc2 = K.Dense(24), K.LayerNormalization(epsilon=epsilon), K.Dense(16)
            self.approximate, self.residual = approximate, residual

        def call(self, x: Any) -> Any:
            h = self.fc2(keras.ops.gelu(self.norm(self.fc1(x)), approximate=self.approximate))
            return x + h if self.residual else h

    yield Port("mlp", MLP, blocks.mlp)
    yield Port("mlp", lambda: MLP(1e-3), blocks.mlp, EPSILON, ("norm",), ("eps-value",))
    approximate = lambda: MLP(approximate=True)  # noqa: E731
    yield Port("mlp", approximate, blocks.mlp, "Keras' GELU by tanh", ("→ fc2",), ("gelu-tanh",))
    yield Port("mlp", lambda: MLP(residual=False), blocks.mlp, "no residual", ("",), ("residual-missing",))

    def cnn(epsilon: float = 1e-5, same: bool = False, last: bool = False) -> Any:
        """Sequential, with Keras' own names and order of axes."""
        pad = [] if same else [K.ZeroPadding2D(1)]
        return keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                K.Conv2D(6, 3, padding="same"),
                K.BatchNormalization(epsilon=epsilon, momentum=0.9),
                K.ReLU(),
                K.MaxPooling2D(2),
                *pad,
                K.Conv2D(8, 3, strides=2, padding="same" if same else "valid", activation="relu"),
                *([] if last else [K.Permute((3, 1, 2))]),
                K.Flatten(),
                K.Dense(5),
            ]
        )

    yield Port("cnn", cnn, blocks.cnn, mode="eval")
    biased = "Keras' moving variance is biased"
    yield Port("cnn", cnn, blocks.cnn, biased, ("bn",), ("running-var-biased",))
    yield Port("cnn", lambda: cnn(1e-3), blocks.cnn, EPSILON, ("bn",), ("eps-value",), "eval")
    last = "flattened with channels last"
    yield Port("cnn", lambda: cnn(last=True), blocks.cnn, last, ("→ fc",), ("channel-order",), "eval")
    yield Port("cnn", lambda: cnn(same=True), blocks.cnn, "same with stride 2", ("conv2", "→ conv2"),
               ("padding-side",), "eval")  # fmt: skip

    class Recurrent(keras.Model):
        def __init__(self, rnn: Any, epsilon: float = 1e-5, step: int = -1) -> None:
            super().__init__()
            self.rnn, self.norm, self.head = rnn, K.LayerNormalization(epsilon=epsilon), K.Dense(5)
            self.step = step

        def call(self, x: Any) -> Any:
            return self.head(self.norm(self.rnn(x))[:, self.step])

    def lstm(epsilon: float = 1e-5, step: int = -1, **options: Any) -> Any:
        return Recurrent(K.LSTM(12, return_sequences=True, **options), epsilon, step)

    yield Port("lstm", lstm, blocks.lstm)
    yield Port("lstm", lambda: lstm(1e-3), blocks.lstm, EPSILON, ("norm",), ("eps-value",))
    hard = lambda: lstm(recurrent_activation="hard_sigmoid")  # noqa: E731
    yield Port("lstm", hard, blocks.lstm, "gates by hard sigmoid", ("rnn", "→ norm"), ("hard-gates",))
    yield Port("lstm", lambda: lstm(step=0), blocks.lstm, "the first step", ("→ head",), ("position",))

    def gru(epsilon: float = 1e-5, **options: Any) -> Any:
        return Recurrent(K.GRU(12, return_sequences=True, **options), epsilon)

    zero = lambda: blocks.gru(bias_of_n=False)  # noqa: E731
    yield Port("gru", gru, blocks.gru)
    yield Port("gru", lambda: gru(1e-3), blocks.gru, EPSILON, ("norm",), ("eps-value",))
    before = lambda: gru(reset_after=False)  # noqa: E731
    yield Port("gru", before, zero, "reset_after=False", ("rnn", "→ norm"), ("gru-reset",))

    yield Port("gru", lambda: gru(use_bias=False), blocks.gru, "no bias", ("rnn",), ("missing-bias",))

    class Attention(keras.Model):
        def __init__(self, epsilon: float = 1e-5, causal: bool = False, width: int = 8) -> None:
            super().__init__()
            self.norm = K.LayerNormalization(epsilon=epsilon)
            self.attn, self.causal = K.MultiHeadAttention(16 // width, width), causal

        def call(self, x: Any) -> Any:
            h = self.norm(x)
            return x + self.attn(h, h, use_causal_mask=self.causal)

    yield Port("attention", Attention, blocks.attention)
    yield Port("attention", lambda: Attention(1e-3), blocks.attention, EPSILON, ("norm",), ("eps-value",))
    masked = lambda: Attention(causal=True)  # noqa: E731
    yield Port("attention", masked, blocks.attention, "a causal mask", ("attn", ""), ("mask-causal", "causal-mask"))
    heads = lambda: Attention(width=4)  # noqa: E731
    yield Port("attention", heads, blocks.attention, "four heads for two", ("attn", ""), ("heads",))

    class Transformer(keras.Model):
        def __init__(self, epsilon: float = 1e-5, activation: str = "gelu_exact", first: bool = False) -> None:
            super().__init__()
            exact = lambda h: keras.ops.gelu(h, approximate=False)  # noqa: E731
            self.attn, self.norm1 = K.MultiHeadAttention(2, 8), K.LayerNormalization(epsilon=1e-5)
            self.up = K.Dense(32, activation=exact if activation == "gelu_exact" else activation)
            self.down, self.norm2, self.first = K.Dense(16), K.LayerNormalization(epsilon=epsilon), first

        def call(self, x: Any) -> Any:
            if self.first:
                h = self.norm1(x)
                x = x + self.attn(h, h)
                return x + self.down(self.up(self.norm2(x)))
            x = self.norm1(x + self.attn(x, x))
            return self.norm2(x + self.down(self.up(x)))

    yield Port("transformer", Transformer, blocks.transformer)
    yield Port("transformer", lambda: Transformer(1e-3), blocks.transformer, EPSILON, ("norm2",), ("eps-value",))
    relu = lambda: Transformer(activation="relu")  # noqa: E731
    yield Port(
        "transformer", relu, blocks.transformer, "ReLU for GELU", ("→ linear2", "→ dropout"), ("other-activation",)
    )
    pre = lambda: Transformer(first=True)  # noqa: E731
    yield Port("transformer", pre, blocks.transformer, "pre-norm", ("→ self_attn", "→ norm1"),
               ("wiring", "residual-missing", "residual-alone"))  # fmt: skip


class OnBackend(Framework):
    """Keras has one backend in a process."""

    def installed(self) -> bool:
        return super().installed() and self.name == f"Keras on {BACKEND}"


FRAMEWORKS = [OnBackend(f"Keras on {name}", ("keras", *packages), ports)
              for name, packages in (("torch", ()), ("jax", ("jax",)), ("numpy", ()))]  # fmt: skip

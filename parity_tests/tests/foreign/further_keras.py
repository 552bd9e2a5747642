"""Keras ports of the six further blocks, each once right and once or twice wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
from keras import layers as K
from keras import ops

from parity_tests.tests.foreign.further import Further


def conv(channels: int, kernel: int, stride: int = 1, padding: str = "same", bias: bool = True) -> Any:
    return K.Conv2D(channels, kernel, strides=stride, padding=padding, use_bias=bias)


def norm() -> Any:
    return K.BatchNormalization(epsilon=1e-5, momentum=0.9)


class Residual(keras.Model):
    def __init__(self, same: bool = False, early: bool = False) -> None:
        super().__init__()
        self.pad = None if same else K.ZeroPadding2D(1)
        self.conv1, self.bn1 = conv(6, 3, 2, "same" if same else "valid", False), norm()
        self.conv2, self.bn2 = conv(6, 3, bias=False), norm()
        self.short, self.bn3, self.early = conv(6, 1, 2, "valid", False), norm(), early

    def call(self, x: Any) -> Any:
        h = self.bn2(self.conv2(ops.relu(self.bn1(self.conv1(x if self.pad is None else self.pad(x))))))
        short = self.bn3(self.short(x))
        return ops.relu(h) + short if self.early else ops.relu(h + short)


def unet(exchanged: bool = False) -> Any:
    """By functions, with Keras' own names."""
    x = keras.Input((8, 8, 4))
    a = K.Conv2D(6, 3, padding="same", activation="relu")(x)
    b = K.Conv2D(8, 3, padding="same", activation="relu")(K.MaxPooling2D(2)(a))
    parts = [a, K.Conv2DTranspose(6, 2, 2)(b)]
    h = K.Concatenate()(parts[::-1] if exchanged else parts)
    return keras.Model(x, K.Conv2D(3, 1)(K.Conv2D(6, 3, padding="same", activation="relu")(h)))


class BothWays(keras.Model):
    def __init__(self, last: bool = False) -> None:
        super().__init__()
        self.first, self.second = (K.Bidirectional(K.LSTM(5, return_sequences=True)) for _ in range(2))
        self.head, self.last = K.Dense(3), last

    def call(self, x: Any) -> Any:
        h = self.second(self.first(x))
        return self.head(h[:, -1] if self.last else ops.mean(h, 1))


class Decoder(keras.Model):
    def __init__(self, causal: bool = True) -> None:
        super().__init__()
        self.attn, self.cross = K.MultiHeadAttention(2, 4), K.MultiHeadAttention(2, 4)
        self.norm1, self.norm2, self.norm3, self.last = (K.LayerNormalization(epsilon=1e-5) for _ in range(4))
        self.up, self.down, self.causal = K.Dense(16, activation="relu"), K.Dense(8), causal

    def call(self, x: Any, memory: Any) -> Any:
        h = self.norm1(x)
        x = x + self.attn(h, h, use_causal_mask=self.causal)
        x = x + self.cross(self.norm2(x), memory)
        return self.last(x + self.down(self.up(self.norm3(x))))


class Diffusion(keras.Model):
    def __init__(self, gelu: bool = False, groups: int = 4) -> None:
        super().__init__()
        self.norm1, self.norm2 = (K.GroupNormalization(g, epsilon=1e-5) for g in (2, groups))
        self.conv1, self.time, self.conv2, self.skip = conv(8, 3), K.Dense(8), conv(8, 3), conv(8, 1)
        self.first = ops.gelu if gelu else ops.silu

    def call(self, x: Any, t: Any) -> Any:
        h = self.conv1(self.first(self.norm1(x))) + self.time(ops.silu(t))[:, None, None]
        return self.skip(x) + self.conv2(ops.silu(self.norm2(h)))


class Tied(keras.Model):
    """With Keras' own layer for it."""

    def __init__(self, scaled: bool = False) -> None:
        super().__init__()
        self.embed, self.norm = K.ReversibleEmbedding(11, 8), K.LayerNormalization(epsilon=1e-5)
        self.positions, self.scaled = self.add_weight(shape=(7, 8), name="positions"), scaled

    def call(self, i: Any) -> Any:
        h = self.embed(i)
        return self.embed(self.norm((h * 8**0.5 if self.scaled else h) + self.positions), reverse=True)


def ports() -> Iterator[Further]:
    yield Further("residual", Residual, mode="eval")
    yield Further("residual", lambda: Residual(same=True), "same with stride 2", ("conv1",), "padding-side", "eval")
    yield Further(
        "residual", lambda: Residual(early=True), "ReLU before the sum", ("", "relu"), "activation-place", "eval"
    )
    yield Further("unet", unet)
    yield Further("unet", lambda: unet(True), "parts exchanged", ("→ fuse",), "concat-order")
    yield Further("both ways", BothWays)
    yield Further("both ways", lambda: BothWays(True), "the last step, not the mean", ("→ head", "lstm"), "pool-kind")
    yield Further("decoder", Decoder)
    yield Further("decoder", lambda: Decoder(False), "no causal mask", ("layer.self_attn",), "mask-missing")
    yield Further("diffusion", Diffusion)
    yield Further("diffusion", lambda: Diffusion(True), "GELU for SiLU", ("→ conv1",), "other-activation")
    yield Further("diffusion", lambda: Diffusion(groups=2), "two groups for four", ("norm2",), "groups")
    yield Further("tied", Tied)
    yield Further("tied", lambda: Tied(True), "the embedding scaled", ("embed", "→ norm"), "embedding-scale")

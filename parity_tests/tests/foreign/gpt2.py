"""transformers' GPT-2 in a tiny configuration, and a twin of it in Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch
from keras import layers as K
from keras import ops
from transformers import GPT2Config, GPT2Model

IDS = np.random.default_rng(0).integers(0, 40, (2, 7))
WIDTH, HEADS, LAYERS = 16, 2, 2


def gpt2() -> Any:
    config = GPT2Config(
        n_embd=WIDTH, n_head=HEADS, n_layer=LAYERS, vocab_size=40, n_positions=12, resid_pdrop=0.0, embd_pdrop=0.0,
        attn_pdrop=0.0, bos_token_id=0, eos_token_id=0, use_cache=False,
    )  # fmt: skip
    torch.manual_seed(0)
    model = GPT2Model(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model


class Attention(K.Layer):
    def __init__(self, masked: bool = True) -> None:
        super().__init__()
        self.c_attn, self.c_proj, self.masked = K.Dense(3 * WIDTH), K.Dense(WIDTH), masked

    def call(self, x: Any) -> Any:
        batch, length, _ = x.shape
        parts = ops.split(self.c_attn(x), 3, axis=-1)
        q, k, v = (ops.transpose(ops.reshape(p, (batch, length, HEADS, -1)), (0, 2, 1, 3)) for p in parts)
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / (WIDTH // HEADS) ** 0.5
        if self.masked:
            scores = ops.where(ops.tril(ops.ones((length, length), "bool")), scores, -1e30)
        y = ops.transpose(ops.matmul(ops.softmax(scores, axis=-1), v), (0, 2, 1, 3))
        return self.c_proj(ops.reshape(y, (batch, length, WIDTH)))


class MLP(K.Layer):
    def __init__(self, approximate: bool = True) -> None:
        super().__init__()
        self.c_fc, self.c_proj, self.approximate = K.Dense(4 * WIDTH), K.Dense(WIDTH), approximate

    def call(self, x: Any) -> Any:
        return self.c_proj(ops.gelu(self.c_fc(x), approximate=self.approximate))


class Block(K.Layer):
    def __init__(self, epsilon: float, masked: bool, approximate: bool) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = K.LayerNormalization(epsilon=epsilon), K.LayerNormalization(epsilon=epsilon)
        self.attn, self.mlp = Attention(masked), MLP(approximate)

    def call(self, x: Any) -> Any:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class KerasGPT2(keras.Model):
    def __init__(self, epsilon: float = 1e-5, masked: bool = True, approximate: bool = True) -> None:
        super().__init__()
        self.wte, self.wpe = K.Embedding(40, WIDTH), K.Embedding(12, WIDTH)
        self.h = [Block(epsilon, masked, approximate) for _ in range(LAYERS)]
        self.ln_f = K.LayerNormalization(epsilon=1e-5)

    def call(self, ids: Any) -> Any:
        x = self.wte(ids) + self.wpe(ops.expand_dims(ops.arange(ids.shape[1]), 0))
        for block in self.h:
            x = block(x)
        return self.ln_f(x)

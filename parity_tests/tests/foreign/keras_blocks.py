"""Six blocks in Keras and in torch: correct ports, and ports with a mistake that is typical of Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch
from keras import layers as K
from torch import nn


class MLP(keras.Model):
    def __init__(self, epsilon: float = 1e-5, approximate: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.fc1, self.norm = K.Dense(16), K.LayerNormalization(epsilon=epsilon)
        self.approximate = approximate
        self.fc2 = K.Dense(4, use_bias=bias)

    def call(self, x: Any) -> Any:
        return self.fc2(keras.ops.gelu(self.norm(self.fc1(x)), approximate=self.approximate))


class TorchMLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.norm, self.fc2 = nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(nn.functional.gelu(self.norm(self.fc1(x))))


def cnn(epsilon: float = 1e-5, momentum: float = 0.9, strides: int = 1, flatten_last: bool = False) -> Any:
    """Sequential, in Keras' own order of axes, with the layers' own names."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            K.Conv2D(6, 3, padding="same"),
            K.BatchNormalization(epsilon=epsilon, momentum=momentum),
            K.ReLU(),
            K.MaxPooling2D(2),
            *([] if flatten_last else [K.Permute((3, 1, 2))]),
            K.Flatten(),
            K.Dense(5),
        ]
    )


class TorchCNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.pool = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.MaxPool2d(2)
        self.fc = nn.Linear(96, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(torch.relu(self.bn(self.conv(x)))).flatten(1))


class Recurrent(keras.Model):
    def __init__(self, rnn: Any, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.embed, self.rnn, self.norm, self.fc = (
            K.Embedding(20, 6),
            rnn,
            K.LayerNormalization(epsilon=epsilon),
            K.Dense(3),
        )

    def call(self, x: Any) -> Any:
        return self.fc(self.norm(self.rnn(self.embed(x))))


class TorchRecurrent(nn.Module):
    def __init__(self, rnn: nn.Module) -> None:
        super().__init__()
        self.embed, self.rnn, self.norm, self.fc = nn.Embedding(20, 6), rnn, nn.LayerNorm(7), nn.Linear(7, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.norm(self.rnn(self.embed(x))[0]))


class Attention(keras.Model):
    def __init__(self, causal: bool = True, key_dim: int = 4, **more: Any) -> None:
        super().__init__()
        self.norm, self.attn, self.causal = K.LayerNormalization(epsilon=1e-5), K.MultiHeadAttention(2, 4), causal

    def call(self, x: Any) -> Any:
        h = self.norm(x)
        return x + self.attn(h, h, use_causal_mask=self.causal)


class TorchAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.attn = nn.LayerNorm(8), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, mask = self.norm(x), nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return x + self.attn(h, h, h, attn_mask=mask, need_weights=False)[0]


class Layer(keras.Model):
    def __init__(self, epsilon: float = 1e-5, activation: str = "relu", pre: bool = False) -> None:
        super().__init__()
        self.attn, self.norm1 = K.MultiHeadAttention(2, 4), K.LayerNormalization(epsilon=epsilon)
        self.dense1, self.dense2 = K.Dense(16, activation=activation), K.Dense(8)
        self.norm2, self.pre = K.LayerNormalization(epsilon=epsilon), pre

    def call(self, x: Any) -> Any:
        if self.pre:
            h = self.norm1(x)
            x = x + self.attn(h, h)
            return x + self.dense2(self.dense1(self.norm2(x)))
        x = self.norm1(x + self.attn(x, x))
        return self.norm2(x + self.dense2(self.dense1(x)))


def torch_layer() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)


X = np.random.default_rng(0)

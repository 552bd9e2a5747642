"""A GPT block written in plain NumPy beside the torch block that it ports, with one mistake in the port.

    nn-parity compare parity_tests/comparer/example.py:left parity_tests/comparer/example.py:right --input 2,8,16

The mistake: each head's scores are divided by the square root of the whole width, not of the head's own. The block
trains all the same, only worse, and its output looks plausible. `repaired` is the port without it.
"""

from __future__ import annotations

import math

import numpy as np
import torch

WIDTH, HEADS = 16, 2


class Linear:
    def __init__(self, inputs: int, outputs: int) -> None:
        self.weight = np.zeros((outputs, inputs), np.float32)
        self.bias = np.zeros(outputs, np.float32)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._x = x
        return x @ self.weight.T + self.bias

    def backward(self, dy: np.ndarray) -> np.ndarray:
        rows = dy.reshape(-1, dy.shape[-1])
        self.dweight = rows.T @ self._x.reshape(-1, self._x.shape[-1])
        self.dbias = rows.sum(axis=0)
        return dy @ self.weight


class LayerNorm:
    def __init__(self, width: int) -> None:
        self.weight, self.bias = np.ones(width, np.float32), np.zeros(width, np.float32)

    def forward(self, x: np.ndarray) -> np.ndarray:
        centered = x - x.mean(axis=-1, keepdims=True)
        self._r = 1 / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + np.float32(1e-5))
        self._x = centered * self._r
        return self._x * self.weight + self.bias

    def backward(self, dy: np.ndarray) -> np.ndarray:
        axes = tuple(range(dy.ndim - 1))
        self.dweight, self.dbias = (dy * self._x).sum(axis=axes), dy.sum(axis=axes)
        g = dy * self.weight
        return self._r * (g - g.mean(-1, keepdims=True) - self._x * (g * self._x).mean(-1, keepdims=True))


class GELU:
    """The tanh form, as GPT-2 has it."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._x, self._t = x, np.tanh(np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x**3))
        return np.float32(0.5) * x * (1 + self._t)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, t = self._x, self._t
        slope = np.float32(math.sqrt(2 / math.pi)) * (1 + np.float32(3 * 0.044715) * x**2)
        return dy * np.float32(0.5) * (1 + t + x * (1 - t * t) * slope)


class CausalSelfAttention:
    scale = 1 / math.sqrt(WIDTH)  # the mistake: it should be 1 / sqrt(WIDTH / HEADS)

    def __init__(self) -> None:
        self.c_attn, self.c_proj = Linear(WIDTH, 3 * WIDTH), Linear(WIDTH, WIDTH)

    def forward(self, x: np.ndarray) -> np.ndarray:
        q, k, v = (split_heads(part) for part in np.split(self.c_attn.forward(x), 3, axis=-1))
        scores = q @ k.swapaxes(-1, -2) * np.float32(self.scale)
        L = scores.shape[-1]
        scores[..., np.triu_indices(L, 1)[0], np.triu_indices(L, 1)[1]] = -np.inf
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        self._saved = q, k, v, weights
        return self.c_proj.forward(join_heads(weights @ v))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        q, k, v, weights = self._saved
        dy = split_heads(self.c_proj.backward(dy))
        dweights = dy @ v.swapaxes(-1, -2)
        dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True)) * np.float32(self.scale)
        parts = dscores @ k, dscores.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ dy
        return self.c_attn.backward(np.concatenate([join_heads(part) for part in parts], axis=-1))


def split_heads(x: np.ndarray) -> np.ndarray:
    return x.reshape(*x.shape[:-1], HEADS, -1).swapaxes(-2, -3)


def join_heads(x: np.ndarray) -> np.ndarray:
    x = x.swapaxes(-2, -3)
    return x.reshape(*x.shape[:-2], -1)


class MLP:
    def __init__(self) -> None:
        self.c_fc, self.gelu, self.c_proj = Linear(WIDTH, 4 * WIDTH), GELU(), Linear(4 * WIDTH, WIDTH)

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.c_proj.forward(self.gelu.forward(self.c_fc.forward(x)))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return self.c_fc.backward(self.gelu.backward(self.c_proj.backward(dy)))


class Block:
    def __init__(self) -> None:
        self.ln_1, self.attn, self.ln_2, self.mlp = LayerNorm(WIDTH), CausalSelfAttention(), LayerNorm(WIDTH), MLP()

    def forward(self, x: np.ndarray) -> np.ndarray:
        x = x + self.attn.forward(self.ln_1.forward(x))
        return x + self.mlp.forward(self.ln_2.forward(x))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dy = dy + self.ln_2.backward(self.mlp.backward(dy))
        return dy + self.ln_1.backward(self.attn.backward(dy))


class TorchAttention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_attn, self.c_proj = torch.nn.Linear(WIDTH, 3 * WIDTH), torch.nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(-2, -3) for part in self.c_attn(x).chunk(3, -1))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(-2, -3).flatten(-2))


class TorchMLP(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_fc, self.gelu = torch.nn.Linear(WIDTH, 4 * WIDTH), torch.nn.GELU("tanh")
        self.c_proj = torch.nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c_proj(self.gelu(self.c_fc(x)))


class TorchBlock(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.attn = torch.nn.LayerNorm(WIDTH), TorchAttention()
        self.ln_2, self.mlp = torch.nn.LayerNorm(WIDTH), TorchMLP()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


def left() -> Block:
    return Block()


def repaired() -> Block:
    block = Block()
    block.attn.scale = 1 / math.sqrt(WIDTH / HEADS)
    return block


def right() -> TorchBlock:
    return TorchBlock()
